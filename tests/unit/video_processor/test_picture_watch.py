"""When a camera's picture is called frozen, black, covered, blurred or moved, and what never is."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest

from components.shared.errors import Fatal
from components.shared.wire.units import NS_PER_S, MonotonicNs, WallNs
from components.video_processor.core.picture_measures import HEIGHT, WIDTH, Look
from components.video_processor.core.picture_reference import LEARN_LOOKS, Reference, from_bytes, to_bytes
from components.video_processor.core.picture_watch import ACCEPTED_NS, BAD_FOR_NS, PictureWatch
from tests.fakes.small_scene import RIM, STEP_NS, Floats, SmallScene, cloth

pytestmark = pytest.mark.slow  # each judges dozens of pictures

SEEN_LOOKS_MAX = 6
"""Looks until a failure is raised: ten seconds and the look before, with room for half a minute in all."""


def show(watch: PictureWatch, looks: Iterable[Look]) -> list[str | None]:
    """Show these; what was wrong after each."""
    faults: list[str | None] = []
    for look in looks:
        watch.look(look)
        faults.append(watch.fault.kind if watch.fault else None)
    return faults


def learnt(scene: SmallScene, turns: bool = False) -> PictureWatch:
    """A watch that knows the scene."""
    watch = PictureWatch(turns)
    assert show(watch, (scene.look() for _ in range(LEARN_LOOKS + 4))) == [None] * (LEARN_LOOKS + 4)
    return watch


def frozen(scene: SmallScene) -> Callable[[], Look]:
    """The same picture again and again, with a clock burnt in that runs."""
    first = scene.look()

    def again() -> Look:
        scene.count += 1
        picture = first.grey.copy()
        picture[:14, : 4 * (scene.count % 50)] = 235
        at_ns = scene.count * STEP_NS
        return Look(MonotonicNs(at_ns), WallNs(first.wall_ns + at_ns), picture, picture, first.saturation)

    return again


def black(scene: SmallScene) -> Floats:
    """No light, and the camera's name burnt in."""
    picture = np.full((HEIGHT, WIDTH), 16.0)
    picture[:14, :120:2] = 235
    return picture


FAILURES: dict[str, Callable[[SmallScene], Callable[[], Look]]] = {
    "picture_frozen": frozen,
    "picture_black": lambda scene: lambda: scene.look(black(scene)),
    "picture_covered": lambda scene: lambda: scene.look(cloth()),
    "picture_blurred": lambda scene: lambda: scene.look(scene.blurred(2)),
    "picture_moved": lambda scene: lambda: scene.look(scene.usual(right=30, down=12)),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_a_failure_is_raised_once_it_lasts_and_cleared_when_it_is_over(kind: str) -> None:
    """Not before it has lasted its time, soon after, and not longer than it lasts and its time again."""
    scene = SmallScene()
    watch = learnt(scene)
    failing = FAILURES[kind](scene)
    faults = show(watch, (failing() for _ in range(SEEN_LOOKS_MAX)))
    early = BAD_FOR_NS // STEP_NS
    assert faults[: early - 1] == [None] * (early - 1)
    assert faults[-1] == kind
    assert watch.fault is not None and watch.fault.reason
    healed = show(watch, (scene.look() for _ in range(SEEN_LOOKS_MAX)))
    assert healed[0] == kind and healed[-1] is None


@pytest.mark.parametrize("kind", FAILURES)
def test_what_passes_raises_nothing(kind: str) -> None:
    """The same picture for less than its time, three times in a row, is no failure."""
    scene = SmallScene()
    watch = learnt(scene)
    for _ in range(3):
        failing = FAILURES[kind](scene)
        assert show(watch, (failing() for _ in range(BAD_FOR_NS // STEP_NS))) == [None] * (BAD_FOR_NS // STEP_NS)
        assert show(watch, [scene.look(), scene.look()]) == [None, None]


def test_dusk_and_infrared_light_raise_nothing() -> None:
    """The light fades to a twentieth while the noise grows, the camera turns grey and lights the scene from itself."""
    scene = SmallScene()
    watch = learnt(scene)
    for light in np.geomspace(1.0, 0.3, 60):
        assert show(watch, [scene.look(16 + (scene.usual() - 16) * light, noise=1.5 + 3 * (1 - light))]) == [None]
    x, y = np.meshgrid(np.linspace(-1, 1, WIDTH), np.linspace(-1, 1, HEIGHT))
    lamp = 1.3 / (1 + 2 * (x * x + y * y))
    night = 16 + (scene.usual() - 16) * lamp
    assert set(show(watch, (scene.look(night, saturation=0.2, noise=4.0) for _ in range(40)))) == {None}
    assert set(show(watch, (scene.look() for _ in range(20)))) == {None}


def test_light_that_is_switched_raises_nothing() -> None:
    """A lamp goes on and off in a room: another brightness and another gradient of it, the same edges."""
    scene = SmallScene()
    watch = learnt(scene)
    lamp = np.broadcast_to(np.linspace(0.4, 1.25, WIDTH), (HEIGHT, WIDTH))
    for _ in range(3):
        assert set(show(watch, (scene.look(16 + (scene.usual() - 16) * lamp) for _ in range(12)))) == {None}
        assert set(show(watch, (scene.look() for _ in range(12)))) == {None}


def test_noise_that_vanishes_is_no_blur() -> None:
    """A camera whose gain falls shows less noise and the same edges."""
    scene = SmallScene(noise=6.0)
    watch = learnt(scene)
    assert set(show(watch, (scene.look(noise=0.8) for _ in range(10)))) == {None}


def test_person_in_front_of_a_part_raises_nothing() -> None:
    """Somebody who stands before half of the picture hides it and is nothing that a camera suffers from."""
    scene = SmallScene()
    watch = learnt(scene)
    person = scene.usual()
    person[:, 80:220] = 70
    assert set(show(watch, (scene.look(person) for _ in range(20)))) == {None}


def test_wind_shakes_the_mast() -> None:
    """Pictures that jump by two pixels are those of a mast in the wind."""
    scene = SmallScene()
    watch = learnt(scene)
    looks = (scene.look(scene.usual(right=2 * (number % 3) - 2, down=number % 2)) for number in range(20))
    assert set(show(watch, looks)) == {None}


def test_camera_that_turns_by_command() -> None:
    """Of a camera that is turned on purpose a moved picture is learnt anew, and a covered one is still seen."""
    scene = SmallScene()
    watch = learnt(scene, turns=True)
    turned = [scene.usual(right=shift) for shift in (40, -40, 20)]
    for view in turned:
        assert set(show(watch, (scene.look(view) for _ in range(LEARN_LOOKS + 2)))) == {None}
    assert show(watch, (scene.look(cloth()) for _ in range(SEEN_LOOKS_MAX)))[-1] == "picture_covered"


def test_covered_in_a_kind_of_picture_that_is_not_known_yet() -> None:
    """A cloth that makes the picture grey is not taken for what it shows at night."""
    scene = SmallScene()
    watch = learnt(scene)
    assert show(watch, (scene.look(cloth(), saturation=0.1) for _ in range(12)))[-1] == "picture_covered"


def test_scene_without_structure_is_never_covered() -> None:
    """A camera that looks at a plain wall shows nothing else when it is well."""
    scene = SmallScene()
    watch = PictureWatch()
    assert set(show(watch, (scene.look(cloth()) for _ in range(30)))) == {None}


def test_moved_view_is_learnt_after_a_day() -> None:
    """A camera that somebody has aimed anew is judged by its new view a day later, and the fault is over."""
    scene = SmallScene()
    watch = learnt(scene)
    moved = scene.usual(right=30, down=12)
    assert show(watch, (scene.look(moved) for _ in range(SEEN_LOOKS_MAX)))[-1] == "picture_moved"
    scene.count += ACCEPTED_NS // STEP_NS
    assert set(show(watch, (scene.look(moved) for _ in range(LEARN_LOOKS + 4)))) == {None}
    assert show(watch, (scene.look() for _ in range(SEEN_LOOKS_MAX)))[-1] == "picture_moved"


def test_restart_does_not_take_a_blurred_picture_for_the_usual_one() -> None:
    """What was learnt is put back by a restart: the picture that was blurred meanwhile is told."""
    scene = SmallScene()
    kept = {mode: to_bytes(found) for mode, found in learnt(scene).references.items()}
    restored = {mode: found for mode, content in kept.items() if (found := from_bytes(content))}
    watch = PictureWatch(references=restored)
    assert show(watch, (scene.look(scene.blurred(2)) for _ in range(SEEN_LOOKS_MAX)))[-1] == "picture_blurred"


def test_kept_references_are_the_same_or_none() -> None:
    """What was kept is read back to half precision; what is cut, longer or of another release is none."""
    reference: Reference = learnt(SmallScene()).references["colour"]
    content = to_bytes(reference)
    again = from_bytes(content)
    assert again is not None and again.looks == reference.looks
    assert np.allclose(again.edges, reference.edges, atol=1e-3) and np.array_equal(again.layout, reference.layout)
    spoilt = content[:-4] + np.float32("nan").tobytes()
    for bad in (b"", content[:-1], content + b"\0", b"PR99" + content[4:], spoilt):
        assert from_bytes(bad) is None


def test_picture_of_another_size_is_refused() -> None:
    """Whoever hands over a picture of another size has made a mistake."""
    grey = np.zeros((HEIGHT, WIDTH), np.uint8)
    with pytest.raises(Fatal, match="180, 319"):
        Look(MonotonicNs(0), WallNs(0), grey[:, 1:], grey, 0.0)


def test_rim_is_large_enough() -> None:
    """The views of these tests lie within the scene."""
    assert RIM >= 40 and 10 * NS_PER_S == BAD_FOR_NS

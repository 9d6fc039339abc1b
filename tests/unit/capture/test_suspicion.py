"""Who is recorded alone after crashes, for how long, and after which pause."""

import pytest

from components.capture.core.placing import choose_crew
from components.capture.core.suspicion import CULPRIT_NS, SUSPECT_NS, Standing, Suspicion
from components.shared.wire.units import NS_PER_S

CREW = ("cam-1", "cam-2", "cam-3")


def suspects(suspicion: Suspicion, now_ns: int) -> list[str]:
    return [camera for camera in CREW if suspicion.standing(camera, now_ns) == "suspect"]


@pytest.mark.parametrize(("after_ns", "expected"), [(SUSPECT_NS - 1, "doubtful"), (SUSPECT_NS, "clear")])
def test_one_crash_is_no_suspicion(after_ns: int, expected: str) -> None:
    """After a first crash all are recorded as before, at once; for ten minutes they share with nobody else."""
    suspicion = Suspicion()
    assert suspicion.standing("cam-1", 0) == "clear"
    assert suspicion.crashed(CREW, 0) == 0
    assert {suspicion.standing(camera, after_ns) for camera in CREW} == {expected}


@pytest.mark.parametrize(("after_ns", "expected"), [(SUSPECT_NS - 1, list(CREW)), (SUSPECT_NS, [])])
def test_two_crashes_within_ten_minutes(after_ns: int, expected: list[str]) -> None:
    """Two within ten minutes put each alone, at once; two that are further apart are two first ones."""
    suspicion = Suspicion()
    suspicion.crashed(CREW, 0)
    assert suspicion.crashed(CREW, after_ns) == 0
    assert suspects(suspicion, after_ns) == expected


def test_ten_minutes_clear_a_camera() -> None:
    """Those that do not crash alone are cleared."""
    suspicion = Suspicion()
    suspicion.crashed(CREW, 0)
    suspicion.crashed(CREW, 10)
    assert suspects(suspicion, SUSPECT_NS - 1) == list(CREW)
    assert suspects(suspicion, SUSPECT_NS) == []


def test_who_crashes_alone_stays_alone_for_a_day() -> None:
    """The one to blame is known once it crashed alone."""
    suspicion = Suspicion()
    suspicion.crashed(CREW, 0)
    suspicion.crashed(CREW, 10)
    suspicion.crashed(("cam-2",), 20)
    assert suspects(suspicion, 20 + CULPRIT_NS - 1) == ["cam-2"]
    assert suspects(suspicion, 20 + CULPRIT_NS) == []


def test_pauses_grow_for_the_one_that_crashes_alone() -> None:
    """Its repeats wait 10, 30 and then always 60 s; one that was alone from the start begins with none, then 5 s."""
    suspicion = Suspicion()
    now_ns = 0
    pauses = []
    for cameras in (CREW, CREW, *[("cam-1",)] * 5):
        pause_ns = suspicion.crashed(cameras, now_ns)
        pauses.append(pause_ns // NS_PER_S)
        now_ns += pause_ns + NS_PER_S
    assert pauses == [0, 0, 10, 30, 60, 60, 60]
    lone = Suspicion()
    assert [lone.crashed(("cam-1",), second * NS_PER_S) // NS_PER_S for second in range(3)] == [0, 5, 10]


def test_a_camera_that_is_gone_is_forgotten() -> None:
    """A camera that comes back under its name begins without a past."""
    suspicion = Suspicion()
    suspicion.crashed(("cam-1",), 0)
    suspicion.forget("cam-1")
    assert (suspicion.standing("cam-1", 1), suspicion.crashes("cam-1", 1)) == ("clear", 0)


@pytest.mark.parametrize(
    ("crews", "standings", "expected"),
    [
        ({}, {}, None),
        ({"a": ["1"], "b": ["2", "3"]}, {}, "b"),
        ({"a": ["1"], "b": ["2", "3", "4"]}, {}, "a"),
        ({"a": ["1", "2", "3"]}, {}, None),
        ({"a": ["1"], "b": ["2"]}, {"2": "suspect"}, "a"),
        ({"a": ["1"], "b": ["2", "3"]}, {"3": "doubtful"}, "a"),
        ({"a": ["1"]}, {"new": "doubtful"}, None),
        ({"a": ["1", "2"], "b": ["3"]}, {"new": "doubtful", "3": "doubtful"}, "b"),
        ({"a": ["1"], "b": ["2"]}, {"new": "suspect", "2": "suspect"}, None),
    ],
)
def test_the_fullest_crew_with_room_is_chosen(
    crews: dict[str, list[str]], standings: dict[str, Standing], expected: str | None
) -> None:
    """New cameras fill crews, at most three here, of cameras of their standing; a suspect shares with nobody."""

    def standing(camera: str) -> Standing:
        return standings.get(camera, "clear")

    assert choose_crew("new", crews, standing, 3) == expected

"""Whatever footage, settings, room and clock: what is deleted goes in its order and within its limits."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from components.capture.core.retention import (
    DAY_NS,
    Footage,
    PassLimits,
    Plan,
    Rank,
    Rules,
    Stock,
    VolumeSpace,
    plan,
    rank_of,
)
from components.shared.wire.recording_config import CameraRetentionSection, RetentionSection
from components.shared.wire.units import WallNs

NOW = WallNs(400 * DAY_NS)
CAMERAS = ("cam-1", "cam-2")
VOLUMES = ("main", "second")
HUNDRED_MB = 100_000_000
UNLIMITED = PassLimits(10_000, 10**15)


@st.composite
def footages(draw: st.DrawFn) -> list[Footage]:
    """Up to 40 segments of two cameras on two volumes, of any class, some of them in the future of the clock."""
    rows = draw(
        st.lists(
            st.tuples(
                *(st.sampled_from(CAMERAS), st.sampled_from(VOLUMES), st.integers(-1, 120)),
                st.integers(1, 60_000_000),
                *(st.sampled_from(["idle", "plain", "event"]), st.booleans()),
                st.sampled_from(["uploaded", "waiting", "refused", "unwanted"]),
            ),
            max_size=40,
        )
    )
    return [
        Footage(
            *(f"segment-{number}", camera, "main", volume, NOW - days_ago * DAY_NS - number - 1),
            *(NOW - days_ago * DAY_NS - number, size_bytes, footage_class, upload, bookmarked),
        )
        for number, (camera, volume, days_ago, size_bytes, footage_class, bookmarked, upload) in enumerate(rows)
    ]


RULES = st.builds(
    Rules,
    st.builds(
        RetentionSection,
        days=st.integers(1, 60),
        event_days=st.integers(1, 120),
        bytes_max=st.none() | st.integers(HUNDRED_MB, 5 * HUNDRED_MB),
        free_percent_min=st.integers(1, 50),
    ),
    st.dictionaries(
        st.sampled_from(CAMERAS),
        st.builds(
            CameraRetentionSection,
            days=st.none() | st.integers(1, 120),
            bytes_max=st.none() | st.integers(HUNDRED_MB, 3 * HUNDRED_MB),
        ),
    ),
    st.sampled_from([frozenset[str](), frozenset({"cam-1"})]),
)
ROOMS = st.lists(st.tuples(st.integers(0, 1_000_000_000), st.integers(0, 110)), min_size=2, max_size=2)
"""What is free on each volume, and how much of its footage is one too many, in percent."""
CLOCKS = st.sampled_from([None, NOW])
LIMITS = st.builds(PassLimits, st.integers(1, 6), st.sampled_from([1, 80_000_000, 10**12]))


@dataclass(frozen=True, slots=True)
class Box:
    """Footage, and of each volume what is free and what recording needs."""

    kept: tuple[Footage, ...]
    free_bytes: tuple[int, ...]
    reserve_bytes: tuple[int, ...]

    def stock(self) -> Stock:
        on_volume, of_camera = defaultdict[str, int](int), defaultdict[str, int](int)
        for one in self.kept:
            on_volume[one.volume] += one.size_bytes
            of_camera[one.camera] += one.size_bytes
        rooms = zip(VOLUMES, self.free_bytes, self.reserve_bytes, strict=True)
        spaces = (
            VolumeSpace(volume, on_volume[volume] + free + 200_000_000, free, on_volume[volume], reserve)
            for volume, free, reserve in rooms
        )
        return Stock(tuple(spaces), dict(of_camera))

    def carry_out(self, made: Plan) -> Box:
        """What is there after a plan."""
        gone = {found.footage.segment for found in made.deletions}
        freed = [
            sum(found.footage.size_bytes for found in made.deletions if found.footage.volume == volume)
            for volume in VOLUMES
        ]
        free = tuple(was + more for was, more in zip(self.free_bytes, freed, strict=True))
        return replace(self, kept=tuple(one for one in self.kept if one.segment not in gone), free_bytes=free)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    """Footage on disks where none, some, all or more of it must go."""
    kept = tuple(draw(footages()))
    rooms = draw(ROOMS)
    sizes = [sum(one.size_bytes for one in kept if one.volume == volume) for volume in VOLUMES]
    reserve = ((free + size * percent // 100) * 2 // 3 for (free, percent), size in zip(rooms, sizes, strict=True))
    return Box(kept, tuple(free for free, _ in rooms), tuple(reserve))


ROOMY = Box((), (10**12, 10**12), (0, 0))


def serves(one: Footage, reason: str, made_for: Footage) -> bool:
    """Whether `one` could have gone for the reason for which `made_for` goes."""
    if "camera" in reason:
        return one.camera == made_for.camera
    return "site" in reason or one.volume == made_for.volume


@given(boxes(), RULES, CLOCKS)
def test_nothing_better_is_left(box: Box, rules: Rules, now_ns: WallNs | None) -> None:
    """A segment goes for want of room only when nothing of an earlier rank, or older, is left that would serve too.

    So nothing that is not uploaded goes while something uploaded is there, and nothing bookmarked while anything is.
    """
    made = plan(box.kept, rules, box.stock(), now_ns, UNLIMITED)
    gone = {found.footage.segment for found in made.deletions}
    for found in made.deletions:
        if found.rank is Rank.EXPIRED:
            continue
        for one in box.kept:
            if one.segment not in gone and serves(one, found.reason, found.footage):
                rank = rank_of(one, rules, now_ns)[0]
                assert (rank, one.start_ns) > (found.rank, found.footage.start_ns)
                if not one.is_bookmarked:
                    assert not found.footage.is_bookmarked
                    assert found.footage.is_safe or not one.is_safe


@given(boxes(), RULES, CLOCKS, LIMITS)
def test_order_and_cap(box: Box, rules: Rules, now_ns: WallNs | None, limits: PassLimits) -> None:
    """A pass goes by rank and then by age, deletes nothing twice, and of each volume no more than it may."""
    made = plan(box.kept, rules, box.stock(), now_ns, limits)
    keys = [(found.rank, found.footage.start_ns) for found in made.deletions]
    assert keys == sorted(keys)
    assert len({found.footage.segment for found in made.deletions}) == len(made.deletions)
    for volume in VOLUMES:
        sizes = [found.footage.size_bytes for found in made.deletions if found.footage.volume == volume]
        assert len(sizes) <= limits.segments_max
        assert len(sizes) <= 1 or sum(sizes) <= limits.size_bytes_max
    whole = plan(box.kept, rules, box.stock(), now_ns, UNLIMITED)
    if len(made.deletions) < len(whole.deletions):
        assert made.is_capped and made.unmet == ()


SCARCE = Box(
    tuple(
        Footage(
            *(f"segment-{number}", "cam-1", "main", "main", NOW - age_ns - 1, NOW - age_ns, size_bytes),
            *("plain", "uploaded"),
        )
        for number, (age_ns, size_bytes) in enumerate([(0, 43), (2 * DAY_NS, 148)])
    ),
    (0, 0),
    (128, 0),
)
"""Others take the disk: only with what has expired recording can go on, and then more room is to be made."""

TWO_VOLUMES = Box(
    tuple(
        Footage(
            *(f"segment-{number}", "cam-1", "main", volume, NOW - number - 1, NOW - number, size_bytes),
            *("idle", "uploaded", number == 3),
        )
        for number, (volume, size_bytes) in enumerate(
            [("main", 49_999_998), ("second", 1), ("main", 1), ("main", 50_000_001)]
        )
    ),
    (0, 0),
    (0, 0),
)
"""One volume needs room, and so does the site, which has footage on another, too."""


@settings(deadline=None)
@example(
    SCARCE, Rules(RetentionSection(days=1, event_days=1, free_percent_min=1), {}, frozenset()), NOW, PassLimits(1, 1)
)
@example(
    TWO_VOLUMES,
    Rules(RetentionSection(days=1, event_days=1, bytes_max=HUNDRED_MB, free_percent_min=1), {}, frozenset()),
    None,
    PassLimits(1, 1),
)
@given(boxes(), RULES, CLOCKS, LIMITS)
def test_passes_come_to_an_end_and_lose_no_more_than_one_whole_pass(
    box: Box, rules: Rules, now_ns: WallNs | None, limits: PassLimits
) -> None:
    """Repeated while needed, capped passes end, never leave the order of the whole one, and then have nothing to do."""
    whole = {found.footage.segment for found in plan(box.kept, rules, box.stock(), now_ns, UNLIMITED).deletions}
    for _ in range(len(box.kept) + 1):
        made = plan(box.kept, rules, box.stock(), now_ns, limits)
        if not made.deletions:
            break
        assert {found.footage.segment for found in made.deletions} <= whole
        box = box.carry_out(made)
    assert plan(box.kept, rules, box.stock(), now_ns, limits).deletions == ()


@given(boxes(), RULES, CLOCKS)
def test_the_same_again_and_then_nothing(box: Box, rules: Rules, now_ns: WallNs | None) -> None:
    """The same values give the same plan in whatever order they come, and what is left after it needs no other."""
    stock = box.stock()
    made = plan(box.kept, rules, stock, now_ns, UNLIMITED)
    assert plan(reversed(box.kept), rules, stock, now_ns, UNLIMITED) == made
    left = box.carry_out(made)
    assert plan(left.kept, rules, left.stock(), now_ns, UNLIMITED).deletions == ()


@given(footages(), RULES)
def test_without_a_trusted_clock_nothing_has_an_age(kept: list[Footage], rules: Rules) -> None:
    """While the clock is not trusted and there is room, nothing is deleted at all."""
    roomy = Rules(replace_bytes(rules.site), {}, rules.unknown)
    stock = replace(ROOMY, kept=tuple(kept)).stock()
    assert plan(kept, roomy, stock, None).deletions == ()


def replace_bytes(site: RetentionSection) -> RetentionSection:
    """The same settings without a bound on bytes."""
    return site.model_copy(update={"bytes_max": None})


@given(footages(), RULES)
def test_what_never_has_an_age(kept: list[Footage], rules: Rules) -> None:
    """Bookmarked footage, that of cameras whose settings are unknown, and what waits for its upload never expire."""
    roomy = Rules(replace_bytes(rules.site), {}, rules.unknown)
    made = plan(kept, roomy, replace(ROOMY, kept=tuple(kept)).stock(), NOW, UNLIMITED)
    for found in made.deletions:
        assert not found.footage.is_bookmarked
        assert found.footage.camera not in rules.unknown
        assert found.footage.upload != "waiting" or found.footage.footage_class == "idle"
        assert not found.is_early and not found.is_lost
    assert not any(one.end_ns > NOW for one in (found.footage for found in made.deletions))


@given(boxes(), RULES)
def test_a_volume_that_is_not_there_is_left_alone(box: Box, rules: Rules) -> None:
    """Rows of a volume whose disk is away stay: its files could not be deleted."""
    stock = box.stock()
    made = plan(box.kept, rules, replace(stock, volumes=stock.volumes[:1]), NOW, UNLIMITED)
    assert {found.footage.volume for found in made.deletions} <= {"main"}

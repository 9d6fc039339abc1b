"""Whether the wall clock is believed, and whether a run follows it."""

import pytest

from components.capture.clock_watch import ASK_NS, ClockWatch
from components.capture.core.clock_trust import (
    DOUBT_NS,
    FUTURE_NS_MAX,
    LEAP_NS,
    PROBATION_NS,
    STEP_NS,
    ClockTrust,
    ClockVerdict,
)
from components.capture.core.placement import APART_NS, EVEN_NS, LEAD_NS_MAX, SETTLED_NS, decide_placement, is_followed
from components.shared.runtime.clock_sync import read_synchronised
from components.shared.wire.units import NS_PER_S, MonotonicNs, WallNs, parse_stamp
from tests.fakes.clock import FakeClock
from tests.fakes.log import RecordingLog

NOW = parse_stamp("20261127T120000.000Z")
YEAR_NS = 365 * 86_400 * NS_PER_S
HOUR_NS = 3_600 * NS_PER_S


class Box:
    """Two clocks and who judges them."""

    def __init__(self, wall_ns: int = NOW) -> None:
        self.wall_ns = wall_ns
        self.monotonic_ns = 1_000 * NS_PER_S
        self.trust = ClockTrust()
        self.look()

    def look(self, record_end_ns: int | None = None, is_synchronised: bool | None = None) -> ClockVerdict:
        end_ns = None if record_end_ns is None else WallNs(record_end_ns)
        return self.trust.look(WallNs(self.wall_ns), MonotonicNs(self.monotonic_ns), end_ns, is_synchronised)

    def step(self, duration_ns: int) -> None:
        self.wall_ns += duration_ns

    def go_on(self, duration_ns: int) -> None:
        self.wall_ns += duration_ns
        self.monotonic_ns += duration_ns


@pytest.mark.parametrize(
    ("stamp", "is_trusted"),
    [
        ("19700101T000000.000Z", False),
        ("20000101T000000.000Z", False),
        ("20241231T235959.999Z", False),
        ("20250101T000000.000Z", True),
        ("20991231T235959.999Z", True),
        ("21000101T000000.000Z", False),
    ],
)
def test_years_that_cannot_be(stamp: str, is_trusted: bool) -> None:
    """A year before the first release or beyond reason is not believed, even of a synchronised clock."""
    box = Box(parse_stamp(stamp))
    assert box.look().is_trusted == is_trusted
    assert box.look(is_synchronised=True).is_trusted == is_trusted
    assert is_followed(box.look()) == is_trusted


def test_times_that_are_no_dates() -> None:
    """A clock before 1970 or after the last year that has a name is told, not stumbled over."""
    assert not Box(-YEAR_NS).look().is_trusted
    assert not Box(8_000 * YEAR_NS).look().is_trusted


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize(("size_ns", "is_trusted"), [(DOUBT_NS - 1, True), (DOUBT_NS, True), (DOUBT_NS + 1, False)])
def test_step_below_at_and_above_doubt(sign: int, size_ns: int, is_trusted: bool) -> None:
    """A step of more than a minute, either way, is doubted until the clock is synchronised; nothing else ends that."""
    box = Box()
    box.step(sign * size_ns)
    verdict = box.look()
    assert verdict.is_trusted == is_trusted and verdict.has_stepped
    box.go_on(30 * 24 * HOUR_NS)
    assert box.look().is_trusted == is_trusted
    assert box.look(is_synchronised=True).is_trusted
    assert box.look().is_trusted


def test_readings_apart_are_no_step() -> None:
    """Two clocks read one after the other differ a little; many small steps are one in the end."""
    box = Box()
    box.step(STEP_NS - 1)
    assert not box.look().has_stepped
    box.step(1)
    assert box.look().has_stepped


def test_clock_that_is_put_right_at_boot() -> None:
    """Stepping out of a year that cannot be is how a clock is put right."""
    box = Box(parse_stamp("20000101T000100.000Z"))
    box.wall_ns = NOW
    assert box.look().is_trusted


@pytest.mark.parametrize(("ahead_ns", "is_trusted"), [(FUTURE_NS_MAX, True), (FUTURE_NS_MAX + 1, False)])
def test_record_in_the_future(ahead_ns: int, is_trusted: bool) -> None:
    """A clock behind the newest record is not believed, unless it is synchronised: then the record is wrong."""
    box = Box()
    assert box.look(NOW + ahead_ns).is_trusted == is_trusted
    assert box.look(NOW + ahead_ns, is_synchronised=False).is_trusted == is_trusted
    assert box.look(NOW + ahead_ns, is_synchronised=True).is_trusted


def test_unsynchronised_is_no_doubt() -> None:
    """A box that never sees a time server may have a good clock: that alone is no reason."""
    assert Box().look(NOW, is_synchronised=False).is_trusted


def verdict(is_trusted: bool = True, even_ns: int = HOUR_NS, has_stepped: bool = True) -> ClockVerdict:
    return ClockVerdict(is_trusted, is_trusted, "", even_ns, has_stepped)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize(
    ("apart_ns", "placement"),
    [(APART_NS, "keep"), (APART_NS + 1, "lead"), (LEAD_NS_MAX, "lead"), (LEAD_NS_MAX + 1, "renew")],
)
def test_run_that_left_the_clock(sign: int, apart_ns: int, placement: str) -> None:
    """A run that is off by little is led back, one that is off by more begins anew, either way."""
    assert decide_placement(sign * apart_ns) == placement


@pytest.mark.parametrize(
    ("seen", "is_so"),
    [
        (verdict(even_ns=SETTLED_NS - 1), False),
        (verdict(even_ns=SETTLED_NS), True),
        (verdict(even_ns=0, has_stepped=False), True),
        (verdict(is_trusted=False, even_ns=EVEN_NS - 1), False),
        (verdict(is_trusted=False, even_ns=EVEN_NS), True),
    ],
)
def test_clock_that_is_followed(seen: ClockVerdict, is_so: bool) -> None:
    """A clock is followed when it has settled and is believed, or has gone on evenly for an hour."""
    assert is_followed(seen) == is_so


def test_watch_asks_the_kernel_now_and_then() -> None:
    """The kernel is asked every ten seconds at most; a change of the verdict is told once."""
    clock, log, asked = FakeClock(NOW), RecordingLog(), []

    def word() -> bool | None:
        asked.append(clock.monotonic_ns())
        return None

    watch = ClockWatch(clock, word, log)
    clock.step_wall(YEAR_NS)
    for _ in range(5):
        assert not watch.look().is_trusted
        clock.advance(ASK_NS // 2)
    assert len(asked) == 3
    assert log.events().count("clock_not_trusted") == 1 and log.events().count("clock_trusted") == 1


def test_kernel_answers() -> None:
    """The kernel's word is yes, no or none."""
    assert read_synchronised() in (True, False, None)


def watch_at(clock: FakeClock, word: bool | None = None, ahead_ns: int = 0) -> ClockWatch:
    return ClockWatch(clock, lambda: word, RecordingLog(), ahead_ns)


@pytest.mark.parametrize("step_ns", [-YEAR_NS, -HOUR_NS, HOUR_NS, YEAR_NS])
def test_time_goes_on_through_a_step(step_ns: int) -> None:
    """A step that nothing speaks for is followed after an hour; until then time goes on evenly."""
    clock = FakeClock(NOW)
    watch = watch_at(clock)
    clock.step_wall(step_ns)
    assert watch.wall_ns() == NOW and watch.ahead_ns == -step_ns
    clock.advance(EVEN_NS - 1)
    assert watch.wall_ns() == NOW + EVEN_NS - 1
    clock.advance(1)
    assert watch.wall_ns() == NOW + EVEN_NS + step_ns and watch.ahead_ns == 0


def test_step_and_step_back() -> None:
    """A clock that was wrong for a while has dated nothing by the time it is right again."""
    clock = FakeClock(NOW)
    watch = watch_at(clock)
    clock.step_wall(YEAR_NS)
    watch.wall_ns()
    clock.advance(HOUR_NS // 2)
    clock.step_wall(-YEAR_NS)
    assert watch.wall_ns() == clock.wall_ns()
    clock.advance(2 * HOUR_NS)
    assert watch.wall_ns() == clock.wall_ns()


def test_synchronised_step_is_followed_when_it_has_settled() -> None:
    """A time server's step is followed half a minute after its last one."""
    clock = FakeClock(NOW)
    watch = watch_at(clock, True)
    clock.step_wall(HOUR_NS)
    watch.wall_ns()
    clock.advance(SETTLED_NS - 1)
    assert watch.wall_ns() == NOW + SETTLED_NS - 1
    clock.advance(1)
    assert watch.wall_ns() == clock.wall_ns()


def test_small_steps_are_followed_at_once() -> None:
    """What a time server corrects in passing is no step."""
    clock = FakeClock(NOW)
    watch = watch_at(clock)
    clock.step_wall(STEP_NS - 1)
    assert watch.wall_ns() == clock.wall_ns()


def test_box_without_a_clock_goes_on_where_its_record_ends() -> None:
    """A box that wakes up in 2000 goes on from its record, until a time server puts its clock right."""
    clock = FakeClock(parse_stamp("20000101T000000.000Z"))
    words: list[bool | None] = [None]
    watch = ClockWatch(clock, lambda: words[-1], RecordingLog())
    watch.begin_after(NOW)
    clock.advance(HOUR_NS)
    assert watch.wall_ns() == NOW + HOUR_NS
    clock.step_wall(NOW + 5 * HOUR_NS - clock.wall_ns())
    words.append(True)
    watch.wall_ns()
    clock.advance(SETTLED_NS)
    assert watch.wall_ns() == clock.wall_ns() == NOW + 5 * HOUR_NS + SETTLED_NS


def test_record_in_the_future_of_a_synchronised_clock() -> None:
    """Where the kernel speaks for the clock, it is the record that is wrong: time is the clock's."""
    clock = FakeClock(NOW)
    watch = watch_at(clock, True)
    watch.begin_after(WallNs(NOW + YEAR_NS))
    assert watch.wall_ns() == NOW and is_followed(watch.look(WallNs(NOW + YEAR_NS)))


def test_another_process_goes_on_likewise() -> None:
    """A process that begins while the clock is doubted takes over the doubt, and the time."""
    clock = FakeClock(NOW)
    keeper = watch_at(clock)
    clock.step_wall(YEAR_NS)
    crew = watch_at(clock, None, keeper.ahead_ns)
    clock.advance(HOUR_NS // 2)
    assert crew.wall_ns() == keeper.wall_ns() == NOW + HOUR_NS // 2
    assert not crew.look().is_trusted


@pytest.mark.parametrize(("step_ns", "is_trusted"), [(LEAP_NS, True), (LEAP_NS + 1, False), (-YEAR_NS, True)])
def test_leap_makes_nothing_old_for_a_day(step_ns: int, is_trusted: bool) -> None:
    """After a leap ahead a synchronised clock dates new footage at once, and old footage not for a day."""
    box = Box(NOW)
    box.step(step_ns)
    verdict = box.look(is_synchronised=True)
    assert verdict.is_believed and verdict.is_trusted == is_trusted
    box.go_on(PROBATION_NS - 1)
    assert box.look(is_synchronised=True).is_trusted == is_trusted
    box.go_on(1)
    assert box.look(is_synchronised=True).is_trusted


def test_leap_between_two_processes() -> None:
    """A clock that is days later than the record at the start has leapt, or the box was off: it waits a day."""
    clock = FakeClock(NOW)
    watch = watch_at(clock, True)
    watch.begin_after(WallNs(NOW - LEAP_NS - 1))
    assert watch.look().is_believed and not watch.look().is_trusted
    clock.advance(PROBATION_NS)
    assert watch.look().is_trusted
    other = watch_at(clock, True)
    other.begin_after(WallNs(0))
    assert other.look().is_trusted

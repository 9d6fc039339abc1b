"""A component that lives and does nothing is told within its time, and one that has nothing to do is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.health_monitor.core.picture import Heard
from components.health_monitor.core.progress import IDLE_NS, STILL_NS, Growth, ProgressWatch, Work
from components.health_monitor.core.rules import SILENT_NS, Condition
from components.shared.wire.units import NS_PER_S, MonotonicNs

WALL = 1_760_000_000 * NS_PER_S
T0 = MonotonicNs(5_000 * NS_PER_S)
LOOK_NS = 5 * NS_PER_S
QUIET = Heard(T0, "1", WALL, WALL, 0, None)


class Site:
    """Looks every five seconds at components that report; the test says what they report and show."""

    def __init__(self) -> None:
        self.watch = ProgressWatch()
        self.now_ns = int(T0)
        self.status = dict.fromkeys(("Capture", "CloudSync", "VideoProcessor"), QUIET)
        self.works: dict[str, Work] = {}
        self.growths: list[Growth] | None = []
        self.is_cloud_away = False

    def look(self) -> list[Condition]:
        """One look, a moment after everybody's report."""
        now_ns = MonotonicNs(self.now_ns)
        heard = {name: replace(status, received_ns=now_ns) for name, status in self.status.items()}
        return self.watch.look(now_ns, heard, self.works.values(), self.growths, is_cloud_away=self.is_cloud_away)

    def pass_time(self, duration_ns: int) -> list[Condition]:
        """Look all the time for so long; what the last look found."""
        end_ns, found = self.now_ns + duration_ns, self.look()
        while self.now_ns < end_ns:
            self.now_ns = min(self.now_ns + LOOK_NS, end_ns)
            found = self.look()
        return found


def kinds(found: list[Condition]) -> list[tuple[str, str]]:
    """Kind and subject."""
    return [(condition.kind, condition.subject) for condition in found]


@pytest.mark.parametrize(("backlog", "waited_ns", "stuck"), [(0, 9 * IDLE_NS, 0), (1, IDLE_NS, 0), (1, IDLE_NS + 1, 1)])
def test_work_that_waits_and_is_not_done(backlog: int, waited_ns: int, stuck: int) -> None:
    """By its own word: a backlog that stays for longer than the limit without progress, and nothing below that."""
    site = Site()
    site.status["CloudSync"] = replace(QUIET, backlog=backlog, last_error="store away")
    found = site.pass_time(waited_ns)
    assert kinds(found) == [("component_stuck", "CloudSync")] * stuck
    assert all("store away" in condition.reason for condition in found)


def test_what_waits_for_the_cloud_while_that_is_away() -> None:
    """SiteConfig is not to blame until the cloud is back, and then has its whole time; uploads are told."""
    site = Site()
    site.status = dict.fromkeys(("CloudSync", "SiteConfig"), replace(QUIET, backlog=1))
    site.is_cloud_away = True
    assert kinds(site.pass_time(9 * IDLE_NS)) == [("component_stuck", "CloudSync")]
    site.is_cloud_away = False
    assert kinds(site.pass_time(IDLE_NS)) == [("component_stuck", "CloudSync")]
    assert kinds(site.pass_time(LOOK_NS + 1)) == [("component_stuck", "CloudSync"), ("component_stuck", "SiteConfig")]


def test_the_first_work_of_the_morning_makes_nobody_stuck() -> None:
    """Time without work is not time without progress, however old the last progress is when work comes."""
    site = Site()
    assert site.pass_time(100 * IDLE_NS) == []
    site.status["CloudSync"] = replace(QUIET, backlog=3)
    assert site.pass_time(IDLE_NS) == []


def test_a_step_of_the_wall_clock_makes_nobody_stuck() -> None:
    """Idle time is measured here, not taken from the wall times that are reported."""
    site = Site()
    site.status["CloudSync"] = replace(QUIET, backlog=3, last_progress_wall_ns=WALL - 86_400 * NS_PER_S)
    assert site.look() == []


def test_progress_ends_it() -> None:
    """One part uploaded, and the time begins anew; so it does when the component was started anew."""
    for change in ({"last_progress_wall_ns": WALL + 1}, {"started_wall_ns": WALL + 1}):
        site = Site()
        site.status["CloudSync"] = replace(QUIET, backlog=3)
        assert len(site.pass_time(2 * IDLE_NS)) == 1
        site.status["CloudSync"] = replace(site.status["CloudSync"], **change)  # type: ignore[arg-type]
        assert site.pass_time(IDLE_NS) == []


def test_a_task_that_hangs_before_it_could_say_that_work_waits() -> None:
    """The board says that nothing waits; the cursor in the catalogue says that much does."""
    site = Site()
    site.works["VideoProcessor"] = Work("VideoProcessor", 12, (7,), "footage to look at")
    (found,) = site.pass_time(IDLE_NS + 1)
    assert (found.kind, found.subject) == ("component_stuck", "VideoProcessor")
    assert found.reason.startswith("footage to look at waits")
    site.works["VideoProcessor"] = replace(site.works["VideoProcessor"], sign=(8,))
    assert site.look() == []


def test_of_a_silent_component_nothing_is_said_here() -> None:
    """What is down is not also stuck: nobody knows what it does."""
    site = Site()
    site.status["CloudSync"] = replace(QUIET, backlog=3)
    site.pass_time(2 * IDLE_NS)
    heard = {"CloudSync": replace(site.status["CloudSync"], received_ns=MonotonicNs(site.now_ns - SILENT_NS - 1))}
    assert site.watch.look(MonotonicNs(site.now_ns), heard, (), ()) == []


def growing(site: Site, *sizes: int) -> None:
    """The streams' newest files are so long."""
    site.growths = [Growth(f"cam-{number}", "segment", size) for number, size in enumerate(sizes, 1)]


def test_no_byte_comes_to_the_disk() -> None:
    """Cameras that are said to be recorded and whose files all stand still: Capture is stuck, not each camera."""
    site = Site()
    growing(site, 10, 20)
    assert site.pass_time(STILL_NS) == []
    assert kinds(site.pass_time(1)) == [("component_stuck", "Capture")]
    growing(site, 11, 21)
    assert site.look() == []


def test_one_camera_without_new_bytes() -> None:
    """The others grow, so it is this one's matter."""
    site = Site()
    for size in range(10):
        growing(site, 10, 20 + size)
        found = site.pass_time(LOOK_NS)
    assert kinds(found) == [("recording_stalled", "cam-1")]


def test_files_that_cannot_be_asked_stand_still_for_nobody() -> None:
    """Unknown is not still; and what Capture no longer calls recorded is forgotten."""
    site = Site()
    growing(site, 10)
    site.growths = None
    assert site.pass_time(2 * STILL_NS) == []
    site.growths = []
    site.look()
    growing(site, 10)
    assert site.pass_time(STILL_NS) == []

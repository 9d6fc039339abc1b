"""Which alerts follow from what is seen: limits, groups, restarts. Plain values, on a clock of numbers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from components.health_monitor.core.alerts import SETTLED_NS, Active, decide
from components.health_monitor.core.hysteresis import Level
from components.health_monitor.core.picture import Box, Picture, Stream
from components.health_monitor.core.rules import Condition
from components.health_monitor.core.troubles import Key, Recent, troubles
from components.shared.wire.alert_config import AlertRuleSection, AlertsSection
from components.shared.wire.units import NS_PER_S, MonotonicNs, WallNs

WALL = WallNs(1_760_000_000 * NS_PER_S)
BOX = Box(50, 100, 90.0, 10.0, 40.0, None)
STEP_S = 5
NOTHING = Recent({}, 0)


@dataclass
class Site:
    """A site that is looked at every five seconds; what is decided is as if it had been written down."""

    cameras: list[str]
    limits: AlertsSection = field(default_factory=AlertsSection)
    now_s: int = 1_000
    began_s: int = 0
    away: dict[str, str] = field(default_factory=dict)
    conditions: list[Condition] = field(default_factory=list)
    recent: Recent = NOTHING
    box: Box = BOX
    levels: dict[Key, Level] = field(default_factory=dict)
    active: dict[Key, Active] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    blind: bool = False

    def picture(self) -> Picture:
        streams = tuple(
            Stream(name, "main", self.away.get(name, "recording"), "unreachable" if name in self.away else "", WALL, 0)
            for name in self.cameras
        )
        now_ns, began_ns = MonotonicNs(self.now_s * NS_PER_S), MonotonicNs(self.began_s * NS_PER_S)
        return Picture(WALL, now_ns, began_ns, {}, None if self.blind else streams, None, self.box)

    def look(self, for_s: int = STEP_S) -> list[str]:
        """Looks for so long; what was raised (`+`) and cleared (`-`) meanwhile."""
        told: list[str] = []
        for _ in range(for_s // STEP_S):
            self.now_s += STEP_S
            picture, active = self.picture(), self.active.values()
            decision = decide(
                picture, self.conditions, self.recent, active, self.levels, STEP_S * NS_PER_S, self.limits
            )
            self.levels = dict(decision.levels)
            for key in decision.cleared:
                del self.active[key]
                told.append(f"-{key[0]} {key[1]}")
            for new in decision.raised:
                self.active[new.kind, new.subject] = Active(new.kind, new.subject, new.reason, new.members)
                told.append(f"+{new.kind} {new.subject}")
        self.told += told
        return told

    def lose(self, *cameras: str, state: str = "connecting") -> None:
        self.away.update(dict.fromkeys(cameras, state))

    def regain(self, *cameras: str) -> None:
        for camera in cameras:
            self.away.pop(camera, None)


def names(count: int) -> list[str]:
    return [f"cam-{number:02}" for number in range(count)]


def test_camera_that_is_away_for_two_minutes() -> None:
    """It is told once within 135 s of its failure and once when it is back, however long it lasts."""
    site = Site(names(1))
    site.lose("cam-00")
    assert site.look(120) == []
    assert site.look(15) == ["+camera_offline cam-00"]
    site.away["cam-00"] = "offline"
    assert site.look(3_600) == []
    site.regain("cam-00")
    assert site.look(120) == ["-camera_offline cam-00"]
    assert site.look(3_600) == []


def test_frozen_camera_is_a_trouble_of_its_own() -> None:
    """Packets that hold no new picture are not a camera that is away, also when it is tried in vain for long."""
    site = Site(names(1))
    site.lose("cam-00", state="frozen")
    assert site.look(75) == ["+camera_frozen cam-00"]
    assert site.look(600) == []


def test_sub_stream_of_a_camera_that_is_away_is_not_told() -> None:
    """One camera is one trouble; a sub stream that fails alone is told by its name."""
    picture = Site(names(1)).picture()
    main = Stream("cam-00", "main", "connecting", "unreachable", WALL, 0)
    sub = replace(main, stream="sub")
    limits = AlertsSection()
    both = troubles(replace(picture, streams=(main, sub)), [], NOTHING, {}, limits)
    assert list(both) == [("camera_offline", "cam-00")]
    alone = troubles(replace(picture, streams=(replace(main, state="recording"), sub)), [], NOTHING, {}, limits)
    assert list(alone) == [("camera_offline", "cam-00~sub")]


def test_switch_that_fails_is_one_alert() -> None:
    """Forty cameras that go within a minute, each noticed at its own time, are told as one with number and names."""
    site = Site(names(40))
    for number in range(40):
        site.lose(f"cam-{number:02}")
        if number % 4 == 3:
            site.look()
    assert site.look(200) == ["+cameras_offline site"]
    group = site.active["cameras_offline", "site"]
    assert len(group.members) == 40
    assert group.reason.startswith("40 of 40 cameras") and "cam-00" in group.reason
    assert len(group.reason) <= 500
    site.regain(*site.cameras)
    assert site.look(600) == ["-cameras_offline site"]


@pytest.mark.parametrize(
    ("cameras", "lost", "told"),
    [
        (10, 5, ["+cameras_offline site"]),
        (10, 4, [f"+camera_offline cam-0{number}" for number in range(4)]),
        (4, 2, ["+cameras_offline site"]),
        (3, 3, [f"+camera_offline cam-0{number}" for number in range(3)]),
    ],
)
def test_half_of_enough_cameras_is_a_group(cameras: int, lost: int, told: list[str]) -> None:
    """Half of them and above; a site of fewer cameras than the limit tells each."""
    site = Site(names(cameras))
    site.lose(*names(lost))
    assert site.look(200) == told


def test_cameras_that_are_off_do_not_count() -> None:
    """Half of those that are wanted is half."""
    site = Site(names(8))
    site.lose(*names(8)[4:], state="off")
    site.lose("cam-00", "cam-01")
    assert site.look(200) == ["+cameras_offline site"]


def test_cameras_that_fail_at_different_times_are_no_group() -> None:
    """What has nothing to do with each other is told one by one."""
    site = Site(names(4))
    for name in site.cameras:
        site.lose(name)
        site.look(90)
    assert site.look(200) and "+cameras_offline site" not in site.told
    assert len([line for line in site.told if line.startswith("+camera_offline")]) == 4


def test_whoever_outlasts_the_group_follows() -> None:
    """The group is over when fewer than half are away; those get alerts of their own, once."""
    site = Site(names(6))
    site.lose(*site.cameras)
    assert site.look(200) == ["+cameras_offline site"]
    site.regain(*names(6)[2:])
    told = site.look(200)
    assert told == ["-cameras_offline site", "+camera_offline cam-00", "+camera_offline cam-01"]
    site.regain("cam-00", "cam-01")
    assert site.look(200) == ["-camera_offline cam-00", "-camera_offline cam-01"]


def test_camera_that_had_gone_before_keeps_its_own_alert() -> None:
    """The group holds those that went together."""
    site = Site(names(6))
    site.lose("cam-00")
    site.look(300)
    site.lose(*site.cameras)
    site.look(200)
    assert site.told == ["+camera_offline cam-00", "+cameras_offline site"]
    assert "cam-00" not in site.active["cameras_offline", "site"].members


def test_camera_that_goes_later_is_told_by_itself() -> None:
    """A group that was told does not swallow what happens afterwards."""
    site = Site(names(6))
    site.lose(*names(4))
    site.look(200)
    site.lose("cam-05")
    assert site.look(200) == ["+camera_offline cam-05"]


@pytest.mark.slow
def test_flapping_camera_is_told_less_and_less_often() -> None:
    """Five minutes away and five minutes there for a day: a few alerts, and the last one stays."""
    site = Site(names(1))
    for _ in range(6 * 24):
        site.lose("cam-00")
        site.look(300)
        site.regain("cam-00")
        site.look(300)
    assert len([line for line in site.told if line.startswith("+")]) <= 4
    assert site.active


def test_disk_has_two_limits() -> None:
    """Told above 90 %, until it is below 85 %."""
    site = Site([])
    for used, told in ((90, []), (91, ["+disk_nearly_full box"]), (86, []), (85, []), (84, ["-disk_nearly_full box"])):
        site.box = replace(BOX, disk_free_bytes=100 - used)
        assert site.look(300) == told, used


def test_heat_has_two_limits() -> None:
    """Told above 85 degrees, until it is five degrees cooler; a sensor that is gone ends nothing."""
    site = Site([])
    told: list[list[str]] = []
    for degrees in (85.0, 86.0, 81.0, None, 80.0):
        site.box = replace(BOX, temperature_c=degrees)
        told.append(site.look(600))
    assert told == [[], ["+too_hot box"], [], [], ["-too_hot box"]]


def test_reconnects_have_two_limits() -> None:
    """Told above five an hour, until there are no more than half as many."""
    site = Site(names(1))
    told = []
    for count in (5, 6, 3, 2):
        site.recent = Recent({"cam-00": count}, 0)
        told.append(site.look(600))
    assert told == [[], ["+camera_reconnects cam-00"], [], ["-camera_reconnects cam-00"]]


def test_lost_footage_is_told_at_once() -> None:
    """It does not come back: there is nothing to wait for. It is over when an hour has passed without."""
    site = Site([], recent=Recent({}, 3))
    assert site.look() == ["+footage_lost box"]
    site.recent = NOTHING
    assert site.look(120) == ["-footage_lost box"]


def test_lost_footage_of_many_streams_is_one_alert() -> None:
    """A full disk loses footage of all cameras: that is one trouble of the box."""
    conditions = [Condition("footage_lost", name, "") for name in names(40)]
    site = Site(names(40), conditions=conditions, recent=Recent({}, 80))
    assert site.look(300) == ["+footage_lost box"]


def test_files_that_do_not_come_are_no_camera_that_is_away() -> None:
    """Whoever puts files into a folder may do so once a day."""
    picture = Site(names(1)).picture()
    waiting = Stream("cam-00", "main", "connecting", "not_delivered", WALL, 0)
    assert troubles(replace(picture, streams=(waiting,)), [], NOTHING, {}, AlertsSection()) == {}


def test_sync_that_is_stuck_has_a_name_of_its_own() -> None:
    """Uploads that stand still are another matter than a component that does."""
    site = Site([], conditions=[Condition("component_stuck", "CloudSync", "work waits")])
    assert site.look(240) == ["+sync_stuck CloudSync"]


def test_condition_that_nobody_here_knows_is_an_alert() -> None:
    """Whatever becomes a condition is told, after a minute; what is judged here again is not told twice."""
    site = Site(
        [], conditions=[Condition("picture_blurred", "cam-1", "dim"), Condition("camera_impaired", "cam-1", "")]
    )
    assert site.look(60) == []
    assert site.look(10) == ["+picture_blurred cam-1"]


def test_condition_of_a_strange_form_stops_no_alert() -> None:
    """Its kind and subject are brought into the form of a notice, the same at every look; it is told once."""
    site = Site([], conditions=[Condition("Odd Kind!", "", "x"), Condition("k" * 90, "s" * 900, "y")])
    assert site.look(120) == ["+" + "k" * 64 + " " + "s" * 200, "+odd_kind_ site"]
    assert site.look(600) == []
    site.conditions = []
    assert len(site.look(120)) == 2


def test_camera_with_an_alert_of_its_own_is_in_no_group() -> None:
    """Also when it goes again with the others while its alert is not over yet."""
    site = Site(names(6))
    site.lose("cam-00")
    site.look(200)
    site.levels["camera_offline", "cam-00"] = replace(site.levels["camera_offline", "cam-00"], raises=6)
    site.regain("cam-00")
    assert site.look(300) == []
    site.lose(*names(3))
    assert site.look(200) == ["+camera_offline cam-01", "+camera_offline cam-02"]


def test_site_sets_the_times() -> None:
    """Rules of the site's document count."""
    site = Site(names(1), AlertsSection(rules={"camera_offline": AlertRuleSection(raise_after_s=10)}))
    site.lose("cam-00")
    assert site.look(15) == ["+camera_offline cam-00"]


def test_restart_keeps_what_was_raised() -> None:
    """A monitor that begins anew clears nothing before it can know, and raises nothing a second time."""
    site = Site(names(6))
    site.lose(*names(4))
    site.look(200)
    site.levels, site.began_s, site.told = {}, site.now_s, []
    site.regain(*site.cameras)
    assert site.look(SETTLED_NS // NS_PER_S - STEP_S) == []
    site.lose(*names(4))
    assert site.look(600) == []
    site.regain(*site.cameras)
    assert site.look(600) == ["-cameras_offline site"]


def test_trouble_that_came_and_went_since_the_start_is_known_to_be_over() -> None:
    """What this monitor has seen itself it clears in time, also within its first two minutes."""
    site = Site(names(6), AlertsSection(rules={"camera_offline": AlertRuleSection(raise_after_s=10)}))
    site.began_s = site.now_s
    site.lose("cam-00")
    assert site.look(30) == ["+camera_offline cam-00"]
    site.regain("cam-00")
    assert site.look(70) == ["-camera_offline cam-00"]


def test_catalogue_that_is_not_there_ends_nothing() -> None:
    """What cannot be known now stays as it was told."""
    site = Site(names(1), recent=Recent({"cam-00": 9}, 1))
    site.lose("cam-00")
    site.look(200)
    site.regain("cam-00")
    site.blind, site.recent, site.told = True, Recent(), []
    assert site.look(900) == []
    site.blind, site.recent = False, NOTHING
    assert len(site.look(900)) == 3


def test_camera_that_is_taken_away_ends_its_alert() -> None:
    """Nobody misses a camera that the site does not have any more."""
    site = Site(names(2))
    site.lose("cam-00")
    site.look(200)
    site.cameras.remove("cam-00")
    assert site.look(200) == ["-camera_offline cam-00"]
    site.look(4_000)
    assert site.levels == {}

"""Every kind of alert provoked for real at a whole site, up to somebody who has subscribed to the topic in the cloud.

Real components, the core's own protocol, the functions of the cloud; cameras, core and AWS are stand-ins. First the
line to the cloud is cut, alerts come and go meanwhile, and all must come once the line is back, each once. Then
troubles that do not touch each other are there together; each is taken away when its alert has come.
"""

from __future__ import annotations

import math
import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.shared.runtime.requests import RequestFolder
from components.shared.wire.alert_request import FOLDER
from components.shared.wire.topics import COMPONENTS
from lab import alert_faults as faults
from lab.alert_account import OF_THE_MACHINE, Account, Alert, Told, account, told_by
from lab.alert_faults import Fault, Hand
from lab.running_site import RunningSite, SiteFailedError, nvr_json, running_site, scene_cache
from lab.show import Limit, Show, Shown
from lab.subscriber import Subscriber

CAMERAS = 6
"""So many that one that is away, and one that is frozen, are fewer than half."""

QUICK_CAMERAS = 5

PICTURE = ("--camera-size", "640x360", "--camera-fps", "8", "--camera-bitrate", "300000", "--camera-loop", "8")
SPAN_S_MAX = 5_400.0
"""The site is ended when all is told; this is only for the case that nobody ends it."""

DISK_BYTES = 8_000_000_000
POLL_S = 0.5
PATIENCE = 2.0
"""How many times its limit an alert is waited for: what is late is measured, and not missing."""

PATIENCE_S = 60.0
DELIVERED_S_MAX = 120.0
"""What waited for the line: notices are tried again within 5 s, but each subject's one after another."""

QUICK_RULES = {
    "camera_offline": {"raise_after_s": 10, "clear_after_s": 30},
    "component_down": {"raise_after_s": 5, "clear_after_s": 30},
}
"""The limits stay those of the table, so that a busy machine keeps them."""

CONSEQUENCES = (("cloud_unreachable", "box"),)
"""What a line that is cut for minutes may bring at the site."""

TESTS_OFFLINE, QUICK_TESTS_OFFLINE = 3, 2


class Trial:
    """A site under test, with somebody who is told; keeps the figures."""

    def __init__(self, site: RunningSite, people: Subscriber, say: Callable[[str], None]) -> None:
        self.site = site
        self.hand = Hand(site)
        self._people = people
        self._say = say
        self._provoked: Counter[Alert] = Counter()
        self.figures: dict[str, float] = {}
        self.limits: dict[str, Limit] = {}

    def told(self) -> list[Told]:
        """What came so far."""
        return [told_by(at_s, post) for at_s, post in self._people.arrivals()]

    def provoke(self, *together: Fault) -> None:
        """Do these faults together, take each away when it was told, and wait until all are told to be over."""
        for fault in together:
            self._begin(fault)
        raising = list(together)
        clearing: list[Fault] = []
        while raising or clearing:
            for fault in [one for one in raising if self._has_come(one, "raised") or self._is_hopeless(one)]:
                raising.remove(fault)
                fault.undo()
                clearing.append(fault)
            clearing = [one for one in clearing if not (self._has_come(one, "cleared") or self._is_hopeless(one))]
            self._pause()

    def break_line(self, before: Sequence[Fault], meanwhile: Sequence[Fault], tests: int) -> None:
        """Cut the line when the faults of before are told, take them away only then; do others meanwhile, and send test
        alerts. When all is over at the site, mend the line: all of it must come.
        """
        for fault in before:
            self._begin(fault, is_cleared_in_time=False)
        for fault in before:
            self._wait_for(fault, "raised")
        line = faults.cut_line(self.hand)
        self._begin(line)
        for fault in before:
            fault.undo()
        for fault in meanwhile:
            self._say(f"without a line: {fault.kind} of {fault.subject}")
            self._provoked[fault.kind, fault.subject] += 1
            fault.do()
        self._say(f"without a line: {tests} test alerts")
        for _ in range(tests):
            self._provoked["test", RequestFolder(self.site.data, FOLDER).submit({"action": "test"})] += 1
        self._wait_at_site("raised", meanwhile)
        self._wait_for(line, "raised")
        for fault in meanwhile:
            fault.undo()
        self._wait_at_site("cleared", (*before, *meanwhile))
        self._mend(line)

    def end(self) -> None:
        """Account for everything that came."""
        found = self._account()
        for what, words in (("missing", found.missing), ("doubled", found.doubled), ("unexpected", found.unexpected)):
            for word in words:
                self._say(f"{what}: {word}")
            self.figures[f"alerts_{what}"] = float(len(words))
            self.limits[f"alerts_{what}"] = ("max", 0.0)
        for word in found.of_the_machine:
            self._say(f"of this machine: {word}")
        states = {
            name.rpartition(".")[2]: part["state"] for name, part in self.site.core_status()["components"].items()
        }
        gone = [name for name in COMPONENTS if states.get(name) != "RUNNING"]
        self._say(f"components that do not run any more: {' '.join(gone) or 'none'}")
        self.figures["components_gone"] = float(len(gone))
        self.limits["components_gone"] = ("max", 0.0)
        self.figures["alerts_of_the_machine"] = float(len(found.of_the_machine))
        self.figures["alerts_provoked"] = float(sum(self._provoked.values()))
        self.figures["kinds_provoked"] = float(len({kind for kind, _ in self._provoked}))

    def _account(self) -> Account:
        view = self._alerts()
        raised = {row["alert"] for row in (*view["active"], *view["recent"]) if row["kind"] not in OF_THE_MACHINE}
        return account(self.told(), self._provoked, raised, CONSEQUENCES)

    def _begin(self, fault: Fault, is_cleared_in_time: bool = True) -> None:
        self._say(f"provoking {fault.kind} of {fault.subject}")
        self._provoked[fault.kind, fault.subject] += 1
        self.limits[f"raised_s_{fault.kind}"] = ("max", fault.raised_s_max)
        if is_cleared_in_time:
            self.limits[f"cleared_s_{fault.kind}"] = ("max", fault.cleared_s_max)
        fault.do()

    def _mend(self, line: Fault) -> None:
        """Mend the line, and measure until all that waited has come."""
        waiting = self._alerts()["waiting"]
        self._say(f"the line is mended; {len(waiting)} notices wait")
        line.undo()
        due = {row["notice"] for row in waiting}
        self._wait_until(lambda: due <= {one.notice for one in self.told()}, DELIVERED_S_MAX * PATIENCE)
        came_s = {one.notice: one.at_s for one in self.told()}
        last_s = max((came_s.get(notice, math.nan) for notice in due), default=math.nan)
        self.figures["offline_s"] = round(line.ended_s - line.begun_s, 1)
        self.figures["offline_notices"] = float(len(waiting))
        self.figures["offline_delivered_s"] = round(last_s - line.ended_s, 1)
        self.limits["offline_notices"] = ("min", 1.0)
        self.limits["offline_delivered_s"] = ("max", DELIVERED_S_MAX)
        self._wait_for(line, "cleared")

    def _has_come(self, fault: Fault, state: str) -> bool:
        since_s = fault.begun_s if state == "raised" else fault.ended_s
        for one in self.told():
            if (one.kind, one.subject, one.state) == (fault.kind, fault.subject, state) and one.at_s >= since_s:
                name = f"{state}_s_{fault.kind}"
                took_s = round(one.at_s - since_s, 1)
                self._say(f"{fault.kind} of {fault.subject} {state} after {took_s} s")
                self.figures[name] = max(took_s, self.figures.get(name, 0.0))
                return True
        return False

    def _is_hopeless(self, fault: Fault) -> bool:
        begun_s, limit_s = fault.begun_s, fault.raised_s_max
        if not math.isnan(fault.ended_s):
            begun_s, limit_s = fault.ended_s, fault.cleared_s_max
        late = time.monotonic() - begun_s > limit_s * PATIENCE + PATIENCE_S
        if late:
            self._say(f"{fault.kind} of {fault.subject} is not waited for any longer")
        return late

    def _wait_for(self, fault: Fault, state: str) -> None:
        while not self._has_come(fault, state) and not self._is_hopeless(fault):
            self._pause()

    def _wait_at_site(self, state: str, meanwhile: Sequence[Fault]) -> None:
        """Wait until the site itself has these alerts raised, or has none of them any more."""
        wanted = {(fault.kind, fault.subject) for fault in meanwhile}

        def is_so() -> bool:
            active = {(row["kind"], row["subject"]) for row in self._alerts()["active"]} & wanted
            return active == (wanted if state == "raised" else set())

        longest_s = max((one.raised_s_max if state == "raised" else one.cleared_s_max for one in meanwhile), default=0)
        if not self._wait_until(is_so, longest_s * PATIENCE + PATIENCE_S):
            self._say(f"not all of these were {state} at the site: {sorted(wanted)}")

    def _wait_until(self, is_so: Callable[[], bool], within_s: float) -> bool:
        deadline_s = time.monotonic() + within_s
        while not (so := is_so()) and time.monotonic() < deadline_s:
            self._pause()
        return so

    def _alerts(self) -> dict[str, Any]:
        view: dict[str, Any] = nvr_json("alerts", "--recent", "1000", "--data", str(self.site.data))
        return view

    def _pause(self) -> None:
        if self.site.process.poll() is not None:
            raise SiteFailedError(f"the site ended: {self.site.tail()}")
        time.sleep(POLL_S)


@contextmanager
def disk_of_its_own(work: Path, say: Callable[[str], None]) -> Iterator[bool]:
    """A file system under the site's data that can be filled; False where nobody may mount one."""
    root, image = work / "data", work / "disk.img"
    root.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        say("the disk is not filled: only root may mount one")
        yield False
        return
    with image.open("wb") as file:
        file.truncate(DISK_BYTES)
    for command in (("mkfs.ext4", "-q", "-F", "-m", "0", str(image)), ("mount", "-o", "loop", str(image), str(root))):
        subprocess.run(command, check=True, capture_output=True)
    try:
        yield True
    finally:
        subprocess.run(("umount", "--lazy", str(root)), check=True, capture_output=True)


@contextmanager
def trial(work: Path, cameras: int, say: Callable[[str], None]) -> Iterator[Trial]:
    """A site that records, with a subscriber."""
    scene_cache(work)
    span = ("--cameras", str(cameras), "--segment-seconds", "10", "--for", str(SPAN_S_MAX))
    with running_site(work, *PICTURE, *span) as site, Subscriber() as people:
        site.wait_recording(cameras)
        found = Trial(site, people, say)
        found.hand.subscribe(people.url)
        try:
            yield found
        finally:
            found.hand.go_on()


def run(quick: bool, work: Path, say: Callable[[str], None]) -> Shown:
    """Provoke, count, and measure how long each took."""
    return run_quick(work, say) if quick else run_whole(work, say)


def run_quick(work: Path, say: Callable[[str], None]) -> Shown:
    """A camera, a component and the line, with the times of the first two shortened in the site's document."""
    with trial(work, QUICK_CAMERAS, say) as site:
        site.hand.set_at_site("health.alerts.rules", QUICK_RULES)
        hurt = (faults.camera_offline(site.hand, "cam-1"), faults.component_down(site.hand, "VideoProcessor"))
        site.break_line(hurt, (), QUICK_TESTS_OFFLINE)
        site.end()
        return Shown(site.figures, site.limits)


def run_whole(work: Path, say: Callable[[str], None]) -> Shown:
    """Every kind, with the times of the table."""
    with disk_of_its_own(work, say) as can_be_filled, trial(work, CAMERAS, say) as site:
        hand = site.hand
        cameras = [f"cam-{number}" for number in range(1, CAMERAS + 1)]
        site.break_line(
            [faults.component_down(hand, "SiteConfig")],
            [faults.component_down(hand, "CloudSync"), faults.camera_offline(hand, cameras[3])],
            TESTS_OFFLINE,
        )
        site.provoke(
            faults.camera_offline(hand, cameras[0]),
            faults.camera_frozen(hand, cameras[1]),
            faults.component_down(hand, "VideoProcessor"),
            *((faults.disk_nearly_full(hand),) if can_be_filled else ()),
            faults.sync_stuck(hand),
            faults.camera_reconnects(hand, cameras[2]),
        )
        hand.wait_until_learnt(cameras)
        site.provoke(*faults.silent_failures(hand, cameras))
        site.provoke(faults.cameras_offline(hand, cameras))
        site.provoke(faults.health_monitor_silent(hand))
        site.provoke(faults.dead_box(hand))
        site.end()
        return Shown(site.figures, site.limits)


SHOW = Show(
    name="alerts",
    purpose="every kind of alert provoked at a whole site, told once and cleared once to a subscriber in the cloud",
    takes_s=1_800,
    quick_takes_s=150,
    run=run,
)

"""One life of Capture on a box whose time is moved: a process of its own, so that it can be killed like one.

`python -m lab.soak_life DATA CAMERAS SPAN_S HASTE SEED LIFE` lives the life of that number; ended by its plan, in
good order or by SIGKILL. It leaves the catalogue and the files, as Capture does, and beside them what only the lab
can know: the pictures that the cameras gave (`given-*.txt`), those that were in each file when it was closed, because
retention deletes some (`recorded-*.txt`), and how much memory and how many files it used (`used-*.txt`).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from components.capture.app import put_together
from components.capture.core.room import Room
from components.shared.runtime.bus import CloudInbox, Inbox, UpdateInbox
from components.shared.runtime.component import Context, Task
from components.shared.runtime.config import ConfigWatcher, write_document
from components.shared.runtime.files import make_folders
from components.shared.runtime.log import Log, Record
from components.shared.runtime.status import StatusBoard
from components.shared.wire.messages import Body, SegmentClosed
from components.shared.wire.recording_config import DAYS
from components.shared.wire.site_config import SITE, camera_shadow
from components.shared.wire.topics import CAPTURE, Topic
from components.shared.wire.units import NS_PER_MS, NS_PER_S
from lab.moved_clock import MovedClock
from lab.recorded_files import RecordedFiles
from lab.simulated_cameras import SimulatedCamera, open_simulated
from lab.soak_plan import BEGINS_WALL_NS, Life, Plan, make_plan

SEGMENT_S = 180
TIME_ZONE = "America/New_York"
SCHEDULE = "00:00-00:40, 01:00-01:20, 01:30-20:50, 21:00-24:00"
"""Of the last camera, each day. The simulation begins on the day on which that zone has its second hour twice."""

KEPT_DAYS = 1
"""Retention deletes all the time when days are many, and what a clock dated a year back as soon as it is right."""

STEP_NS = NS_PER_S
USED_NS = 300 * NS_PER_S
END_STEP_NS = 5 * NS_PER_MS
"""Threads that end wait for each other in real time as well: then it passes hardly faster than that."""

APART = frozenset({"live"})
"""It waits for readers of the live sockets, and there are none."""

FULL_BYTES = 10**18
"""A reserve that no disk has: what a full one looks like to the recorder."""

TOLD = ("ERROR", "WARNING")


class _LabBus:
    """A core that takes everything and answers nothing; `on_closed` is done for each segment that was closed."""

    def __init__(self, on_closed: Callable[[], None]) -> None:
        self._on_closed = on_closed

    def publish(self, body: Body, trace_id: str = "") -> None:
        """The lab alone hears it."""
        del trace_id
        if isinstance(body, SegmentClosed):
            self._on_closed()

    def publish_cloud(self, topic: str, payload: bytes) -> None:
        """Nobody hears it."""

    def subscribe(self, topic: Topic, inbox: Inbox) -> None:
        """Nothing comes."""

    def subscribe_cloud(self, topic_filter: str, inbox: CloudInbox) -> None:
        """Nothing comes."""

    def subscribe_updates(self, inbox: UpdateInbox) -> None:
        """Nothing comes."""

    def put_off_update(self, deployment: str, duration_ns: int, reason: str) -> None:
        """Nobody asks."""

    def close(self) -> None:
        """Nothing to do."""


class _Living:
    """The process's Capture and the time that passes for it."""

    def __init__(self, data: Path, plan: Plan, number: int) -> None:
        self._plan = plan
        self._life: Life = plan.lives[number]
        self._now_ns = self._life.begins_ns
        self._off_ns = plan.clock_at(self._now_ns).off_ns
        begins_wall_ns = BEGINS_WALL_NS + self._now_ns + self._off_ns
        self.clock = MovedClock(begins_wall_ns, self._now_ns - self._life.boots_ns + NS_PER_S, apart=APART)
        self._given: defaultdict[str, list[int]] = defaultdict(list)
        self._given_file = data / f"given-{number:04}.txt"
        self._used_file = data / f"used-{number:04}.txt"
        self._told_file = data / f"told-{number:04}.txt"
        self._told = self._told_file.open("a")
        self._process = psutil.Process()
        self.room = Room(reserve_bytes=0)
        self.stop = threading.Event()
        self.failures: list[BaseException] = []
        cameras = {
            camera.name: SimulatedCamera(camera, self.clock, lambda: self._now_ns, self._note)
            for camera in plan.cameras
        }
        log = Log(self._tell, "INFO")
        context = Context(
            *(CAPTURE, "0", data, "soak", _LabBus(self._read_closed), self.clock, log, self.stop),
            *(StatusBoard(self.clock), ConfigWatcher(data, self.clock), {}),
        )
        self._parts = put_together(
            context, open_simulated(cameras), self.room, None, lambda: plan.clock_at(self._now_ns).is_synchronised
        )
        self._recorded = RecordedFiles(data, data / f"recorded-{number:04}.txt")
        self._recorded.look()  # what start-up has adopted, before anything is deleted
        self._threads = [
            threading.Thread(target=self._guard, args=(task,), name=task.name, daemon=True)
            for task in self._parts.tasks
        ]

    def live(self) -> None:
        """To the end of the life."""
        for thread in self._threads:
            thread.start()
        self.clock.settle()
        while self._now_ns < self._life.ends_ns and not self.failures:
            self._pass_time()
        if self.failures:
            raise self.failures[0]
        self._write_given()
        if self._life.is_killed:
            self._told.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        self.stop.set()
        while any(thread.is_alive() for thread in self._threads):
            self.clock.let_pass(END_STEP_NS)
        self._write_given()
        self._parts.catalogue.close()

    def _pass_time(self) -> None:
        step = self._plan.clock_at(self._now_ns)
        if step.off_ns != self._off_ns:
            self.clock.step_wall(step.off_ns - self._off_ns)
            self._off_ns = step.off_ns
        is_full = any(begins_ns <= self._now_ns < ends_ns for begins_ns, ends_ns in self._plan.disk_full)
        self.room.reserve_bytes = FULL_BYTES if is_full else 0
        if self._now_ns % USED_NS == 0:
            self._write_used()
            self._write_given()
        self._now_ns += STEP_NS
        self.clock.advance(STEP_NS)

    def _guard(self, task: Task) -> None:
        try:
            task.run()
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that moves the time
            self.failures.append(error)
            self.stop.set()

    def _read_closed(self) -> None:
        self._recorded.look()

    def _note(self, camera: str, number: int) -> None:
        self._given[camera].append(number)

    def _write_given(self) -> None:
        with self._given_file.open("a") as file:
            for camera, numbers in self._given.items():
                file.write(f"{camera} {' '.join(map(str, numbers))}\n")
        self._given.clear()

    def _write_used(self) -> None:
        with self._used_file.open("a") as file:
            rss_bytes, files = self._process.memory_info().rss, self._process.num_fds()
            file.write(f"{self._now_ns} {rss_bytes} {files}\n")

    def _tell(self, record: Record) -> None:
        if record.level in TOLD or record.event in ("run_began", "clock_approached"):
            self._told.write(f"{self._now_ns // NS_PER_S} {record.level} {record.event} {dict(record.fields)}\n")


def write_documents(data: Path, plan: Plan) -> None:
    """The site's and the cameras' documents, as SiteConfig would leave them."""
    make_folders(data / "config")
    clock = MovedClock(BEGINS_WALL_NS, NS_PER_S)
    cameras: Mapping[str, str] = {camera.name: "any" for camera in plan.cameras}
    for camera in cameras:
        document: dict[str, object] = {"schema": 1, "name": camera, "source": {"url": f"rtsp://lab/{camera}"}}
        if camera == plan.cameras[-1].name:
            document |= {"mode": "schedule", "schedule": dict.fromkeys(DAYS, SCHEDULE)}
        write_document(data, camera_shadow(camera), document, 1, clock)
    site = {
        "schema": 1,
        "time_zone": TIME_ZONE,
        "recording": {"segment_s": SEGMENT_S},
        "retention": {"days": KEPT_DAYS, "free_percent_min": 1, "keep_until_uploaded": False},
        "cameras": dict(cameras),
    }
    write_document(data, SITE, site, 1, clock)


def main(arguments: list[str]) -> int:
    """Live one life."""
    data, cameras, span_s, haste, seed, number = arguments
    plan = make_plan(int(cameras), int(span_s) * NS_PER_S, float(haste), int(seed))
    _Living(Path(data), plan, int(number)).live()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

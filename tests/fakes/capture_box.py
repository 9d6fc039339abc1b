"""Capture in this process on a data root of its own: documents as SiteConfig writes them, rows as others read them.

Rows are asked for by a stream's stem: `cam-1`, or `cam-1~sub` for the camera's sub stream.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from components.capture.app import Parts, assemble, hire_processes, put_together
from components.capture.core.coverage import Coverage, cover
from components.capture.core.room import Room
from components.capture.crew_process import HUNG_NS
from components.capture.packet_source import OpenSource
from components.capture.recorded_file import DISK, DiskDoor
from components.capture.workshop import RecorderLimits
from components.capture.zygote_link import ZYGOTE_COMMAND
from components.shared.catalogue.capture import CaptureReader, GapRow, RunRow, SegmentRow, StreamRow
from components.shared.runtime.clock import Clock
from components.shared.runtime.component import Context, Task
from components.shared.runtime.config import ConfigWatcher, remove_document, write_document
from components.shared.runtime.files import make_folders
from components.shared.runtime.secrets import Secret, write_secret
from components.shared.runtime.status import StatusBoard
from components.shared.wire.object_keys import split_stem
from components.shared.wire.site_config import camera_shadow
from components.shared.wire.topics import CAPTURE
from components.shared.wire.units import NS_PER_MS, Span, WallNs
from tests.fakes.bus import FakeBroker, FakeBus
from tests.fakes.clock import FakeClock
from tests.fakes.log import RecordingLog
from tests.fakes.waiting import eventually

JOIN_S = 10.0


class CaptureBox:
    """A data root, and what may be done with it while Capture runs, or does not."""

    def __init__(self, data: Path, clock: Clock, segment_s: int = 1) -> None:
        self.data = data
        make_folders(data / "config")
        self.clock = clock
        self.log = RecordingLog()
        self.broker = FakeBroker()
        self.is_synchronised: bool | None = None
        self._segment_s = segment_s
        self._version = 0
        self._cameras: set[str] = set()
        self.urls: dict[str, str] = {}
        """The address of each camera that was set."""
        self._reader: CaptureReader | None = None
        self._read_inode = 0

    def set_camera(self, camera: str, url: str, secret: str | None = None, **fields: object) -> None:
        """Put a camera's document and the site's in force.

        Fields of the source: `transport`, `time_zone`, `trial`; of the camera: others.
        """
        source: dict[str, object] = {"url": url}
        if secret is not None:
            source["secret"] = secret
        source |= {name: fields.pop(name) for name in ("transport", "time_zone", "trial") if name in fields}
        document: dict[str, object] = {"schema": 2, "name": camera, "source": source, **fields}
        self.urls[camera] = url
        self._version += 1
        write_document(self.data, camera_shadow(camera), document, self._version, self.clock)
        self._cameras.add(camera)
        self.write_site()

    def remove_camera(self, camera: str) -> None:
        """Take a camera out of the site."""
        self._cameras.discard(camera)
        self.write_site()
        remove_document(self.data, camera_shadow(camera))

    def write_site(self, segment_s: int | None = None) -> None:
        """Put the site's document in force."""
        self._segment_s = segment_s or self._segment_s
        self._version += 1
        site: dict[str, object] = {
            "schema": 1,
            "recording": {"segment_s": self._segment_s},
            "cameras": dict.fromkeys(sorted(self._cameras), "any"),
        }
        write_document(self.data, "site", site, self._version, self.clock)

    def set_secret(self, name: str, text: str) -> None:
        """Write a secret, as `./nvr secret set` does."""
        write_secret(self.data, name, Secret(text))

    @contextmanager
    def running(
        self,
        open_source: OpenSource,
        room: Room | None = None,
        limits: RecorderLimits | None = None,
        door: DiskDoor = DISK,
    ) -> Iterator[RunningCapture]:
        """Capture while the context lasts; stopped in good order at its end, unless a task fails, which is raised."""
        with self._running(
            lambda context: put_together(context, open_source, room, limits, lambda: self.is_synchronised, door)
        ) as running:
            yield running

    @contextmanager
    def running_crews(
        self, command: Sequence[str] = ZYGOTE_COMMAND, hung_ns: int = HUNG_NS, room: Room | None = None
    ) -> Iterator[RunningCapture]:
        """The same with crews in processes of their own, forked from a zygote that `command` starts."""
        with self._running(
            lambda context: assemble(context, lambda supplies: hire_processes(supplies, command, hung_ns), room)
        ) as running:
            yield running

    @contextmanager
    def _running(self, make: Callable[[Context], Parts]) -> Iterator[RunningCapture]:
        stop = threading.Event()
        context = Context(
            name=CAPTURE,
            version="0",
            data=self.data,
            thing="test-box",
            bus=FakeBus(CAPTURE, self.broker, self.log, self.clock),
            clock=self.clock,
            log=self.log,
            stop=stop,
            status=StatusBoard(self.clock),
            config=ConfigWatcher(self.data, self.clock),
            settings={},
        )
        running = RunningCapture(make(context), stop, self.clock)
        try:
            yield running
        finally:
            running.end()

    @contextmanager
    def holding_catalogue(self) -> Iterator[None]:
        """Capture's catalogue cannot be written while this lasts, as on a disk that stands still."""
        holder = sqlite3.connect(self.data / "catalogue" / "capture.db", isolation_level=None)
        try:
            holder.execute("BEGIN IMMEDIATE")
            yield
            holder.execute("ROLLBACK")
        finally:
            holder.close()

    @property
    def rows(self) -> CaptureReader:
        """The catalogue, as others read it."""
        path = self.data / "catalogue" / "capture.db"
        inode = path.stat().st_ino if path.exists() else 0
        if self._reader is None or inode != self._read_inode:
            self._reader = CaptureReader.open(self.data)
            self._read_inode = inode
        return self._reader

    def segments(self, camera: str) -> list[SegmentRow]:
        """The closed segments of a camera, in order."""
        return self.rows.segments(split_stem(camera)[0], state="closed", stream=split_stem(camera)[1])

    def files(self, camera: str) -> list[Path]:
        """Their files, in order."""
        return [self.rows.file_path(row) for row in self.segments(camera)]

    def files_on_disk(self, camera: str) -> list[Path]:
        """The camera's segment files that are there, rows or not."""
        return sorted((self.data / "media" / "main" / camera).rglob("*.mp4"))

    def gaps(self, camera: str) -> list[GapRow]:
        """The gaps of a camera, in order."""
        return self.rows.gaps(split_stem(camera)[0], stream=split_stem(camera)[1])

    def runs(self, camera: str) -> list[RunRow]:
        """The runs of a camera, in order."""
        return [run for run in self.rows.runs(split_stem(camera)[0]) if run.stream == split_stem(camera)[1]]

    def stream(self, camera: str) -> StreamRow | None:
        """The state of a camera's stream."""
        return next((row for row in self.rows.streams() if (row.camera, row.stream) == split_stem(camera)), None)

    def wait_for(self, what: str, condition: Callable[[], object], within_s: float = 20.0) -> None:
        """Wait until a condition holds, with what was logged in the message if it does not."""
        try:
            eventually(condition, within_s, what)
        except AssertionError as error:
            tail = "\n".join(self.log.text().splitlines()[-30:])
            raise AssertionError(f"{error}\n{tail}") from error

    def wait_for_state(self, camera: str, state: str, cause: str | None = None, within_s: float = 20.0) -> None:
        """Wait until a camera's stream is in that state, for that cause if one is given."""

        def holds() -> bool:
            row = self.stream(camera)
            return row is not None and row.state == state and cause in (None, row.cause)

        self.wait_for(f"{camera} is {state} ({cause})", holds, within_s)

    def wait_for_segments(self, camera: str, count: int, within_s: float = 20.0) -> None:
        """Wait until so many segments of a camera are closed."""
        self.wait_for(f"{count} segments of {camera}", lambda: len(self.segments(camera)) >= count, within_s)

    def coverage(self, camera: str, until_ns: int | None = None) -> Coverage:
        """How segments and gaps cover the time from when the camera was enabled until the end of its record."""
        row = self.stream(camera)
        assert row is not None, f"{camera} has no row"
        segments = [Span(found.start_ns, found.end_ns) for found in self.segments(camera) if found.end_ns]
        gaps = self.gaps(camera)
        ends = [span.end_ns for span in segments] + [gap.end_ns or gap.start_ns for gap in gaps]
        end_ns = WallNs(until_ns or max(ends))
        spans = [(Span(gap.start_ns, max(gap.start_ns, gap.end_ns or end_ns)), gap.cause) for gap in gaps]
        return cover(Span(row.enabled_since_ns, end_ns), segments, spans)


class RunningCapture:
    """The tasks, each in a thread, as `run_component` has them."""

    def __init__(self, parts: Parts, stop: threading.Event, clock: Clock) -> None:
        self.stop = stop
        self.failures: list[BaseException] = []
        self._catalogue = parts.catalogue
        self._clock = clock
        self._threads = [threading.Thread(target=self._guard, args=(task,), name=task.name) for task in parts.tasks]
        for thread in self._threads:
            thread.start()

    def _guard(self, task: Task) -> None:
        try:
            task.run()
        except BaseException as error:  # noqa: BLE001 - raised by `end`, in the test's thread
            self.failures.append(error)
            self.stop.set()

    def end(self) -> None:
        """Stop; raises what a task failed with."""
        self.stop.set()
        eventually(self._has_ended, JOIN_S, "all tasks end")
        self._catalogue.close()
        if self.failures:
            raise self.failures[0]

    def _has_ended(self) -> bool:
        if isinstance(self._clock, FakeClock):
            self._clock.advance(NS_PER_MS)
        return not any(thread.is_alive() for thread in self._threads)

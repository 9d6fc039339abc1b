"""The inside of the show `power-cut`: cameras, recorders, a disk that is copied at random moments, and the account.

python -m lab.power_cut_inside WORK CUTS WARM_S

Runs in a mount namespace of its own, as root; power_cut starts it. Tells its progress on stdout, a line each, and
writes the figures to WORK/figures.json. It ends, and takes everything with it, when its stdin ends.
"""

from __future__ import annotations

import json
import os
import random
import signal
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from components.shared.catalogue.capture import CaptureReader
from components.shared.errors import Transient
from lab.copied_disk import CopiedDisk, copied_disk, mounted
from lab.copy_examination import Examined, Examiner, newest_plain_stamp
from lab.lone_capture import write_documents
from lab.plain_writers import FORMS
from lab.running_site import SiteFailedError, scene_folder
from local.cameras import CameraSpec, RunningCameras, Stamp, start_cameras
from local.stand_in import StandIn, StandInError, start

CAMERAS = (
    CameraSpec("cam-1", "h264", 640, 360, 15, 2.0, 1_000_000, loop_s=8.0),
    CameraSpec("cam-2", "h265", 640, 360, 15, 2.0, 1_000_000, loop_s=8.0),
    CameraSpec("cam-3", "h264", 320, 240, 15, 2.0, 300_000, "aac", loop_s=8.0),
    CameraSpec("cam-4", "h264", 320, 240, 25, 2.0, 300_000, loop_s=8.0),
)
SEGMENT_S = 6
"""With four cameras something is created, closed or deleted several times a second."""

SEGMENTS_KEPT = 4
"""Per camera: so few that the archive stays small and something is deleted as often as something is closed."""

PAUSE_S = (0.0, 2.0)
"""Between an examination and the next power cut."""

RECORDING_S_MAX = 60.0
LOOK_S = 0.1
SEED = 20_261_127
NS_PER_S = 1_000_000_000


class SentTimes:
    """When a camera sent each of its frames, by its own log, which grows; read once each."""

    def __init__(self, cameras: RunningCameras) -> None:
        self._cameras = cameras
        self._places = dict.fromkeys(cameras.specs, 0)
        self._walls: dict[str, dict[tuple[int, int], int]] = {camera: {} for camera in cameras.specs}

    def wall_ns(self, stamp: Stamp) -> int:
        """When this frame was sent first, to whoever watched."""
        self._read(stamp.camera)
        return self._walls[stamp.camera][stamp.lap, stamp.frame]

    def _read(self, camera: str) -> None:
        with (self._cameras.sent_log / f"{camera}.jsonl").open("rb") as file:
            file.seek(self._places[camera])
            for line in file:
                if not line.endswith(b"\n"):
                    break  # it is being written
                self._places[camera] += len(line)
                sent = json.loads(line)
                self._walls[camera].setdefault((sent["lap"], sent["frame"]), sent["wall_ns"])


@dataclass(slots=True)
class Account:
    """What all power cuts came to."""

    losses_s: list[float] = field(default_factory=list)
    plain_losses_s: dict[str, list[float]] = field(default_factory=lambda: {form: [] for form in FORMS})
    copy_s: list[float] = field(default_factory=list)
    committed_lost: int = 0
    cuts: int = 0
    faults: dict[str, list[str]] = field(default_factory=dict)
    repairs: dict[str, int] = field(default_factory=dict)

    def add(self, found: Examined) -> list[str]:
        """Count what an examination found; the faults in it."""
        self.cuts += 1
        for name in ("unreadable", "rows_without_bytes", "files_without_rows", "other_findings"):
            self.faults.setdefault(name, []).extend(getattr(found, name))
        for what, count in found.repairs.items():
            self.repairs[what] = self.repairs.get(what, 0) + count
        return [*found.unreadable, *found.rows_without_bytes, *found.files_without_rows, *found.other_findings]

    def figures(self) -> dict[str, float]:
        """The figures by their fixed names."""
        figures = {
            "cuts": float(self.cuts),
            "worst_loss_s": max(self.losses_s),
            "median_loss_s": statistics.median(self.losses_s),
            "unreadable_files": float(len(self.faults["unreadable"])),
            "rows_without_bytes": float(len(self.faults["rows_without_bytes"])),
            "files_without_rows": float(len(self.faults["files_without_rows"])),
            "other_findings": float(len(self.faults["other_findings"])),
            "committed_segments_lost": float(self.committed_lost),
        }
        for form, losses_s in self.plain_losses_s.items():
            figures[f"plain_{form}_worst_loss_s"] = max(losses_s)
            figures[f"plain_{form}_median_loss_s"] = statistics.median(losses_s)
        for what in ("adopted", "discarded", "deleted", "quarantined", "failed"):
            figures[f"start_up_{what}"] = float(self.repairs.get(what, 0))
        figures["copy_s_max"] = max(self.copy_s)
        return {name: round(figure, 3) for name, figure in figures.items()}


class PowerCuts:
    """Copies the disk of running recorders, and examines the copies."""

    def __init__(self, disk: CopiedDisk, sent: SentTimes, work: Path, recorders: Sequence[StandIn]) -> None:
        self._disk = disk
        self._sent = sent
        self._work = work
        self._recorders = recorders
        self._examiner = Examiner()
        self._plain_began_ns = time.time_ns()
        self.account = Account()

    def cut(self, number: int) -> None:
        """One power cut: what is recorded, what is left of it, and what that comes to."""
        for recorder in self._recorders:
            recorder.check()
        with closing(CaptureReader.open(self._disk.root / "data")) as reader:
            recording = [row.camera for row in reader.streams() if row.state == "recording"]
            committed = reader.last_sequence()
        if len(recording) < len(CAMERAS):
            raise SiteFailedError(f"only {', '.join(recording) or 'none'} of {len(CAMERAS)} cameras are recorded")
        before_ns = time.time_ns()
        image = self._disk.copy(number)
        # A copy is of a moment in between; taking its end, nothing is counted as kept that was not.
        cut_ns = time.time_ns()
        self.account.copy_s.append((cut_ns - before_ns) / NS_PER_S)
        try:
            with mounted(image, self._work / "copy") as root:
                found = self._examiner.examine(root / "data")
                plain = {form: newest_plain_stamp(root / "plain" / form) for form in FORMS}
        finally:
            image.unlink()
        faults = self.account.add(found)
        losses_s = [self._loss_s(cut_ns, found.ends.get(camera), camera) for camera in recording]
        self.account.losses_s += losses_s
        for form, stamp in plain.items():
            began_ns = self._plain_began_ns if stamp is None else self._sent.wall_ns(stamp)
            self.account.plain_losses_s[form].append((cut_ns - began_ns) / NS_PER_S)
        self.account.committed_lost += max(0, committed - found.last_sequence)
        plain_said = ", ".join(f"{form} {losses[-1]:.1f} s" for form, losses in self.account.plain_losses_s.items())
        say(f"power cut {number}: {max(losses_s):.2f} s lost at worst; plain {plain_said}")
        for fault in faults:
            say(f"power cut {number}: {fault}")

    def _loss_s(self, cut_ns: int, end: Stamp | None, camera: str) -> float:
        if end is None:
            raise SiteFailedError(f"{camera}: nothing at all is left of what was recorded")
        return (cut_ns - self._sent.wall_ns(end)) / NS_PER_S


def say(text: str) -> None:
    """Tell the progress."""
    print(text, flush=True)


@contextmanager
def running(work: Path, name: str, *arguments: str) -> Iterator[StandIn]:
    """A process of ours while the context lasts; it is killed at the end: nothing is to be left in good order."""
    never, log_file = work / f"{name}.json", work / f"{name}.log"  # it does not say that it is ready: its rows do
    recorder = start(name, list(arguments), never, log_file, os.environ, 1.0, is_ready=lambda _said: True)
    try:
        yield recorder
    finally:
        recorder.process.kill()
        recorder.process.wait()


def wait_recording(data: Path, recorders: Sequence[StandIn]) -> None:
    """Wait until all cameras are recorded, and something was closed and deleted."""
    deadline = time.monotonic() + RECORDING_S_MAX
    while not _is_recording(data):
        for recorder in recorders:
            recorder.check()
        if time.monotonic() > deadline:
            raise SiteFailedError(f"not all cameras are recorded after {RECORDING_S_MAX:.0f} s")
        time.sleep(LOOK_S)


def _is_recording(data: Path) -> bool:
    try:
        with closing(CaptureReader.open(data)) as reader:
            recorded = {row.camera for row in reader.segments(state="closed")}
            return len(recorded) == len(CAMERAS) and {row.state for row in reader.streams()} == {"recording"}
    except Transient:  # its owner has not made it yet
        return False


def perform(work: Path, cuts: int, warm_s: float) -> dict[str, float]:
    """Record, cut, examine; the figures."""
    moments = random.Random(SEED)
    say("making the disk, starting the cameras")
    with copied_disk(work) as disk, start_cameras(CAMERAS, scene_folder(), work / "cameras") as cameras:
        data = disk.root / "data"
        write_documents(data, {camera.id: cameras.url(camera.id) for camera in CAMERAS}, SEGMENT_S)
        capture = ("capture", "lab.capture_alone", "--data", str(data), "--set", f"segments_kept={SEGMENTS_KEPT}")
        plain = ("plain", "lab.plain_writers", str(disk.root / "plain"), cameras.url(CAMERAS[0].id))
        with running(work, *capture) as recorder, running(work, *plain) as plain_recorder:
            power_cuts = PowerCuts(disk, SentTimes(cameras), work, (recorder, plain_recorder))
            began_s = time.monotonic()
            wait_recording(data, (recorder, plain_recorder))
            say(f"recording {len(CAMERAS)} cameras, and one of them by plain writers; the first power cut comes soon")
            time.sleep(max(0.0, warm_s - (time.monotonic() - began_s)))
            for number in range(1, cuts + 1):
                time.sleep(moments.uniform(*PAUSE_S))
                power_cuts.cut(number)
    return power_cuts.account.figures()


def _end_with_stdin() -> None:
    """Whoever started this is gone, or wants it to end: as Ctrl-C."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGINT)


def main(work: Path, cuts: int, warm_s: float) -> int:
    """Perform and write the figures; 1 with the reason on stdout when that was not possible."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job begins with it ignored
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        figures = perform(work, cuts, warm_s)
    except (SiteFailedError, StandInError) as error:
        say(f"failed: {error}")
        return 1
    (work / "figures.json").write_text(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))

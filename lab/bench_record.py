"""What recording costs, against ffmpeg on the same cameras in the same run, and whether any packet is lost by it.

N stand-in cameras (1080p, 25 frames a second, 2 Mbit/s, each RTP packet in a write of its own, as cameras send them)
are recorded by Capture on a local core, then by N processes of `ffmpeg -c copy -f segment` with segments of the same
length. CPU time is that of all processes of Capture, launcher included, over that of all ffmpeg processes. Afterwards
every packet in Capture's files is held against what the cameras sent. A further run delays every sync of a file by
20 ms, as a tired disk would.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg

from components.shared.catalogue.capture import CaptureReader
from lab.lone_capture import LoneCapture, lone_capture, wait_until, write_documents
from lab.process_tree import cpu_seconds, pss_bytes, tree
from lab.recorded_packets import check_files, loop_hashes
from lab.running_site import ROOT, scene_folder
from lab.show import Limit, Show, Shown
from local.cameras import CameraSpec, RunningCameras, start_cameras

NUMBERS, QUICK_NUMBERS = (1, 8, 16, 32), (8, 16)
SEGMENT_S = 10
"""Much shorter than in use, so that cuts are within a run; both recorders have the same."""

WARM_S = 3.0
"""Connecting and the first picture are over by then."""

TIRED_SEGMENT_S = 4
MEASURE_S, QUICK_MEASURE_S = 20.0, 5.0
LOOP_S = 8.0
READY_S_MAX = 300.0
"""The scene is encoded the first time."""

FFMPEG_END_S = 10.0

SYNC_DELAY_MS = 20
_COUNTED = ("frames_lost", "frames_doubled", "frames_altered", "frames")
_LIMITS: dict[str, Limit] = {
    "cpu_ratio_8": ("max", 1.15),
    "cpu_ratio_16": ("max", 1.0),
    "cpu_ratio_32": ("max", 1.0),
    "pss_bytes_1": ("max", 100e6),
    "pss_bytes_32": ("max", 200e6),
}


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a recorder: CPU seconds per second, and memory."""

    core_share: float
    pss_bytes: int


def run(quick: bool, work: Path, say: Callable[[str], None]) -> Shown:
    """Record with each recorder in turn, for each number of cameras; then check the packets."""
    numbers = QUICK_NUMBERS if quick else NUMBERS
    measure_s = QUICK_MEASURE_S if quick else MEASURE_S
    specs = [
        CameraSpec(f"cam-{number}", width=1920, height=1080, fps=25, bitrate=2_000_000, loop_s=LOOP_S)
        for number in range(1, max(numbers) + 1)
    ]
    figures: dict[str, float] = dict.fromkeys(_COUNTED, 0.0)
    say("starting the cameras; the first time their scene is encoded")
    with start_cameras(specs, scene_folder(), work / "cameras", logs_sent=False, ready_s_max=READY_S_MAX) as cameras:
        for number in numbers:
            say(f"{number} cameras for {measure_s:.0f} s with each recorder")
            urls = {spec.id: cameras.url(spec.id) for spec in specs[:number]}
            folder = work / f"capture-{number}"
            ours = measure_capture(folder, urls, measure_s)
            theirs = measure_ffmpeg(work / f"ffmpeg-{number}", urls, measure_s)
            figures[f"cpu_share_{number}"] = round(ours.core_share, 4)
            figures[f"ffmpeg_cpu_share_{number}"] = round(theirs.core_share, 4)
            figures[f"cpu_ratio_{number}"] = round(ours.core_share / theirs.core_share, 3)
            figures[f"pss_bytes_{number}"] = float(ours.pss_bytes)
            figures[f"ffmpeg_pss_bytes_{number}"] = float(theirs.pss_bytes)
            add_checked(figures, folder / "data", cameras, urls)
        say(f"{max(numbers)} cameras on a disk whose syncs take {SYNC_DELAY_MS} ms longer")
        record_tired(work / "tired", urls, measure_s)
        tired = dict.fromkeys(_COUNTED, 0.0)
        add_checked(tired, work / "tired" / "data", cameras, urls)
        figures["frames_lost_tired_disk"] = tired["frames_lost"] + tired["frames_doubled"] + tired["frames_altered"]
        figures["frames_tired_disk"] = tired["frames"]
    limits = {name: limit for name, limit in _LIMITS.items() if int(name.rpartition("_")[2]) in numbers}
    lossless: dict[str, Limit] = dict.fromkeys((*_COUNTED[:3], "frames_lost_tired_disk"), ("max", 0.0))
    some: dict[str, Limit] = {"frames": ("min", 1.0), "frames_tired_disk": ("min", 1.0)}
    return Shown(figures, {**lossless, **some, **limits})


def measure_capture(work: Path, urls: Mapping[str, str], measure_s: float) -> Cost:
    """What Capture costs while it records these cameras."""
    work.mkdir()
    with lone_capture(work, urls, SEGMENT_S) as capture:
        capture.wait_recording(len(urls))
        return measure(lambda: tree(capture.launcher), measure_s)


def record_tired(work: Path, urls: Mapping[str, str], measure_s: float) -> None:
    """Record these cameras on a disk whose every sync takes `SYNC_DELAY_MS` longer, over a cut of each."""
    data = work / "data"
    work.mkdir()
    write_documents(data, urls, TIRED_SEGMENT_S)
    command = [
        sys.executable,
        "-m",
        "lab.capture_alone",
        "--data",
        str(data),
        "--set",
        f"sync_delay_ms={SYNC_DELAY_MS}",
    ]
    with (work / "capture.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        wait_until("all are recorded", lambda: LoneCapture(data, process.pid).recording() >= len(urls))
        time.sleep(measure_s + 2 * TIRED_SEGMENT_S)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(FFMPEG_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def measure_ffmpeg(work: Path, urls: Mapping[str, str], measure_s: float) -> Cost:
    """What one ffmpeg process per camera costs."""
    work.mkdir()
    with recording_ffmpegs(work, urls) as processes:
        wait_until("ffmpeg records", lambda: len(list(work.glob("*-000.mp4"))) == len(urls))
        return measure(lambda: [process.pid for process in processes], measure_s)


def measure(processes: Callable[[], list[int]], measure_s: float) -> Cost:
    """The cost of these processes over so many seconds, after warming up."""
    time.sleep(WARM_S)
    before_s, begun_s = cpu_seconds(processes()), time.monotonic()
    time.sleep(measure_s)
    used_s, lasted_s = cpu_seconds(processes()) - before_s, time.monotonic() - begun_s
    return Cost(used_s / lasted_s, pss_bytes(processes()))


@contextmanager
def recording_ffmpegs(work: Path, urls: Mapping[str, str]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """An ffmpeg for each camera while the context lasts."""
    program = shutil.which("ffmpeg") or imageio_ffmpeg.get_ffmpeg_exe()
    processes = []
    try:
        for camera, url in urls.items():
            command = [program, "-loglevel", "error", "-nostdin", "-rtsp_transport", "tcp", "-i", url, "-c", "copy"]
            command += ["-f", "segment", "-segment_time", str(SEGMENT_S), str(work / f"{camera}-%03d.mp4")]
            processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        yield processes
    finally:
        for process in processes:
            process.send_signal(signal.SIGINT)
        for process in processes:
            try:
                process.wait(FFMPEG_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def add_checked(figures: dict[str, float], data: Path, cameras: RunningCameras, urls: Mapping[str, str]) -> None:
    """Add what is wrong with the recorded packets of these cameras."""
    rows = CaptureReader.open(data)
    try:
        for camera in urls:
            spec = cameras.specs[camera]
            paths = [rows.file_path(row) for row in rows.segments(camera, state="closed")]
            checked = check_files(paths, spec, loop_hashes(spec, scene_folder()))
            figures["frames"] += checked.packets
            figures["frames_lost"] += checked.missing
            figures["frames_doubled"] += checked.doubled
            figures["frames_altered"] += checked.altered
    finally:
        rows.close()


SHOW = Show(
    name="record",
    purpose="CPU and memory of recording 1, 8, 16 and 32 cameras against ffmpeg, every packet checked",
    takes_s=330,
    quick_takes_s=58,
    run=run,
)

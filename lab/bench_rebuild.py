"""How quick a lost catalogue comes back from its files, and how much longer that takes than only reading them.

Many small segment files (real boxes and trailers, a few kilobytes each, in the folders of twenty to an hour) are read
once plainly, `stat`, `open` and `read` one after the other, and then the catalogue is rebuilt from them as the command
does. All files are in memory by then: it is our work that is measured, not a disk's.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from pathlib import Path

from components.shared.catalogue.capture import Volume
from components.shared.catalogue.rebuild import default_processes, rebuild
from components.shared.wire.object_keys import ObjectName, relative_path
from components.shared.wire.segment_file import SegmentHasher, Trailer, encode_trailer, scan
from components.shared.wire.units import TimeBase, WallNs
from lab.show import Limit, Show, Shown
from lab.synthetic_archive import BEGIN_NS, SEGMENT_NS, SEGMENTS_A_DAY, camera_name

CAMERAS = 32
DAYS, QUICK_DAYS = 10, 3
FRAMES, FPS, GOP_FRAMES = 20, 10, 10
BASE = TimeBase(1, 90_000)

LIMITS: dict[str, Limit] = {"rebuild_files_per_s": ("min", 10_000.0), "left_over": ("max", 0.0)}


def run(quick: bool, work: Path, say: Callable[[str], None]) -> Shown:
    """Make the files, read them plainly, rebuild."""
    root = work / "media" / "main"
    files = CAMERAS * SEGMENTS_A_DAY * (QUICK_DAYS if quick else DAYS)
    say(f"making {files} files")
    paths, size_bytes = make_files(root, files // CAMERAS)
    say("reading them plainly")
    plain_s = read_plainly(paths)
    say("rebuilding")
    begun = time.monotonic()
    told = rebuild(work, [Volume("main", root)], say, default_processes())
    rebuild_s = time.monotonic() - begun
    figures = {
        "files": float(files),
        "file_bytes": size_bytes / files,
        "plain_files_per_s": round(files / plain_s, 1),
        "rebuild_files_per_s": round(told.segments / rebuild_s, 1),
        "rebuild_vs_read_ratio": round(rebuild_s / plain_s, 2),
        "left_over": float(files - told.segments),
    }
    return Shown(figures, LIMITS)


def make_files(root: Path, each: int) -> tuple[list[str], int]:
    """So many files of each camera; their paths in the order of the folders, and their bytes."""
    body = _body()
    hasher = SegmentHasher()
    hasher.feed(body)
    paths = []
    size_bytes = 0
    for number in range(CAMERAS):
        camera = camera_name(number)
        for start_ns in range(BEGIN_NS, BEGIN_NS + each * SEGMENT_NS, SEGMENT_NS):
            end_ns = WallNs(start_ns + SEGMENT_NS)
            trailer = Trailer(
                *(camera, "main", f"run-{camera}", WallNs(start_ns), end_ns, 0, BASE, FRAMES),
                *(len(body), hasher.sha256),
            )
            path = root / relative_path(ObjectName(camera, "main", WallNs(start_ns), "mp4"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body + encode_trailer(trailer))
            paths.append(str(path))
            size_bytes += len(body) + len(encode_trailer(trailer))
    return paths, size_bytes


def read_plainly(paths: list[str]) -> float:
    """The seconds for `stat`, `open` and `read` of each file, one after the other."""
    begun = time.monotonic()
    for path in paths:
        size_bytes = os.stat(path).st_size  # noqa: PTH116 - the plain call is what is measured
        descriptor = os.open(path, os.O_RDONLY)
        os.read(descriptor, size_bytes)
        os.close(descriptor)
    return time.monotonic() - begun


def _body() -> bytes:
    """A small picture's fragments as our recorder writes them, without a trailer."""
    import av  # the other shows need no codec

    out = io.BytesIO()
    movie = {
        "movflags": "empty_moov+default_base_moof+frag_keyframe+frag_discont",
        "use_editlist": "0",
        "avoid_negative_ts": "disabled",
    }
    coding = {"g": str(GOP_FRAMES), "keyint_min": str(GOP_FRAMES), "sc_threshold": "0", "bf": "0", "crf": "40"}
    with av.open(out, "w", format="mp4", options=movie) as container:
        video = container.add_stream("libx264", rate=FPS, options={**coding, "x264-params": "threads=1"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.time_base = BASE.fraction
        for number in range(FRAMES):
            picture = av.VideoFrame(64, 48, "yuv420p")
            for plane in picture.planes:
                # A pattern that moves: some hundred bytes a picture.
                plane.update(bytes((at // 7 * (number + 3)) % 100 + 60 for at in range(plane.buffer_size)))
            picture.pts, picture.time_base = number * BASE.denominator // FPS, BASE.fraction
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
    body = out.getvalue()
    return body[: scan([body]).complete_bytes]


SHOW = Show(
    name="rebuild",
    purpose="a catalogue made again from the trailers of small files, against plainly reading them",
    takes_s=60,
    quick_takes_s=20,
    run=run,
)

"""An embedded AWS with the page and a camera's footage in it: files as Capture writes them, uploaded and indexed.

    0      1      2      3      4      5      6      7     in files
    [run 1      ]  hole  [run 1]        [run 2            ]

The hole is a file of run 1 that is not there; between the runs nothing was recorded.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import boto3
import numpy as np

from components.capture.core.packets import EncodedPacket, TimedPacket, VideoParameters
from components.capture.core.parameter_sets import find_parameter_sets
from components.capture.recorded_file import RecordedFile
from components.capture.segment_writer import SegmentName, SegmentWriter, seal_segment
from components.shared.errors import Transient
from components.shared.wire import segment_metadata
from components.shared.wire.object_keys import ObjectName, object_key
from components.shared.wire.units import NS_PER_S, MonotonicNs, TimeBase, WallNs, format_iso
from fleet.page import KINDS, build_page

ROOT = Path(__file__).parents[1]
THING, CAMERA = "site-1", "front"
BEGIN = WallNs(1_763_000_040 * NS_PER_S)
FPS, GOP_S = 15, 2
BASE = TimeBase(1, 90_000)
START_S_MAX, INDEXED_S_MAX = 240.0, 120.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file stands: which file of the span, of which run, where its run began."""

    number: int
    run: str
    run_number: int


PLACES = (
    *(Place(number, "run-1", 0) for number in (0, 1, 3)),
    *(Place(number, "run-2", 5) for number in (5, 6, 7)),
)
FILES = 8


@dataclass(frozen=True, slots=True)
class Clip:
    """Encoded pictures, and what they are."""

    payloads: tuple[bytes, ...]
    parameters: VideoParameters


@dataclass(frozen=True, slots=True)
class HlsSite:
    """What runs: the address for people, and how long a file is."""

    web_url: str
    file_s: int

    @property
    def address(self) -> str:
        """The page, showing the whole span."""
        start, end = (format_iso(BEGIN + second * NS_PER_S) for second in (0, FILES * self.file_s))
        return f"{self.web_url}/#site={THING}&camera={CAMERA}&start={start}&end={end}"

    def wall_ms(self, seconds: float) -> float:
        """So many seconds into the span, as the page counts time."""
        return BEGIN / 1e6 + seconds * 1000

    def recorded(self) -> list[tuple[int, int]]:
        """What was recorded, in seconds of the span."""
        return [(first * self.file_s, last * self.file_s) for first, last in ((0, 2), (3, 4), (5, 8))]


@contextmanager
def hls_site(work: Path, file_s: int, width: int, height: int, say: Callable[[str], None]) -> Iterator[HlsSite]:
    """Runs it; `file_s` is even."""
    say("builds the page")
    page = build_page(work / "page", work)
    say(f"encodes {file_s} s of {width}x{height}")
    clip = encode(file_s, width, height)
    with _local_aws(work / "aws") as ready:
        s3 = _client(ready, "s3")
        for path in page:
            kind = KINDS[path.suffix]
            s3.put_object(
                Bucket=ready["resources"]["PageBucket"], Key=path.name, Body=path.read_bytes(), ContentType=kind
            )
        say(f"uploads {len(PLACES)} files")
        for place in PLACES:
            _upload(place, file_s, clip, work, s3, ready["resources"]["MediaBucket"])
        _wait_until_indexed(_client(ready, "dynamodb"), ready["resources"]["MediaTable"])
        yield HlsSite(ready["web_url"], file_s)


def encode(seconds: int, width: int, height: int) -> Clip:
    """H.264 with a keyframe every two seconds, of a seeded picture that moves, some 2 Mbit/s at 1280x720."""
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FPS), Fraction(FPS, 1)
    encoder.gop_size = FPS * GOP_S
    encoder.bit_rate = width * height * 2
    encoder.thread_count = 1
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "scenecut=0"}
    noise = np.random.default_rng(1).integers(0, 255, (height, width, 3), dtype=np.uint8)
    noise[:, :, :] = (
        noise.reshape(height, width, 3)[:: max(1, height // 90), :: max(1, width // 160)]
        .repeat(max(1, height // 90), 0)
        .repeat(max(1, width // 160), 1)[:height, :width]
    )
    payloads: list[bytes] = []
    for number in range(seconds * FPS):
        frame = av.VideoFrame.from_ndarray(np.roll(noise, number * 2, axis=1), format="rgb24")
        frame.pts = number
        payloads += [bytes(packet) for packet in encoder.encode(frame)]
    payloads += [bytes(packet) for packet in encoder.encode(None)]
    sets = find_parameter_sets("h264", payloads[0])
    assert sets is not None
    return Clip(tuple(payloads), VideoParameters("h264", BASE, sets.annex_b, width, height))


def _upload(place: Place, file_s: int, clip: Clip, work: Path, s3: Any, bucket: str) -> None:
    """Writes a file as Capture does, and puts it there as CloudSync does."""
    first = (place.number - place.run_number) * file_s * BASE.denominator
    start_ns = WallNs(BEGIN + place.number * file_s * NS_PER_S)
    path = work / f"{place.number}.mp4"
    file = RecordedFile(path, f"camera {CAMERA}, file {place.number}")
    writer = SegmentWriter(file, clip.parameters, None)
    step = BASE.denominator // FPS
    for number, payload in enumerate(clip.payloads):
        ticks, is_keyframe = first + number * step, number % (FPS * GOP_S) == 0
        packet = EncodedPacket("video", payload, ticks, ticks, step, is_keyframe, MonotonicNs(0))
        writer.write(TimedPacket(packet, ticks, ticks, step))
    writer.finish()
    name = SegmentName(CAMERA, "main", place.run, start_ns)
    facts, _ = seal_segment(file, name, lambda ticks: WallNs(start_ns + BASE.to_ns(ticks - first)))
    key = object_key(THING, ObjectName(CAMERA, "main", start_ns, "mp4"))
    s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes(), Metadata=segment_metadata.encode(facts))
    path.unlink()


@contextmanager
def _local_aws(data: Path) -> Iterator[dict[str, Any]]:
    data.mkdir(parents=True)
    ready = data / "ready.json"
    command = [sys.executable, "-m", "local.aws", "--data", str(data), "--ready", str(ready), "--die-with-parent"]
    with (data / "log.txt").open("wb") as output:
        process = subprocess.Popen(
            [*command, "--template", str(ROOT / "cloud" / "template.yaml")], cwd=ROOT, stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + START_S_MAX
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise Transient(f"the embedded AWS does not start: {(data / 'log.txt').read_text()[-2_000:]}")
            time.sleep(0.1)
        yield json.loads(ready.read_text())
    finally:
        process.terminate()
        process.wait(30)


def _client(ready: dict[str, Any], service: str) -> Any:
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=ready["endpoint_url"],
        region_name=ready["region"],
        aws_access_key_id=ready["access_key_id"],
        aws_secret_access_key=ready["secret_access_key"],
    )


def _wait_until_indexed(dynamodb: Any, table: str) -> None:
    deadline = time.monotonic() + INDEXED_S_MAX
    while sum("object_key" in item for item in dynamodb.scan(TableName=table)["Items"]) < len(PLACES):
        if time.monotonic() > deadline:
            raise Transient(f"the footage was not indexed within {INDEXED_S_MAX:g} s")
        time.sleep(0.2)

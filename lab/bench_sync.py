"""How well uploads keep to a cap, and what they cost without one: CloudSync's worker against the embedded AWS over TLS.

The cap is measured where a network would: every byte that comes out of the sender's sockets is noted by the process at
the other end. One worker sends a backlog without a pause while its site's document is changed to one cap after the
other, live, and at last a boundary of its schedule comes by itself. Any ten seconds count, also those around a change.

Without a cap the same file is sent under several keys, by the worker and by boto3's `upload_file`, in turns, through
the same wire to the same server. CPU is that of the sender's process between its beginning and its end.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.cloud_sync.core.parts import PART_BYTES
from components.shared.catalogue.capture import CaptureWriter
from components.shared.catalogue.capture_rows import Volume
from components.shared.catalogue.sync import SyncReader, SyncWriter, UploadRow
from components.shared.runtime.clock import SystemClock
from components.shared.runtime.config import write_document
from components.shared.wire.recording_config import DAYS
from components.shared.wire.site_config import SITE
from components.shared.wire.units import NS_PER_S, WallNs
from lab.metered_wire import TICK_NS
from lab.process_tree import cpu_seconds, pss_bytes
from lab.running_site import ROOT
from lab.show import Limit, Show, Shown
from lab.sync_cloud import SyncCloud, end, sync_cloud, wait_until
from lab.wire_account import Kept, Stage, account

CAPS_KBIT_S = (256, 2_000, 20_000, 100_000)
SCHEDULED_KBIT_S = 2_000
STAGE_S = 25
QUICK_CAPS_KBIT_S = (2_000, 20_000)
QUICK_STAGE_S = 11
FOLLOW_S = 6
"""A worker without hints looks every 5 s whether its document has changed."""

START_S = 10
NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)
"""When the schedule's span begins, by the worker's clock."""

BEGIN_S = 4
"""Each worker connects, looks what is there and begins an upload before it has anything to send: not measured."""

FILE_BYTES = 48 * 1024 * 1024
OBJECTS = 16
ROUNDS = 3
QUICK_OBJECTS = 3
QUICK_ROUNDS = 1
WAIT_S_MAX = 300.0

LIMITS: dict[str, Limit] = {
    "cap_over_max": ("max", 1.02),
    "cap_over_max_below_1_mbit_s": ("max", 1.05),
    "cap_used_min": ("min", 0.95),
    "throughput_ratio": ("min", 0.95),
    "cpu_ratio": ("max", 0.75),
    "memory_growth_mb": ("max", 8.0),
}


@dataclass
class Sender:
    """A worker process on a data root of its own."""

    data: Path
    process: subprocess.Popen[bytes]
    version: int = 1
    limits: list[int] = field(default_factory=list)

    def follow(self, sync: dict[str, Any]) -> float:
        """Puts the section in force, live; how many seconds it took until the worker followed."""
        begun_s = time.monotonic()
        seen = len(self.in_force())
        self.version += 1
        put_in_force(self.data, sync, self.version)
        wait_until("the worker follows its document", lambda: len(self.in_force()) > seen, WAIT_S_MAX)
        return time.monotonic() - begun_s

    def in_force(self) -> list[int]:
        """The ticks at which it said that it follows a document."""
        apart_ns = time.time_ns() - time.monotonic_ns()
        lines = (self.data / "worker.log").read_text(errors="replace").splitlines()
        records = [json.loads(line) for line in lines if '"limit_in_force"' in line]
        walls = [datetime.fromisoformat(record["time"]).timestamp() for record in records]
        return [(int(wall * NS_PER_S) - apart_ns) // TICK_NS for wall in walls]


def put_in_force(data: Path, sync: dict[str, Any], version: int) -> None:
    """The site's document with that section, as SiteConfig writes it."""
    write_document(data, SITE, {"schema": 3, "sync": sync}, version, SystemClock())


def queue(data: Path, size_bytes: int, count: int) -> None:
    """One file of seeded bytes, queued under so many keys."""
    root = data / "media" / "main"
    root.mkdir(parents=True)
    content = random.Random(1).randbytes(size_bytes)
    (root / "x.mp4").write_bytes(content)
    with closing(CaptureWriter.open(data)) as capture:
        capture.register_volume(Volume("main", root))
    parts = tuple(
        hashlib.sha256(content[at : at + PART_BYTES]).hexdigest() for at in range(0, len(content), PART_BYTES)
    )
    whole = hashlib.sha256(content).hexdigest()
    rows = [
        UploadRow(
            key=f"sites/bench/cameras/cam-1/{data.name}-{number}.mp4",
            kind="segment",
            camera="cam-1",
            segment=f"cam-1_{number}",
            volume="main",
            path="x.mp4",
            size_bytes=len(content),
            sha256=whole,
            part_sha256s=parts,
            metadata={"nvr-sha256": whole},
            priority=10,
            enqueued_ns=WallNs(0),
        )
        for number in range(count)
    ]
    with closing(SyncWriter.open(data)) as ledger:
        ledger.enqueue("bench", rows, count)


@contextmanager
def sender(cloud: SyncCloud, data: Path, sync: dict[str, Any], ahead_ns: int = 0) -> Iterator[Sender]:
    """A worker that follows that section."""
    put_in_force(data, sync, 1)
    command = [sys.executable, "-m", "lab.sync_alone", "--data", str(data), "--set", f"mediaBucket={cloud.bucket}"]
    with (data / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--set", f"wall_offset_ns={ahead_ns}"], cwd=ROOT, env=cloud.environment, stdout=log, stderr=log
        )
    made = Sender(data, process)
    try:
        wait_until("the worker has begun", lambda: len(made.in_force()) > 0, WAIT_S_MAX)
        yield made
    finally:
        end(process)


def measure_caps(
    cloud: SyncCloud, work: Path, caps: tuple[int, ...], stage_s: int, say: Callable[[str], None]
) -> dict[str, float]:
    """One worker under one cap after the other, and a boundary of its schedule at the end."""
    data = work / "capped"
    data.mkdir()
    queue(data, FILE_BYTES, OBJECTS)
    boundary_s = START_S + (stage_s + FOLLOW_S) * len(caps)
    boundary_ns = time.monotonic_ns() + boundary_s * NS_PER_S
    live_s, memory = [], []
    with sender(cloud, data, _section(caps[0]), _ahead_of(NOON) - boundary_s * NS_PER_S) as worker:
        say(f"caps of {', '.join(map(str, caps))} kbit/s, changed live, {boundary_s + stage_s} s")
        stages = [Stage(worker.in_force()[0] + int(BEGIN_S * NS_PER_S) // TICK_NS, caps[0] * 125)]
        for cap in caps[1:]:
            time.sleep(stage_s)
            memory.append(pss_bytes([worker.process.pid]))
            live_s.append(worker.follow(_section(cap)))
            stages.append(Stage(worker.in_force()[-1], cap * 125))
            say(f"{cap} kbit/s is in force after {live_s[-1]:.1f} s")
        stages.append(Stage(boundary_ns // TICK_NS, SCHEDULED_KBIT_S * 125))
        time.sleep(max(0.0, (boundary_ns - time.monotonic_ns()) / NS_PER_S) + stage_s)
        memory.append(pss_bytes([worker.process.pid]))
        end_tick = time.monotonic_ns() // TICK_NS
        with closing(SyncReader.open(data)) as ledger:
            assert ledger.backlog()[0] > 0, "the backlog was too small for these caps"
        ticks = cloud.ticks()
    for first, last in zip(stages, (*stages[1:], Stage(end_tick, 0)), strict=True):
        say(f"{first.bytes_per_s // 125} kbit/s: {_told(account(ticks, [first], last.begin_tick))}")
    kept = account(ticks, stages, end_tick)
    return {
        "cap_over_max": _figure(kept.over_max),
        "cap_over_max_below_1_mbit_s": _figure(kept.over_max_slow),
        "cap_used_min": _figure(kept.used_min),
        "live_change_s_max": round(max(live_s), 2),
        "memory_mb": round(max(memory) / 1e6, 1),
        "memory_growth_mb": round((max(memory) - memory[0]) / 1e6, 2),
    }


def _ahead_of(moment: datetime) -> int:
    """How far a wall clock is set so that it shows that moment now."""
    return int(moment.timestamp()) * NS_PER_S - time.time_ns()


def _section(cap_kbit_s: int) -> dict[str, Any]:
    return {"cap_kbit_s": cap_kbit_s, "schedule": {DAYS[NOON.weekday()]: f"12:00-24:00 {SCHEDULED_KBIT_S}"}}


def _figure(part: float | None) -> float:
    return math.nan if part is None else round(part, 4)


def _told(kept: Kept) -> str:
    over = kept.over_max if kept.over_max_slow is None else kept.over_max_slow
    if over is None or kept.used_min is None:
        return "shorter than a window"
    return f"at most {over:.4f}, at least {kept.used_min:.4f} of it in any 10 s"


@dataclass(frozen=True, slots=True)
class Sent:
    """What a sender took for its bytes: seconds on the wire, and of CPU."""

    size_bytes: int
    wire_s: float
    cpu_s: float


def send_with_worker(cloud: SyncCloud, data: Path, objects: int) -> Sent:
    """Without a cap, from a queue that is there."""
    data.mkdir()
    queue(data, FILE_BYTES, objects)
    # Its first request makes the client, which takes longer than sending a file: so it begins, but does not get far.
    with sender(cloud, data, {"cap_kbit_s": 64}) as worker, closing(SyncReader.open(data)) as ledger:
        time.sleep(BEGIN_S)
        cpu_s = cpu_seconds([worker.process.pid])
        worker.follow({})
        begun_tick = worker.in_force()[-1]
        wait_until("all is uploaded", lambda: ledger.backlog()[0] == 0, WAIT_S_MAX)
        cpu_s = cpu_seconds([worker.process.pid]) - cpu_s
        return _sent(cloud, begun_tick, objects, cpu_s)


def send_plainly(cloud: SyncCloud, file: Path, objects: int) -> Sent:
    """The same file under as many keys, by boto3."""
    environment = {**cloud.environment, "AWS_EC2_METADATA_DISABLED": "true"}
    process = subprocess.Popen(
        [sys.executable, "-m", "lab.plain_sender", cloud.bucket, str(file), str(objects)],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        begun_tick = time.monotonic_ns() // TICK_NS
        cpu_s = cpu_seconds([process.pid])
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"done\n"
        cpu_s = cpu_seconds([process.pid]) - cpu_s
        return _sent(cloud, begun_tick, objects, cpu_s)
    finally:
        end(process)


def _sent(cloud: SyncCloud, begun_tick: int, objects: int, cpu_s: float) -> Sent:
    ticks = [tick for tick in cloud.ticks() if tick >= begun_tick]
    return Sent(objects * FILE_BYTES, (max(ticks) - min(ticks)) * TICK_NS / NS_PER_S, cpu_s)


def compare(cloud: SyncCloud, work: Path, objects: int, rounds: int, say: Callable[[str], None]) -> dict[str, float]:
    """Worker and boto3 in turns."""
    ours, plain = [], []
    for number in range(rounds):
        data = work / f"free-{number}"
        ours.append(send_with_worker(cloud, data, objects))
        plain.append(send_plainly(cloud, data / "media" / "main" / "x.mp4", objects))
        say(f"round {number + 1} of {rounds}: {ours[-1].wire_s:.2f} s and {ours[-1].cpu_s:.2f} CPU s, ")
        say(f"  upload_file {plain[-1].wire_s:.2f} s and {plain[-1].cpu_s:.2f} CPU s")
    our_s, plain_s = sum(sent.wire_s for sent in ours), sum(sent.wire_s for sent in plain)
    our_cpu_s, plain_cpu_s = sum(sent.cpu_s for sent in ours), sum(sent.cpu_s for sent in plain)
    gib = sum(sent.size_bytes for sent in ours) / 2**30
    return {
        "throughput_ratio": round(plain_s / our_s, 3),
        "cpu_ratio": round(our_cpu_s / plain_cpu_s, 3),
        "mbit_s": round(gib * 2**33 / our_s / 1e6),
        "mbit_s_upload_file": round(gib * 2**33 / plain_s / 1e6),
        "cpu_s_gib": round(our_cpu_s / gib, 2),
        "cpu_s_gib_upload_file": round(plain_cpu_s / gib, 2),
    }


def run(quick: bool, work: Path, say: Callable[[str], None]) -> Shown:
    """Caps, then without one."""
    caps, stage_s = (QUICK_CAPS_KBIT_S, QUICK_STAGE_S) if quick else (CAPS_KBIT_S, STAGE_S)
    objects, rounds = (QUICK_OBJECTS, QUICK_ROUNDS) if quick else (OBJECTS // 2, ROUNDS)
    say("starts the embedded AWS and the wire")
    with sync_cloud(work) as cloud:
        figures = measure_caps(cloud, work, caps, stage_s, say)
        figures |= compare(cloud, work, objects, rounds, say)
    limits = {name: limit for name, limit in LIMITS.items() if not (quick and name.endswith("below_1_mbit_s"))}
    return Shown(figures, limits)


SHOW = Show(
    name="sync",
    purpose="uploads under a cap, measured at the socket, and without one beside boto3's upload_file",
    takes_s=420,
    quick_takes_s=100,
    run=run,
)

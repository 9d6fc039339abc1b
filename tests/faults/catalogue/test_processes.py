"""Catalogues between processes: killed writers, stopped readers, stopped writers, second writers."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from components.shared.catalogue.capture import CaptureReader, CaptureWriter, StreamRow
from components.shared.catalogue.check import check
from components.shared.catalogue.database import WAL_BYTES_KEPT, catalogue_path
from components.shared.catalogue.reconcile import reconcile
from components.shared.catalogue.sync import SyncReader, SyncWriter
from components.shared.errors import Transient
from components.shared.wire.units import WallNs
from tests.fakes.archive import START_NS, Archive
from tests.fakes.waiting import eventually

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
KILLS = 12
COMMIT_S_MAX = 2.0
"""A commit takes milliseconds; on a busy machine a sync may take a second. Blocked, it would take 5 s and fail."""


@contextmanager
def child(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, str(HERE / script), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)
        out(process).close()


def out(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout


def stopped(process: subprocess.Popen[str]) -> None:
    """Waits until the child holds what it holds, and stops it there."""
    assert out(process).readline() == "ready\n"
    process.send_signal(signal.SIGSTOP)
    state = Path(f"/proc/{process.pid}/stat")
    eventually(lambda: state.read_text().rpartition(")")[2].split()[0] == "T", what="the child is stopped")


def commit(writer: CaptureWriter, number: int) -> float:
    """The seconds that a commit with some kilobytes takes."""
    began = time.monotonic()
    rows = [StreamRow(f"cam-{camera}", "main", "off", "x" * 400, START_NS, number, START_NS) for camera in range(40)]
    with writer.database.transaction("many streams") as do:
        for row in rows:
            do(
                "INSERT OR REPLACE INTO stream VALUES (?, ?, ?, ?, ?, ?, ?)",
                *(row.camera, row.stream, row.state, row.cause, row.since_ns, row.failures, row.enabled_since_ns),
            )
    return time.monotonic() - began


@pytest.mark.slow
@pytest.mark.alone
def test_a_stopped_reader_holds_nobody_up(tmp_path: Path) -> None:
    """A reader that is stopped in the middle of a read blocks no writer and no other reader; what it cost is undone."""
    writer = CaptureWriter.open(tmp_path)
    wal = Path(f"{catalogue_path(tmp_path, 'capture')}-wal")
    with child("stopped_child.py", "read", "capture", str(tmp_path)) as process:
        stopped(process)
        slowest = max(commit(writer, number) for number in range(1000))
        assert slowest < COMMIT_S_MAX
        reader = CaptureReader.open(tmp_path)
        assert {row.failures for row in reader.streams()} == {999}
        grown = wal.stat().st_size
        assert grown > WAL_BYTES_KEPT, "the reader held the log, or this test tests nothing"
    for number in range(200):
        commit(writer, number)
    assert wal.stat().st_size <= WAL_BYTES_KEPT < grown
    writer.close()


@pytest.mark.slow
def test_the_log_stays_short_while_readers_read(tmp_path: Path) -> None:
    """Our readers hold no read between calls, so that the log is emptied while they are there."""
    writer = CaptureWriter.open(tmp_path)
    readers = [CaptureReader.open(tmp_path) for _ in range(3)]
    wal = Path(f"{catalogue_path(tmp_path, 'capture')}-wal")
    longest = 0
    for number in range(400):
        commit(writer, number)
        readers[number % 3].streams()
        longest = max(longest, wal.stat().st_size)
    # The usual checkpoint comes at 1 000 pages of 4 KiB; one transaction more may be in the log by then.
    assert longest < 1_100 * 4_200
    writer.close()


@pytest.mark.slow
@pytest.mark.alone
def test_a_stopped_writer_of_another_file_holds_nobody_up(tmp_path: Path) -> None:
    """CloudSync stopped in the middle of a transaction: Capture writes on, and sync.db can be read."""
    SyncWriter.open(tmp_path).close()
    writer = CaptureWriter.open(tmp_path)
    with child("stopped_child.py", "write", "sync", str(tmp_path)) as process:
        stopped(process)
        assert max(commit(writer, number) for number in range(20)) < COMMIT_S_MAX
        reader = SyncReader.open(tmp_path)
        began = time.monotonic()
        assert reader.backlog() == (0, 0)
        assert time.monotonic() - began < COMMIT_S_MAX
        with pytest.raises(Transient, match=f"sync.db already has a writer: process {process.pid}"):
            SyncWriter.open(tmp_path)
    SyncWriter.open(tmp_path).close()
    writer.close()


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_killed_at_any_moment_nothing_that_was_told_is_lost(tmp_path: Path) -> None:
    """A recorder killed at random moments: after each start rows and files agree, and what was closed is kept."""
    moments = random.Random(20_251_121)
    told: list[str] = []
    for _ in range(KILLS):
        with child("recording_child.py", str(tmp_path)) as process:
            told.append(out(process).readline().strip())
            # At any phase of recording or deleting, which takes some tens of milliseconds.
            eventually(_passed(moments.uniform(0, 0.15)), what="a moment passes")
            process.send_signal(signal.SIGKILL)
            told += [line.strip() for line in out(process) if line.endswith("\n")]
    archive = Archive(tmp_path)
    reconcile(archive.writer)
    assert check(tmp_path, with_hash=True, pause=lambda: None) == []
    assert archive.writer.open_segments() == [] and archive.writer.garbage() == []

    kept = {row.segment for row in archive.writer.segments()}
    record: dict[str, WallNs] = {}
    spans = [(row.camera, row.start_ns, row.end_ns) for row in archive.writer.segments()]
    spans += [(gap.camera, gap.start_ns, gap.end_ns) for gap in archive.writer.gaps()]
    for camera, start_ns, end_ns in sorted(spans, key=lambda span: span[1]):
        assert start_ns == record.get(camera, START_NS), "the record has a hole"
        assert end_ns is not None
        record[camera] = end_ns
    deleted = {gap.camera for gap in archive.writer.gaps() if gap.cause == "policy"}
    assert len(told) > KILLS
    for segment in told:
        camera = segment.partition("_")[0]
        if segment not in kept:
            # Stamps are texts that sort as times do.
            assert segment < min(found for found in kept if found.startswith(f"{camera}_"))
            assert camera in deleted
    archive.close()


def _passed(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end

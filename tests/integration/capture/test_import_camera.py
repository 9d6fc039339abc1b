"""A camera that is fed by files, from its document to its record."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from components.capture.packet_source import PacketSource, SourceRequest
from components.shared.catalogue.capture import SegmentRow
from components.shared.catalogue.check import check
from components.shared.runtime.clock import SystemClock
from components.shared.wire.units import NS_PER_S, format_iso
from tests.fakes.capture_box import CaptureBox
from tests.fakes.clock import FakeClock
from tests.fakes.foreign_files import PER_S, count_decoded, write_mp4
from tests.fakes.import_box import at
from tests.fakes.waiting import eventually

pytestmark = pytest.mark.slow

NAME = "2025-11-21/001/dav/10/10.00.00-10.00.04[M][0@0][0].mp4"
LONG_S = 90


def no_camera(_request: SourceRequest) -> PacketSource:
    """No camera is read here."""
    raise AssertionError("a folder is no camera to connect to")


def closed(box: CaptureBox, camera: str) -> list[SegmentRow]:
    return box.segments(camera) if (box.data / "catalogue" / "capture.db").exists() else []


def test_from_the_document_to_the_record(tmp_path: Path) -> None:
    """Files are read in the zone of the camera's document; its mode, and a restart, are followed."""
    folder = tmp_path / "drop"
    folder.mkdir()
    clock = FakeClock(wall_ns=at("2025-11-21T12:00:00"))
    box = CaptureBox(tmp_path / "data", clock, segment_s=2)
    box.set_camera("drive", f"folder://{folder}", time_zone="Europe/Berlin")

    def passes(condition: object) -> bool:
        clock.advance(NS_PER_S)
        return bool(condition() if callable(condition) else condition)

    write_mp4(folder / NAME)
    with box.running(no_camera):
        eventually(lambda: passes(lambda: len(closed(box, "drive")) == 2), 30.0, "two segments")
        eventually(lambda: passes(lambda: (box.stream("drive") or no_row()).state == "recording"), 30.0, "it comes")
    assert [format_iso(row.start_ns)[11:19] for row in box.segments("drive")] == ["09:00:00", "09:00:02"]
    assert {gap.cause for gap in box.gaps("drive")} == {"not_delivered"}
    assert box.coverage("drive").is_whole
    clock.advance(3_600 * NS_PER_S)
    with box.running(no_camera):
        write_mp4(folder / NAME.replace("00.04", "00.08").replace("00.00-", "00.04-"))
        eventually(lambda: passes(lambda: len(closed(box, "drive")) == 4), 30.0, "two more")
        box.set_camera("drive", f"folder://{folder}", mode="off", time_zone="Europe/Berlin")
        eventually(lambda: passes(lambda: (box.stream("drive") or no_row()).state == "off"), 30.0, "it is off")
    assert {gap.cause for gap in box.gaps("drive")} == {"not_delivered", "policy"}
    assert box.coverage("drive").is_whole
    assert check(box.data) == []


def no_row() -> SegmentRow:
    raise AssertionError("the camera has no row")


def test_a_process_that_is_killed_while_it_imports(tmp_path: Path) -> None:
    """Another one goes on where it was; every picture is there once, and the time before stays a gap of its cause."""
    folder = tmp_path / "drop"
    folder.mkdir()
    box = CaptureBox(tmp_path / "data", SystemClock(), segment_s=1)
    box.set_camera("drive", f"folder://{folder}")
    write_mp4(folder / "NVR_ch1_main_20251121100000_20251121100130.mp4", seconds=LONG_S)
    with box.running_crews():
        box.wait_for("some segments", lambda: len(closed(box, "drive")) >= 5, 60.0)
        crews = [
            child
            for zygote in psutil.Process(os.getpid()).children()
            if "zygote" in " ".join(zygote.cmdline())
            for child in zygote.children()
        ]
        (crew,) = crews
        os.kill(crew.pid, signal.SIGKILL)
        at_kill = len(closed(box, "drive"))
        box.wait_for("the rest", lambda: box.log.named("crew_ended") and len(closed(box, "drive")) >= LONG_S, 90.0)
        box.wait_for("its end", lambda: all(run.ended_ns is not None for run in box.runs("drive")), 20.0)
    assert at_kill < LONG_S, "it was killed in the middle"
    assert sum(count_decoded(file) for file in box.files("drive")) == LONG_S * PER_S
    assert {gap.cause for gap in box.gaps("drive")} == {"not_delivered"}
    assert box.coverage("drive").is_whole
    assert check(box.data) == []

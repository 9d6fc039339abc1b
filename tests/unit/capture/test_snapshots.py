"""The last picture of each camera: when one is made, of which stream, and what stays."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from components.capture.core.packets import TimedPacket
from components.capture.live_stream import LiveStream, Picture
from components.capture.snapshots import Jpeg, SnapshotPlan, Snapshots
from components.shared.runtime.last_picture import (
    picture_path,
    read_last_picture,
    remove_last_picture,
)
from components.shared.runtime.live_socket import live_folder
from components.shared.wire.object_keys import StreamName
from components.shared.wire.units import NS_PER_S, WallNs
from tests.fakes.clock import FakeClock
from tests.fakes.log import RecordingLog
from tests.fakes.packets import STEP, VIDEO, WALL, video_packet

PERIOD_NS = 30 * NS_PER_S


class Stream:
    """A stream that shows one keyframe after another, a second apart."""

    def __init__(self, log: RecordingLog, name: StreamName = "main") -> None:
        self.live = LiveStream("cam-1", name, lambda: None, log)
        self.number = 0

    def show(self, text: bytes) -> None:
        if self.number == 0:
            self.live.begin(VIDEO, None, lambda timed: WallNs(WALL + timed.dts // STEP * NS_PER_S))
        packet = video_packet(self.number, is_keyframe=True, payload=text)
        self.live.feed(TimedPacket(packet, self.number * STEP, self.number * STEP, STEP))
        self.number += 1


class Decoder:
    """Makes a JPEG of any picture but those that say otherwise."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, picture: Picture) -> Jpeg | None:
        self.asked += 1
        if picture.access_unit.startswith(b"bad"):
            return None
        return Jpeg(b"JPEG of " + picture.access_unit, 640, 360, picture.access_unit.startswith(b"doubtful"))


class Bench:
    """Snapshots of cam-1 on a clock that the test moves."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.clock = FakeClock()
        self.log = RecordingLog()
        self.decoder = Decoder()
        self.snapshots = Snapshots(data, self.decoder, self.clock, self.log)
        self.main, self.sub = Stream(self.log), Stream(self.log, "sub")

    def plan(self, *streams: Stream) -> None:
        self.snapshots.set_plan("cam-1", SnapshotPlan(PERIOD_NS, tuple(stream.live for stream in streams)))

    def look(self, after_ns: int = 0) -> None:
        self.clock.advance(after_ns)
        self.snapshots.look(threading.Event())

    def kept(self) -> bytes | None:
        path = picture_path(self.data, "cam-1")
        return path.read_bytes() if path.exists() else None


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.plan(bench.main)
    return bench


def test_the_first_picture_is_kept_as_soon_as_there_is_one(bench: Bench) -> None:
    """Nobody waits half a minute for the first picture; what it is stands beside it."""
    bench.look()
    assert bench.kept() is None
    bench.look(NS_PER_S)
    bench.main.show(b"one")
    bench.look(NS_PER_S)
    assert bench.kept() == b"JPEG of one"
    kept = read_last_picture(bench.data, "cam-1")
    assert kept is not None
    assert (kept.camera, kept.stream, kept.taken_ns, kept.width, kept.height) == ("cam-1", "main", WALL, 640, 360)
    assert kept.size_bytes == len(b"JPEG of one")


def test_the_next_picture_is_due_after_the_period(bench: Bench) -> None:
    """Before the period is over nothing is decoded; at its end the newest keyframe is."""
    bench.main.show(b"one")
    bench.look()
    bench.main.show(b"two")
    bench.look(PERIOD_NS - 1)
    assert (bench.kept(), bench.decoder.asked) == (b"JPEG of one", 1)
    bench.main.show(b"three")
    bench.look(1)
    assert (bench.kept(), bench.decoder.asked) == (b"JPEG of three", 2)


def test_a_camera_that_shows_nothing_new_keeps_its_last_picture(bench: Bench) -> None:
    """The same keyframe is not decoded again, however long nothing comes; the next one is kept at once."""
    bench.main.show(b"one")
    for _ in range(10):
        bench.look(PERIOD_NS)
    assert (bench.kept(), bench.decoder.asked) == (b"JPEG of one", 1)
    bench.main.show(b"two")
    bench.look(NS_PER_S)
    assert bench.kept() == b"JPEG of two"


def test_a_lost_camera_leaves_what_it_showed_last(bench: Bench) -> None:
    """When a camera is lost, its newest keyframe is kept at once, not the one of half a minute ago."""
    bench.main.show(b"one")
    bench.look()
    bench.main.show(b"the burglar")
    bench.main.live.end()
    bench.snapshots.lost("cam-1")
    bench.look(NS_PER_S)
    assert bench.kept() == b"JPEG of the burglar"


def test_the_sub_stream_is_preferred(bench: Bench) -> None:
    """The smaller stream costs less; while it shows nothing new the main stream stands in."""
    bench.plan(bench.sub, bench.main)
    bench.main.show(b"large")
    bench.sub.show(b"small")
    bench.look()
    assert bench.kept() == b"JPEG of small"
    bench.main.show(b"large again")
    bench.look(PERIOD_NS)
    assert bench.kept() == b"JPEG of large again"


def test_a_damaged_picture_replaces_nothing(bench: Bench) -> None:
    """What does not decode leaves the picture before; the next keyframe is tried at once, and once."""
    bench.main.show(b"one")
    bench.look()
    bench.main.show(b"bad")
    bench.look(PERIOD_NS)
    bench.look(NS_PER_S)
    assert (bench.kept(), bench.decoder.asked) == (b"JPEG of one", 2)
    bench.main.show(b"two")
    bench.look(NS_PER_S)
    assert bench.kept() == b"JPEG of two"


def test_a_doubtful_picture_is_better_than_none(bench: Bench) -> None:
    """A camera that never sends a clean keyframe has pictures; one that does is not shown with holes."""
    bench.main.show(b"doubtful one")
    bench.look()
    bench.main.show(b"doubtful two")
    bench.look(PERIOD_NS)
    assert bench.kept() == b"JPEG of doubtful two"
    bench.main.show(b"clean")
    bench.look(PERIOD_NS)
    bench.main.show(b"doubtful three")
    bench.look(PERIOD_NS)
    assert bench.kept() == b"JPEG of clean"


def test_a_camera_without_a_plan_keeps_what_it_has(bench: Bench) -> None:
    """A camera that is off, or taken no pictures of, keeps its last one."""
    bench.main.show(b"one")
    bench.look()
    bench.snapshots.drop_plan("cam-1", bench.sub.live)
    bench.main.show(b"still kept")
    bench.look(PERIOD_NS)
    assert bench.kept() == b"JPEG of still kept"
    bench.snapshots.drop_plan("cam-1", bench.main.live)
    bench.main.show(b"two")
    bench.snapshots.lost("cam-1")
    bench.look(PERIOD_NS)
    assert bench.kept() == b"JPEG of still kept"
    bench.plan(bench.main)
    bench.look()
    assert bench.kept() == b"JPEG of two"


def test_a_disk_that_takes_nothing_is_told_once(bench: Bench) -> None:
    """Pictures that cannot be kept end nothing and are told once; when the disk takes them again they are kept."""
    live_folder(bench.data).write_text("in the way")
    for number in range(3):
        bench.main.show(f"{number}".encode())
        bench.look(PERIOD_NS)
    assert len(bench.log.named("snapshot_not_kept")) == 1
    live_folder(bench.data).unlink()
    bench.main.show(b"at last")
    bench.look(PERIOD_NS)
    assert bench.kept() == b"JPEG of at last"


def test_the_last_picture_is_replaced_as_a_whole(bench: Bench) -> None:
    """Beside the two files nothing is left; a removed camera leaves none."""
    for number in range(3):
        bench.main.show(f"{number}".encode())
        bench.look(PERIOD_NS)
    assert sorted(path.name for path in live_folder(bench.data).iterdir()) == ["cam-1.jpg", "cam-1.json"]
    remove_last_picture(bench.data, "cam-1")
    remove_last_picture(bench.data, "cam-1")
    assert list(live_folder(bench.data).iterdir()) == []
    assert read_last_picture(bench.data, "cam-1") is None


@pytest.mark.parametrize("left", [b"", b"{", b"[]", b"{}", b"\xff"])
def test_what_a_power_cut_left_counts_as_none(bench: Bench, left: bytes) -> None:
    """An empty or broken file beside the picture is no picture, and no failure."""
    bench.main.show(b"one")
    bench.look()
    picture_path(bench.data, "cam-1").with_suffix(".json").write_bytes(left)
    assert read_last_picture(bench.data, "cam-1") is None
    bench.main.show(b"two")
    bench.look(PERIOD_NS)
    assert read_last_picture(bench.data, "cam-1") is not None

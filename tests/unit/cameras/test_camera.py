"""The live camera: which frame goes to whom and when, on a clock of its own and lines of its own."""

import heapq
import io
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest

from local.cameras.camera import Camera, Clock
from local.cameras.faults import Fault, FaultOrder
from local.cameras.library import Frame, PictureLoop, SoundLoop
from local.cameras.loops import Sound, picture_of
from local.cameras.rtp import SOUND_PAYLOAD_TYPES, VIDEO_PAYLOAD_TYPE
from local.cameras.spec import CameraSpec
from local.cameras.stamp import Stamp, read_stamp
from local.cameras.viewer import SEND_BUFFER_BYTES_MAX, Track, Viewer

_SECOND_NS = 1_000_000_000
_WALL_AT_START_NS = 1_700_000_000 * _SECOND_NS
SPEC = CameraSpec("cam-1", width=320, height=240, fps=10, gop_s=0.5, loop_s=2.0, audio="pcma")


class FakeTime:
    """A clock that stands still until it is moved; calls are made in order of their times."""

    def __init__(self) -> None:
        self.now_ns = 0
        self._calls: list[tuple[int, int, Callable[[], None]]] = []
        self._cancelled: set[int] = set()
        self._count = 0

    def clock(self) -> Clock:
        return Clock(lambda: self.now_ns, lambda: _WALL_AT_START_NS + self.now_ns, self._call_at)

    def _call_at(self, when_ns: int, what: Callable[[], None]) -> Callable[[], None]:
        self._count += 1
        number = self._count
        heapq.heappush(self._calls, (when_ns, number, what))
        return lambda: self._cancelled.add(number)

    def move(self, to_s: float) -> None:
        """Let time pass to `to_s` after the start, waking whoever waits at the time he asked for."""
        end_ns = round(to_s * _SECOND_NS)
        while self._calls and self._calls[0][0] <= end_ns:
            when_ns, number, what = heapq.heappop(self._calls)
            self.now_ns = max(self.now_ns, when_ns)
            if number not in self._cancelled:
                what()
        self.now_ns = end_ns

    def jump(self, to_s: float) -> None:
        """Let time pass with nobody woken before its end, as on a machine that was held up."""
        self.now_ns = round(to_s * _SECOND_NS)
        self.move(to_s)


@dataclass
class FakeLine:
    """A connection that keeps what is written, or does not take it when `stuck`."""

    writes: list[bytes] = field(default_factory=list)
    stuck_bytes: int = 0
    stuck: bool = False
    dropped: str = ""
    on_drop: Callable[[], None] = lambda: None

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        if self.stuck:
            self.stuck_bytes += len(data)

    def backlog_bytes(self) -> int:
        return self.stuck_bytes

    def drop(self, reason: str) -> None:
        self.dropped = reason
        self.on_drop()

    def rtcp(self, channel: int) -> list[bytes]:
        """Every RTCP compound of a channel."""
        return [write[4:] for write in self.writes if write[1] == channel]

    def packets(self, channel: int) -> list[tuple[int, int, int, bytes]]:
        """(marker and type, sequence, timestamp, payload) of every RTP packet of a channel."""
        stream, found = b"".join(self.writes), []
        while stream:
            size = int.from_bytes(stream[2:4], "big")
            packet, stream_channel, stream = stream[4 : 4 + size], stream[1], stream[4 + size :]
            if stream_channel == channel:
                found.append((*struct.unpack("!xBHI", packet[:8]), packet[12:]))
        return found

    def stamps(self) -> list[tuple[int, int]]:
        """(lap, frame) of every stamped frame."""
        stamps = [read_stamp(b"\x00\x00\x01" + payload) for *_, payload in self.packets(0)]
        return [(stamp.lap, stamp.frame) for stamp in stamps if stamp]

    def timestamps(self, channel: int) -> list[int]:
        """The different timestamps of a channel in order."""
        return list(dict.fromkeys(timestamp for _, _, timestamp, _ in self.packets(channel)))


def _loop(spec: CameraSpec, mark: bytes, frames: int | None = None, shown_after: tuple[int, ...] = (0,)) -> PictureLoop:
    """A picture whose every frame is its mark and number, in two packets; keyframes have a parameter set before."""
    made = []
    for number in range(frames or spec.loop_frames):
        keyframe = number % spec.gop_frames == 0
        slices = tuple(b"\x41" + mark + bytes([number, piece]) for piece in range(2))
        before = (b"\x67" + mark,) if keyframe else ()
        made.append(Frame(keyframe, before, slices, shown_after[number % len(shown_after)]))
    return PictureLoop(picture_of(spec), (b"\x67" + mark * 4, b"\x68" + mark), tuple(made))


_SOUND = SoundLoop(Sound("pcma", 1), b"", tuple(bytes([number]) * 160 for number in range(7)))


class Stage:
    """A camera on a fake clock with its log."""

    def __init__(self, spec: CameraSpec = SPEC, shown_after: tuple[int, ...] = (0,)) -> None:
        self.time = FakeTime()
        self.log = io.StringIO()
        sound = _SOUND if spec.audio == "pcma" else None
        picture = _loop(spec, b"A", shown_after=shown_after)
        self.camera = Camera(spec, picture, sound, self.time.clock(), 0, self.log)

    def watch(self, session: str, *, sound: bool = False) -> tuple[Viewer, FakeLine]:
        line = FakeLine()
        video = Track(0, VIDEO_PAYLOAD_TYPE, 90_000)
        viewer = Viewer(session, line, video, Track(2, SOUND_PAYLOAD_TYPES["pcma"], 8_000) if sound else None)
        line.on_drop = lambda: self.camera.remove(session, line.dropped)
        self.camera.add(viewer)
        return viewer, line

    def logged(self, session: str) -> list[tuple[int, int]]:
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [(line["lap"], line["frame"]) for line in lines if line["session"] == session]


def test_every_frame_is_sent_once_in_order_over_the_seam() -> None:
    """From its first keyframe on a client gets each frame once, laps counted, timestamps running on over the seam."""
    stage = Stage()
    stage.time.move(0.3)
    viewer, line = stage.watch("a")
    stage.time.move(5.05)
    expected = [divmod(number, 20) for number in range(5, 51)]
    assert line.stamps() == expected == stage.logged("a")
    assert viewer.frames_sent == len(expected)
    assert viewer.video is not None
    first = line.timestamps(0)[0]
    assert (first - viewer.video.first_timestamp) % 2**32 == 5 * 9_000
    steps = [(later - first) % 2**32 for later in line.timestamps(0)]
    assert steps == [number * 9_000 for number in range(len(expected))]
    sequences = [sequence for _, sequence, _, _ in line.packets(0)]
    assert sequences == [(sequences[0] + place) % 65536 for place in range(len(sequences))]


def test_a_frame_is_parameter_sets_stamp_and_slices_with_the_marker_last() -> None:
    """The order within a frame is that of the standards, and only its last packet is marked."""
    stage = Stage()
    _, line = stage.watch("a")
    stage.time.move(0.55)
    packets = line.packets(0)
    assert [payload[0] for *_, payload in packets] == [0x67, 0x06, 0x41, 0x41]
    assert [kind for kind, *_ in packets] == [96, 96, 96, 0x80 | 96]


def test_nothing_is_sent_before_its_time() -> None:
    """A frame leaves when it is due, not earlier."""
    stage = Stage()
    _, line = stage.watch("a")
    stage.time.move(0.499)
    assert not line.stamps()
    stage.time.move(0.5)
    assert line.stamps() == [(0, 5)]


def test_late_frames_are_sent_late_not_skipped() -> None:
    """After the machine was held up for a second every frame of that second follows."""
    stage = Stage()
    _, line = stage.watch("a")
    stage.time.move(0.6)
    stage.time.jump(1.6)
    assert line.stamps() == [divmod(number, 20) for number in range(5, 17)]


def test_clients_have_their_own_numbers_and_the_same_frames() -> None:
    """Two clients of a camera differ in source, sequence and timestamp, and see the same frames at the same time."""
    stage = Stage()
    one, line_one = stage.watch("a")
    stage.time.move(1.2)
    other, line_other = stage.watch("b")
    stage.time.move(3.0)
    assert line_other.stamps() == line_one.stamps()[-len(line_other.stamps()) :]
    assert line_other.stamps()[0] == (0, 15)
    assert one.video is not None
    assert other.video is not None
    assert (one.video.ssrc, one.video.first_timestamp) != (other.video.ssrc, other.video.first_timestamp)


def test_a_client_that_does_not_read_is_dropped_and_holds_up_nobody() -> None:
    """When a client's backlog passes its limit it is dropped with a reason; the other misses nothing."""
    stage = Stage()
    _, stuck = stage.watch("slow")
    _, line = stage.watch("a")
    stage.time.move(0.4)
    stuck.stuck, stuck.stuck_bytes = True, SEND_BUFFER_BYTES_MAX
    stage.time.move(0.5)
    dropped_at_the_limit = stuck.dropped
    stage.time.move(3.0)
    assert (dropped_at_the_limit, stuck.dropped) == ("", "too slow")
    assert stuck.stamps() == [(0, 5)]
    assert line.stamps() == [divmod(number, 20) for number in range(5, 31)]
    ended = stage.camera.statistics()["ended"]
    assert isinstance(ended, list)
    assert [(entry["session"], entry["frames_sent"], entry["ended"]) for entry in ended] == [("slow", 1, "too slow")]


def test_nobody_watching_costs_nothing_and_the_lap_goes_on() -> None:
    """A camera without clients has no call under way, and counts its frames all the same."""
    stage = Stage()
    stage.watch("a")
    stage.time.move(1.0)
    stage.camera.remove("a", "gone")
    before = len(stage.log.getvalue())
    stage.time.move(7.3)
    assert len(stage.log.getvalue()) == before
    _, line = stage.watch("b")
    stage.time.move(7.5)
    assert line.stamps() == [(3, 15)]


def test_sound_begins_with_the_first_picture_and_runs_on() -> None:
    """Sound starts where the first keyframe is due and misses no block, each at its own timestamp."""
    stage = Stage()
    stage.time.move(0.23)
    viewer, line = stage.watch("a", sound=True)
    stage.time.move(2.0)
    assert viewer.sound is not None
    base = viewer.sound.first_timestamp
    ticks = [(timestamp - base) % 2**32 for _, _, timestamp, _ in line.packets(2)]
    assert ticks == list(range(4_000, 16_001, 160))
    assert stage.camera.sound_due_ns(stage.camera.sound_from(viewer.begins_ns)) == 500_000_000
    assert [payload[0] for *_, payload in line.packets(2)][:3] == [25 % 7, 26 % 7, 27 % 7]


def test_a_report_comes_at_once_and_every_five_seconds() -> None:
    """Sender reports tie the RTP time of the moment to the camera's wall clock, which may be off."""
    stage = Stage(replace(SPEC, clock_offset_s=-2.5))
    viewer, line = stage.watch("a")
    stage.time.move(12.0)
    assert viewer.video is not None
    reports = [packet[8:20] for packet in line.rtcp(1)]
    assert len(reports) == 3
    for report, at_ms in zip(reports, (100, 5_100, 10_100), strict=True):
        high, low, timestamp = struct.unpack("!III", report)
        wall_ms = (high - 2_208_988_800) * 1_000 + round(low * 1_000 / 2**32)
        assert wall_ms == _WALL_AT_START_NS // 1_000_000 + at_ms - 2_500
        assert timestamp == (viewer.video.first_timestamp + at_ms * 90) % 2**32


def watching(spec: CameraSpec = SPEC) -> tuple[Stage, Viewer, FakeLine]:
    stage = Stage(spec)
    viewer, line = stage.watch("a", sound=spec.audio != "none")
    stage.time.move(1.0)
    return stage, viewer, line


def test_a_stalled_camera_sends_nothing_and_comes_back_with_a_keyframe() -> None:
    """While it stalls no byte leaves; afterwards the stream goes on at the next keyframe, without a sequence gap."""
    stage, _, line = watching()
    stage.camera.set_fault(FaultOrder(Fault.STALL))
    count = len(line.writes)
    stage.time.move(7.23)
    assert len(line.writes) == count
    stage.camera.set_fault(FaultOrder(Fault.NONE))
    stage.time.move(8.05)
    assert line.stamps()[6:] == [divmod(number, 20) for number in range(75, 81)]
    sequences = [sequence for _, sequence, _, _ in line.packets(0)]
    assert sequences == [(sequences[0] + place) % 65536 for place in range(len(sequences))]


def test_without_keyframes_only_the_others_are_sent() -> None:
    """Keyframes are left out, and a client that comes meanwhile gets the others at once."""
    stage, _, line = watching()
    stage.camera.set_fault(FaultOrder(Fault.NO_KEYFRAME))
    _, late = stage.watch("late")
    stage.time.move(2.0)
    assert line.stamps()[6:] == late.stamps() == [divmod(number, 20) for number in range(11, 20) if number % 5]


def test_garbage_is_well_formed_and_unreadable() -> None:
    """Random bytes come in RTP packets of the true sizes, sound included."""
    stage, _, line = watching()
    before = len(line.packets(0)), len(line.packets(2))
    stage.camera.set_fault(FaultOrder(Fault.GARBAGE))
    stage.time.move(1.35)
    pictures, sound = line.packets(0)[before[0] :], line.packets(2)[before[1] :]
    assert [len(payload) for *_, payload in pictures][-2:] == [4, 4]
    assert len(line.stamps()) == 6
    assert all(len(set(payload)) > 20 for *_, payload in sound)


def test_another_picture_begins_and_ends_at_a_keyframe() -> None:
    """The picture changes at the first keyframe after the order, and back again; laps and frames run on."""
    stage, _, line = watching()
    other = _loop(SPEC, b"B", frames=5)
    stage.time.move(1.2)
    stage.camera.set_fault(FaultOrder(Fault.FREEZE), other)
    assert "Z0JCQkI=" in stage.camera.session_description()
    stage.time.move(2.2)
    stage.camera.set_fault(FaultOrder(Fault.NONE))
    stage.time.move(3.0)
    marks = [payload[1:2] for kind, _, _, payload in line.packets(0) if kind & 0x80]
    assert b"".join(marks) == b"A" * 10 + b"B" * 10 + b"A" * 6
    assert line.stamps() == [divmod(number, 20) for number in range(5, 31)]


def test_lost_packets_leave_a_gap_in_the_sequence() -> None:
    """Every n-th packet of a track is missing, its sequence number with it."""
    stage, _, line = watching()
    before = len(line.packets(0))
    stage.camera.set_fault(FaultOrder(Fault.LOSS, every=4))
    stage.time.move(5.0)
    sequences = [sequence for _, sequence, _, _ in line.packets(0)][before - 1 :]
    steps = [(later - sooner) % 65536 for sooner, later in pairwise(sequences)]
    assert set(steps) == {1, 2}
    assert 0.2 < steps.count(2) / len(steps) < 0.5


@pytest.mark.parametrize("fault", [Fault.DROP_RTCP, Fault.STALL])
def test_reports_can_be_left_out(fault: Fault) -> None:
    """A camera that drops RTCP sends its frames and no report; one that stalls sends neither."""
    stage = Stage()
    stage.camera.set_fault(FaultOrder(fault))
    _, line = stage.watch("a")
    stage.time.move(11.0)
    assert not line.rtcp(1)
    assert bool(line.stamps()) == (fault is Fault.DROP_RTCP)


def test_one_write_per_frame_when_asked() -> None:
    """By default each RTP packet is a write of its own; the option joins the packets of a frame."""
    _, _, line = watching(replace(SPEC, audio="none"))
    _, _, joined = watching(replace(SPEC, audio="none", one_write_per_frame=True))
    assert len(line.writes) == 1 + 2 * 4 + 4 * 3
    assert len(joined.writes) == 1 + 6
    assert joined.stamps() == line.stamps()


def test_the_first_report_can_come_late() -> None:
    """A camera may send pictures for a while before it says what time they are."""
    stage = Stage(replace(SPEC, first_report_s=1.95))
    _, line = stage.watch("a")
    stage.time.move(1.9)
    assert not line.rtcp(1)
    stage.time.move(2.0)
    assert len(line.rtcp(1)) == 1


def test_the_log_tells_every_frame() -> None:
    """A line of the sent log is JSON with session, identity, kind, timestamp, wall time and fault."""
    stage, _, line = watching()
    entry = json.loads(stage.log.getvalue().splitlines()[0])
    assert entry == {
        "session": "a",
        "lap": 0,
        "frame": 5,
        "keyframe": True,
        "rtp": line.timestamps(0)[0],
        "wall_ns": _WALL_AT_START_NS + 500_000_000,
        "fault": "none",
        "lost": 0,
    }
    assert read_stamp(b"\x00\x00\x01" + line.packets(0)[1][3]) == Stamp(0, 5, "cam-1")

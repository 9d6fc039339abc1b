"""What is wanted of a camera changes while it is read: modes, schedules, hands; its sub stream beside it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import av
import pytest

from components.shared.catalogue.check import check
from components.shared.runtime.clock import SystemClock
from components.shared.runtime.last_picture import picture_path, read_last_picture
from components.shared.runtime.live_client import LiveClient
from components.shared.wire.live import AccessUnit, Hello
from components.shared.wire.units import NS_PER_S, WallNs, from_datetime
from tests.fakes.capture_box import CaptureBox
from tests.fakes.encoded_pictures import alaw, pictures
from tests.fakes.packet_source import PCMA_AUDIO, FakeCamera, open_fake
from tests.fakes.packets import VIDEO_BASE
from tests.integration.capture.test_camera_life import LIVELY, PATIENT_S, URL, Players, make

pytestmark = pytest.mark.slow

EIGHT = from_datetime(datetime(2026, 11, 25, 8, tzinfo=UTC))  # a Wednesday
WITHIN_NS = 20 * NS_PER_S


class ShiftedClock(SystemClock):
    """Runs as the box's clock does, and showed another time when it was made."""

    def __init__(self, wall_ns: int) -> None:
        self._shift_ns = wall_ns - SystemClock().wall_ns()

    def wall_ns(self) -> WallNs:
        return WallNs(super().wall_ns() + self._shift_ns)


@pytest.fixture
def box(tmp_path: Path) -> CaptureBox:
    """A box in real time, with segments of a minute: none is cut for its length."""
    box = CaptureBox(tmp_path / "data", SystemClock(), segment_s=60)
    box.write_site()
    return box


def long_gops(box: CaptureBox, name: str) -> FakeCamera:
    """A camera with two seconds from keyframe to keyframe, as most have."""
    return FakeCamera(name, box.clock, pictures("h264", 480, 120), read_s=PATIENT_S)


def modes(box: CaptureBox, stem: str) -> list[str]:
    return [mode_of(box, row.segment) for row in box.segments(stem)]


def mode_of(box: CaptureBox, segment: str) -> str:
    return "motion" if box.rows.motion_among([segment]) else "continuous"


def causes(box: CaptureBox, stem: str) -> list[str]:
    return [gap.cause for gap in box.gaps(stem)]


def test_stopped_and_started_by_hand(box: CaptureBox) -> None:
    """A stop ends the segment and begins a gap of policy; the camera is read on, and a start does not connect again."""
    cameras = make(box, "cam-1", "cam-2")
    for name in ("cam-1", "cam-2"):
        box.set_camera(name, URL + name)
    with Players(cameras), box.running(open_fake(*cameras), limits=LIVELY):
        for name in ("cam-1", "cam-2"):
            box.wait_for_state(name, "recording")
        stopped_ns = box.clock.wall_ns()
        box.set_camera("cam-1", URL + "cam-1", manual={"recording": False})
        box.wait_for_state("cam-1", "off", "policy")
        (segment,) = box.segments("cam-1")
        assert segment.end_ns is not None
        assert -NS_PER_S < segment.end_ns - stopped_ns < 2 * NS_PER_S
        box.set_camera("cam-1", URL + "cam-1")
        box.wait_for_state("cam-1", "recording")
    assert (cameras[0].opened, cameras[1].opened) == (1, 1)
    assert len(box.segments("cam-1")) == 2
    assert causes(box, "cam-1") == ["starting", "policy"]
    assert box.coverage("cam-1").is_whole
    assert [run.end_cause for run in box.runs("cam-1")] == ["policy", "stopped"]
    assert all(run.frames_received == run.frames_recorded for run in box.runs("cam-1"))
    assert len(box.runs("cam-2")) == 1, "another camera was disturbed"
    assert causes(box, "cam-2") == ["starting"]
    assert check(box.data) == []


def test_a_start_reaches_back_to_the_keyframe(box: CaptureBox) -> None:
    """A recording that begins in the middle of a GOP begins with its keyframe: its moment is never missing."""
    camera = long_gops(box, "cam-1")
    box.set_camera("cam-1", URL + "cam-1", manual={"recording": False})
    with Players([camera]), box.running(open_fake(camera), limits=LIVELY):
        box.wait_for_state("cam-1", "off", "policy")
        for _start in range(3):
            wanted_ns = box.clock.wall_ns()
            followed = len(box.log.named("stream_wanted"))
            box.set_camera("cam-1", URL + "cam-1", manual={"recording": True})
            box.wait_for("it is followed", lambda was=followed: len(box.log.named("stream_wanted")) > was)  # type: ignore[misc]
            followed_ns = box.clock.wall_ns()
            box.wait_for_state("cam-1", "recording")
            began_ns = box.rows.open_segments()[0].start_ns
            assert wanted_ns - 10 * NS_PER_S < began_ns < followed_ns
            box.set_camera("cam-1", URL + "cam-1", manual={"recording": False})
            box.wait_for_state("cam-1", "off", "policy")
            played = camera.played
            box.wait_for("the next GOP", lambda was=played: camera.played > was + 150)  # type: ignore[misc]
    assert camera.opened == 1
    assert box.coverage("cam-1").is_whole
    assert check(box.data) == []


def test_off_is_not_read_and_a_start_by_hand_is(box: CaptureBox) -> None:
    """A camera that is off has no connection; somebody's start makes one, and its end ends it."""
    (camera,) = make(box, "cam-1")
    box.set_camera("cam-1", URL + "cam-1", mode="off")
    with Players([camera]), box.running(open_fake(camera), limits=LIVELY):
        box.wait_for_state("cam-1", "off")
        assert camera.opened == 0
        box.set_camera("cam-1", URL + "cam-1", mode="off", manual={"recording": True})
        box.wait_for_state("cam-1", "recording")
        box.set_camera("cam-1", URL + "cam-1", mode="off")
        box.wait_for_state("cam-1", "off")
        box.wait_for("nobody watches it", lambda: camera.watchers == 0)
    assert modes(box, "cam-1") == ["continuous"]
    assert box.coverage("cam-1").is_whole


def test_motion_is_a_class_of_footage(box: CaptureBox) -> None:
    """From continuous to motion there is a cut; the other way the segment at hand is kept longer at once."""
    (camera,) = make(box, "cam-1")
    box.set_camera("cam-1", URL + "cam-1")
    with Players([camera]), box.running(open_fake(camera), limits=LIVELY):
        box.wait_for_state("cam-1", "recording")
        box.set_camera("cam-1", URL + "cam-1", mode="motion")
        box.wait_for_segments("cam-1", 1)
        box.wait_for("the next segment", box.rows.open_segments)
        (motion,) = box.rows.open_segments()
        assert mode_of(box, motion.segment) == "motion"
        box.set_camera("cam-1", URL + "cam-1", mode="continuous")
        box.wait_for("it is kept longer", lambda: mode_of(box, motion.segment) == "continuous")
        assert box.rows.open_segments()[0].segment == motion.segment
        box.set_camera("cam-1", URL + "cam-1", mode="motion")
        box.wait_for_segments("cam-1", 2)
    assert modes(box, "cam-1") == ["continuous", "continuous", "motion"]
    assert (len(box.runs("cam-1")), camera.opened) == (1, 1)
    first, second, third = box.segments("cam-1")
    assert first.end_ns == second.start_ns
    assert second.end_ns == third.start_ns
    (run,) = box.runs("cam-1")
    assert run.frames_received == run.frames_recorded


def test_a_span_begins_at_its_minute(tmp_path: Path) -> None:
    """At eight a camera whose schedule says so is recorded, from within a second before; until then by schedule not."""
    box = CaptureBox(tmp_path / "data", ShiftedClock(EIGHT - 4 * NS_PER_S), segment_s=60)
    (camera,) = make(box, "cam-1")
    box.set_camera("cam-1", URL + "cam-1", mode="schedule", schedule={"wed": "08:00-09:00 motion"})
    with Players([camera]), box.running(open_fake(camera), limits=LIVELY):
        box.wait_for_state("cam-1", "off", "schedule")
        box.wait_for_state("cam-1", "recording")
    segment = box.segments("cam-1")[0]
    assert abs(segment.start_ns - EIGHT) < NS_PER_S
    assert modes(box, "cam-1") == ["motion"]
    assert [(gap.cause, gap.end_ns) for gap in box.gaps("cam-1")] == [("schedule", segment.start_ns)]
    assert camera.opened == 1


def test_a_span_ends_at_its_minute(tmp_path: Path) -> None:
    """At eight the segment ends, within a second, and the gap that begins is the schedule's."""
    box = CaptureBox(tmp_path / "data", ShiftedClock(EIGHT - 4 * NS_PER_S), segment_s=60)
    (camera,) = make(box, "cam-1")
    box.set_camera("cam-1", URL + "cam-1", mode="schedule", schedule={"wed": "07:00-08:00"})
    with Players([camera]), box.running(open_fake(camera), limits=LIVELY):
        box.wait_for_state("cam-1", "recording")
        box.wait_for_state("cam-1", "off", "schedule")
        (segment,) = box.segments("cam-1")
    assert segment.end_ns is not None
    assert abs(segment.end_ns - EIGHT) < NS_PER_S
    assert causes(box, "cam-1") == ["starting", "schedule"]
    assert box.gaps("cam-1")[1].start_ns == segment.end_ns


def test_a_camera_that_is_lost_between_spans_is_missing_by_schedule(box: CaptureBox) -> None:
    """What was not to be recorded is not missing; its state tells that the camera is away, a start why."""
    (camera,) = make(box, "cam-1")
    box.set_camera("cam-1", URL + "cam-1", mode="schedule")
    with Players([camera]), box.running(open_fake(camera), limits=LIVELY):
        box.wait_for_state("cam-1", "off", "schedule")
        camera.is_there = False
        camera.break_off()
        box.wait_for_state("cam-1", "connecting", "unreachable")
        assert causes(box, "cam-1") == ["schedule"]
        started_ns = box.clock.wall_ns()
        box.set_camera("cam-1", URL + "cam-1", mode="schedule", manual={"recording": True})
        box.wait_for("the gap's cause", lambda: causes(box, "cam-1") == ["schedule", "unreachable"])
        assert -NS_PER_S < box.gaps("cam-1")[1].start_ns - started_ns < 2 * NS_PER_S
        camera.is_there = True
        box.wait_for_state("cam-1", "recording")
    assert box.coverage("cam-1").is_whole


def test_a_sub_stream_is_a_stream_of_its_own(box: CaptureBox) -> None:
    """It has files, rows, state and gaps of its own; what happens to it does not touch the main stream."""
    cameras = make(box, "main", "small")
    sub = {"url": URL + "small", "record": True}
    box.set_camera("cam-1", URL + "main", sub=sub, mode="motion")
    with Players(cameras), box.running(open_fake(*cameras), limits=LIVELY):
        for stem in ("cam-1", "cam-1~sub"):
            box.wait_for_state(stem, "recording")
        cameras[1].break_off()
        box.wait_for("a second run", lambda: len(box.runs("cam-1~sub")) == 2)
        box.wait_for_state("cam-1~sub", "recording")
    assert modes(box, "cam-1~sub") == ["motion", "motion"]
    assert "unreachable" in causes(box, "cam-1~sub")
    assert (len(box.runs("cam-1")), causes(box, "cam-1")) == (1, ["starting"])
    assert all(path.parts[-6] == "cam-1~sub" for path in box.files("cam-1~sub"))
    assert all(box.coverage(stem).is_whole for stem in ("cam-1", "cam-1~sub"))
    assert check(box.data) == []


def test_a_sub_stream_that_is_only_looked_at(box: CaptureBox) -> None:
    """It is read and live, has no footage but a gap of policy; coming and going leaves the main stream alone."""
    cameras = make(box, "main", "small")
    box.set_camera("cam-1", URL + "main")
    with Players(cameras), box.running(open_fake(*cameras), limits=LIVELY):
        box.wait_for_state("cam-1", "recording")
        box.set_camera("cam-1", URL + "main", sub={"url": URL + "small"})
        box.wait_for_state("cam-1~sub", "off", "policy")
        with LiveClient(box.data, "cam-1", "sub") as reader:
            hello = reader.receive(WITHIN_NS)
            assert isinstance(hello, Hello)
            assert (hello.camera, hello.stream) == ("cam-1", "sub")
            keyframe = reader.receive(WITHIN_NS)
            assert isinstance(keyframe, AccessUnit)
            assert keyframe.is_keyframe
        box.set_camera("cam-1", URL + "main")
        box.wait_for("it is forgotten", lambda: box.stream("cam-1~sub") is None)
        box.wait_for("nobody watches it", lambda: cameras[1].watchers == 0)
    assert box.segments("cam-1~sub") == []
    assert causes(box, "cam-1~sub") == ["policy"]
    assert (len(box.runs("cam-1")), cameras[0].opened) == (1, 1)


class SpeakingPlayers(Players):
    """Plays cameras with G.711 beside the pictures: a frame of 20 ms for each of them."""

    def _play(self) -> None:
        frames = alaw(50)
        number = 0
        while not self._stop.wait(1 / 50):
            for camera in self._cameras:
                camera.play(dts=number * VIDEO_BASE.denominator // 50)
                camera.say(frames[number % 50], number * 160, 160)
            number += 1


def durations(path: Path) -> tuple[float, float]:
    """Seconds of AAC and of pictures in a file."""
    lasted_s = {"audio": 0.0, "video": 0.0}
    with av.open(str(path), "r") as container:
        (sound,) = container.streams.audio
        assert sound.codec_context.name == "aac"
        for packet in container.demux():
            if packet.duration and packet.time_base:
                lasted_s[packet.stream.type] += float(packet.duration * packet.time_base)
    return lasted_s["audio"], lasted_s["video"]


def test_sound_of_a_sub_stream_over_pauses_and_cuts(box: CaptureBox) -> None:
    """G.711 becomes AAC for sub streams too; after a cut and a pause there is sound as long as the pictures."""
    camera = FakeCamera("small", box.clock, audio=PCMA_AUDIO, read_s=PATIENT_S)
    (main,) = make(box, "main")
    sub = {"url": URL + "small", "record": True}
    box.set_camera("cam-1", URL + "main", sub=sub)
    box.write_site(segment_s=2)
    with SpeakingPlayers([camera, main]), box.running(open_fake(camera, main), limits=LIVELY):
        box.wait_for_segments("cam-1~sub", 2)
        box.set_camera("cam-1", URL + "main", sub=sub, manual={"recording": False})
        box.wait_for_state("cam-1~sub", "off", "policy")
        before = len(box.segments("cam-1~sub"))
        box.set_camera("cam-1", URL + "main", sub=sub)
        box.wait_for_segments("cam-1~sub", before + 2)
    for path in box.files("cam-1~sub")[:-1]:
        heard_s, shown_s = durations(path)
        assert abs(heard_s - shown_s) < 0.7, path
    assert box.coverage("cam-1~sub").is_whole


def test_what_is_recorded_is_live_with_its_times(box: CaptureBox) -> None:
    """Units on the live socket are those of the footage: the same bytes, in order, at their wall time."""
    (camera,) = make(box, "cam-1")
    box.set_camera("cam-1", URL + "cam-1")
    with Players([camera]), box.running(open_fake(camera), limits=LIVELY):
        box.wait_for_state("cam-1", "recording")
        with LiveClient(box.data, "cam-1") as reader:
            assert isinstance(reader.receive(WITHIN_NS), Hello)
            units = [reader.receive(WITHIN_NS) for _ in range(60)]
            now_ns = box.clock.wall_ns()
    heard = [unit.payload for unit in units if isinstance(unit, AccessUnit)]
    sent = [picture.payload for picture in camera.stream] * 4
    assert len(heard) == 60
    assert any(sent[first : first + 60] == heard for first in range(len(camera.stream)))
    assert isinstance(units[-1], AccessUnit)
    assert abs(now_ns - units[-1].wall_ns) < 5 * NS_PER_S


def test_the_last_picture_of_a_lost_camera_stays(box: CaptureBox) -> None:
    """A picture of the sub stream is kept at once; it stays when the camera is lost, and goes when it is removed."""
    cameras = make(box, "main", "small")
    box.set_camera("cam-1", URL + "main", sub={"url": URL + "small"}, snapshot_s=3_600)
    with Players(cameras), box.running(open_fake(*cameras), limits=LIVELY):
        box.wait_for("a picture", lambda: read_last_picture(box.data, "cam-1"))
        first = read_last_picture(box.data, "cam-1")
        played = cameras[1].played
        box.wait_for("more pictures", lambda: cameras[1].played > played + 60)
        for camera in cameras:
            camera.is_there = False
            camera.break_off()
        box.wait_for_state("cam-1", "connecting", "unreachable")
        box.wait_for("the last one", lambda: read_last_picture(box.data, "cam-1") != first)
        kept = read_last_picture(box.data, "cam-1")
        assert first is not None
        assert kept is not None
        assert kept.taken_ns > first.taken_ns
        assert (kept.stream, kept.width, kept.height) == ("sub", 96, 64)
        assert picture_path(box.data, "cam-1").read_bytes()[:2] == b"\xff\xd8"
        box.remove_camera("cam-1")
        box.wait_for("it goes with its camera", lambda: not picture_path(box.data, "cam-1").exists())

"""Cameras come, go and change; retries and the watch by the clock; what surrounds Capture may hang."""

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from components.capture.core.frozen import WatchLimits
from components.capture.core.packets import EncodedPacket
from components.capture.packet_source import OpenSource, PacketSource, SourceRequest
from components.capture.workshop import RecorderLimits
from components.shared.catalogue.check import check
from components.shared.runtime.clock import SystemClock
from components.shared.runtime.supervisor import Backoff
from components.shared.wire.messages import Body, ConfigApplied, SegmentClosed, StreamChanged
from components.shared.wire.units import NS_PER_MS, NS_PER_S
from tests.fakes.capture_box import CaptureBox
from tests.fakes.clock import FakeClock
from tests.fakes.packet_source import AAC_AUDIO, FakeCamera, open_fake
from tests.fakes.packets import STEP, due_ns
from tests.fakes.waiting import eventually

pytestmark = pytest.mark.slow

BodyT = TypeVar("BodyT", bound=Body)

URL = "rtsp://camera/"
PATIENT_S = 60.0
"""Fake cameras that wait longer than any test: only the watch ends their connections."""

LIVELY = RecorderLimits(
    watch=WatchLimits(frozen_ns=3_000 * NS_PER_MS, look_ns=500 * NS_PER_MS), backoff=Backoff(schedule_s=(0.2, 0.4))
)


@pytest.fixture
def fake_clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def simulated(tmp_path: Path, fake_clock: FakeClock) -> CaptureBox:
    """A box whose time the test moves."""
    box = CaptureBox(tmp_path / "data", fake_clock)
    box.write_site()
    return box


@pytest.fixture
def lively(tmp_path: Path) -> CaptureBox:
    """A box in real time."""
    box = CaptureBox(tmp_path / "data", SystemClock())
    box.write_site()
    return box


def pass_until(clock: FakeClock, condition: Callable[[], object], step_ns: int = NS_PER_S, what: str = "") -> None:
    """Let time pass in steps until a condition holds."""

    def look() -> object:
        clock.advance(step_ns)
        return condition()

    eventually(look, 30.0, what)


def play_on(camera: FakeCamera, clock: FakeClock, pictures: int, condition: Callable[[], object]) -> None:
    """Pictures in time, as many as given, and then whatever is left until a condition holds."""
    for number in range(pictures):
        camera.play()
        clock.advance(due_ns(number + 1) - due_ns(number))
    pass_until(clock, condition, 250 * NS_PER_MS)


def test_retries_by_the_clock(simulated: CaptureBox, fake_clock: FakeClock) -> None:
    """Attempts come after 5, 10, 30 and then 60 s; after ten failures the camera is offline, and still tried."""
    camera = FakeCamera("cam-1", fake_clock, read_s=PATIENT_S)
    camera.is_there = False
    simulated.set_camera("cam-1", URL + "cam-1")
    tried_ns: list[int] = []
    open_source = open_fake(camera)

    def noting(request: SourceRequest) -> PacketSource:
        tried_ns.append(fake_clock.monotonic_ns())
        return open_source(request)

    with simulated.running(noting):
        pass_until(fake_clock, lambda: len(tried_ns) >= 12, NS_PER_S // 2, "twelve attempts")
    pauses_s = [round((after - before) / NS_PER_S) for before, after in itertools.pairwise(tried_ns)]
    # Fake time goes on, in steps, while the threads that notice a failure wait for a core: pauses come out longer.
    for pause_s, due_s in zip(pauses_s, [5, 10, 30, *[60] * 8], strict=True):
        assert due_s <= pause_s <= 3 * due_s // 2 + 3
    states = [body for body in said(simulated, StreamChanged) if body.camera == "cam-1"]
    assert [body.state for body in states] == ["connecting", "connecting", "offline"]
    assert states[-1].failures == 10
    row = simulated.stream("cam-1")
    assert row is not None
    assert row.failures >= 11


def test_recording_ends_a_row_of_failures(simulated: CaptureBox, fake_clock: FakeClock) -> None:
    """A camera that hangs up again and again, each time after a few seconds, is tried after 5 s each time."""
    camera = FakeCamera("cam-1", fake_clock, read_s=PATIENT_S)
    simulated.set_camera("cam-1", URL + "cam-1")
    pauses_s = []
    with simulated.running(open_fake(camera)):
        for _failure in range(5):
            pass_until(fake_clock, lambda: camera.watchers, NS_PER_S // 4)
            play_on(camera, fake_clock, 40, lambda: recording(simulated, "cam-1"))
            camera.break_off()
            pass_until(fake_clock, lambda: not recording(simulated, "cam-1"), NS_PER_S // 10)
            failed_ns = fake_clock.monotonic_ns()
            pass_until(fake_clock, lambda: camera.watchers, NS_PER_S // 4)
            pauses_s.append((fake_clock.monotonic_ns() - failed_ns) / NS_PER_S)
    assert all(4 <= pause_s <= 8 for pause_s in pauses_s), pauses_s


def test_frozen_by_the_clock(simulated: CaptureBox, fake_clock: FakeClock) -> None:
    """Without a new picture a stream is called frozen after 30 to 45 s, not before, and opened again."""
    camera = FakeCamera("cam-1", fake_clock, read_s=PATIENT_S)
    simulated.set_camera("cam-1", URL + "cam-1")
    with simulated.running(open_fake(camera)):
        pass_until(fake_clock, lambda: camera.watchers, 250 * NS_PER_MS)
        play_on(camera, fake_clock, 40, lambda: recording(simulated, "cam-1"))
        last_ns = fake_clock.monotonic_ns()
        pass_until(fake_clock, lambda: state_of(simulated, "cam-1") == "frozen", 250 * NS_PER_MS, "frozen")
        assert 25 * NS_PER_S < fake_clock.monotonic_ns() - last_ns < 60 * NS_PER_S
        pass_until(fake_clock, lambda: camera.opened == 2, 250 * NS_PER_MS, "a second attempt")
        play_on(camera, fake_clock, 40, lambda: recording(simulated, "cam-1"))
    gaps = simulated.gaps("cam-1")
    assert [gap.cause for gap in gaps] == ["starting", "frozen"]
    assert simulated.coverage("cam-1").is_whole


@pytest.mark.parametrize(("monotonic_s", "cause"), [(5, "box_down"), (5_000, "component_down")])
def test_who_was_down(tmp_path: Path, monotonic_s: int, cause: str) -> None:
    """Time without a component is the box's if it booted since the record ended, else the component's."""
    first = FakeClock(monotonic_ns=3_000 * NS_PER_S)
    box = CaptureBox(tmp_path / "data", first)
    camera = FakeCamera("cam-1", first, read_s=PATIENT_S)
    box.set_camera("cam-1", URL + "cam-1")
    with box.running(open_fake(camera)):
        pass_until(first, lambda: camera.watchers, 250 * NS_PER_MS)
        play_on(camera, first, 40, lambda: recording(box, "cam-1"))
    later = FakeClock(first.wall_ns() + 60 * NS_PER_S, monotonic_s * NS_PER_S)
    again = CaptureBox(tmp_path / "data", later)
    with again.running(open_fake(FakeCamera("cam-1", later, read_s=PATIENT_S))):
        pass_until(later, lambda: cause in [gap.cause for gap in again.gaps("cam-1")], 250 * NS_PER_MS)
    (down,) = [gap for gap in again.gaps("cam-1") if gap.cause == cause]
    assert down.start_ns == again.segments("cam-1")[-1].end_ns
    assert down.end_ns is not None
    assert again.coverage("cam-1").is_whole


def recording(box: CaptureBox, camera: str) -> bool:
    return state_of(box, camera) == "recording"


def state_of(box: CaptureBox, camera: str) -> str:
    row = box.stream(camera)
    return row.state if row is not None else ""


def said(box: CaptureBox, kind: type[BodyT]) -> list[BodyT]:
    """The messages of a kind that were sent so far."""
    return [message.body for message in box.broker.published if isinstance(message.body, kind)]


class Players:
    """Plays fake cameras in real time until it is stopped."""

    def __init__(self, cameras: Sequence[FakeCamera]) -> None:
        self._cameras = cameras
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._play, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_details: object) -> None:
        self._stop.set()
        self._thread.join(5.0)

    def _play(self) -> None:
        while not self._stop.wait(1 / 60):
            for camera in self._cameras:
                camera.play(dts=camera.played * STEP // 4)


def make(box: CaptureBox, *names: str) -> list[FakeCamera]:
    return [FakeCamera(name, box.clock, read_s=PATIENT_S) for name in names]


def test_cameras_come_and_go(lively: CaptureBox) -> None:
    """A camera added is recorded, one removed is no longer; the others go on without a break."""
    cameras = make(lively, "cam-1", "cam-2")
    lively.set_camera("cam-1", URL + "cam-1")
    with Players(cameras), lively.running(open_fake(*cameras), limits=LIVELY):
        lively.wait_for_state("cam-1", "recording")
        lively.set_camera("cam-2", URL + "cam-2")
        lively.wait_for_segments("cam-2", 1)
        lively.remove_camera("cam-2")
        lively.wait_for("cam-2 is forgotten", lambda: lively.stream("cam-2") is None)
        lively.wait_for_segments("cam-1", len(lively.segments("cam-1")) + 1)
        assert cameras[1].watchers == 0
    assert len(lively.runs("cam-1")) == 1
    assert not [gap for gap in lively.gaps("cam-2") if gap.end_ns is None]
    assert check(lively.data) == []


def test_off_and_on(lively: CaptureBox) -> None:
    """A camera switched off is one gap, with the policy as cause, until it is switched on; nothing restarts."""
    (camera,) = make(lively, "cam-1")
    lively.set_camera("cam-1", URL + "cam-1")
    with Players([camera]), lively.running(open_fake(camera), limits=LIVELY):
        lively.wait_for_segments("cam-1", 1)
        lively.set_camera("cam-1", URL + "cam-1", mode="off")
        lively.wait_for_state("cam-1", "off")
        assert camera.watchers == 0
        lively.set_camera("cam-1", URL + "cam-1")
        lively.wait_for_state("cam-1", "recording")
    assert "policy" in [gap.cause for gap in lively.gaps("cam-1")]
    assert lively.coverage("cam-1").is_whole


def test_off_over_a_restart(lively: CaptureBox) -> None:
    """A camera that is off stays one gap over a restart of the component."""
    (camera,) = make(lively, "cam-1")
    lively.set_camera("cam-1", URL + "cam-1", mode="off")
    for _start in range(2):
        with lively.running(open_fake(camera), limits=LIVELY):
            lively.wait_for_state("cam-1", "off")
    assert [(gap.cause, gap.end_ns) for gap in lively.gaps("cam-1")] == [("policy", None)]
    assert camera.opened == 0


def test_another_address(lively: CaptureBox) -> None:
    """A camera whose address changes is read there; its record stays whole over the change."""
    cameras = make(lively, "old", "new")
    lively.set_camera("cam-1", URL + "old")
    with Players(cameras), lively.running(open_fake(*cameras), limits=LIVELY):
        lively.wait_for_segments("cam-1", 1)
        lively.set_camera("cam-1", URL + "new")
        lively.wait_for("the new address is read", lambda: cameras[1].watchers == 1 and cameras[0].watchers == 0)
        lively.wait_for("a second run", lambda: len(lively.runs("cam-1")) == 2)
        lively.wait_for_state("cam-1", "recording")
    assert lively.coverage("cam-1").is_whole
    assert check(lively.data) == []


def test_length_of_segments_changes_at_once(lively: CaptureBox) -> None:
    """A new length of segments counts for the open segment too, without a new run."""
    (camera,) = make(lively, "cam-1")
    lively.set_camera("cam-1", URL + "cam-1")
    lively.write_site(segment_s=600)
    with Players([camera]), lively.running(open_fake(camera), limits=LIVELY):
        lively.wait_for_state("cam-1", "recording")
        lively.write_site(segment_s=1)
        lively.wait_for_segments("cam-1", 2)
    assert len(lively.runs("cam-1")) == 1


def test_a_name_changes_nothing(lively: CaptureBox) -> None:
    """A change that does not matter to recording does not touch it."""
    (camera,) = make(lively, "cam-1")
    lively.set_camera("cam-1", URL + "cam-1")
    with Players([camera]), lively.running(open_fake(camera), limits=LIVELY):
        lively.wait_for_state("cam-1", "recording")
        lively.set_camera("cam-1", URL + "cam-1", motion={"enabled": False})
        followed = len(lively.log.named("config_followed"))
        lively.wait_for("it is seen", lambda: len(lively.log.named("config_followed")) >= followed)
        lively.wait_for_segments("cam-1", 2)
    assert (len(lively.runs("cam-1")), camera.opened) == (1, 1)


def test_what_is_in_force_is_reported(lively: CaptureBox) -> None:
    """Capture answers every document with what it made of it."""
    (camera,) = make(lively, "cam-1")
    lively.set_camera("cam-1", URL + "cam-1")
    with lively.running(open_fake(camera), limits=LIVELY):
        lively.wait_for("answers", lambda: len(said(lively, ConfigApplied)) >= 2)
    answers = {(body.document, body.state) for body in said(lively, ConfigApplied)}
    assert answers == {("site", "in_force"), ("camera-cam-1", "in_force")}


def test_stopping_and_going_on(lively: CaptureBox) -> None:
    """A stop closes every segment; the next start writes the time between as a gap of the component."""
    (camera,) = make(lively, "cam-1")
    lively.set_camera("cam-1", URL + "cam-1")
    for _start in range(3):
        with Players([camera]), lively.running(open_fake(camera), limits=LIVELY):
            lively.wait_for_state("cam-1", "recording")
            lively.wait_for_segments("cam-1", len(lively.segments("cam-1")) + 1)
        assert not lively.rows.open_segments()
    assert [gap.cause for gap in lively.gaps("cam-1")].count("component_down") == 2
    assert lively.coverage("cam-1").is_whole
    assert all(run.ended_ns is not None and run.end_cause == "stopped" for run in lively.runs("cam-1"))
    assert check(lively.data) == []


def test_every_closed_segment_is_hinted(lively: CaptureBox) -> None:
    """A hint follows every closed segment, with its span, never before its row is closed."""
    (camera,) = make(lively, "cam-1")
    lively.set_camera("cam-1", URL + "cam-1")
    with Players([camera]), lively.running(open_fake(camera), limits=LIVELY):
        lively.wait_for_segments("cam-1", 3)
    hinted = [(body.segment, body.start_ns, body.end_ns) for body in said(lively, SegmentClosed)]
    assert hinted == [(row.segment, row.start_ns, row.end_ns) for row in lively.segments("cam-1")]


class HungReader:
    """Opens a camera, gives some packets, and then never comes back, as libav does on a stalled connection."""

    def __init__(self, inner: OpenSource, packets: int) -> None:
        self._inner = inner
        self._packets = packets
        self.release = threading.Event()

    def open(self, request: SourceRequest) -> PacketSource:
        source = self._inner(request)
        outer = self

        class Hung:
            parameters = source.parameters
            packets_missed = 0

            def packets(self) -> Iterator[EncodedPacket]:
                for number, packet in enumerate(source.packets()):
                    if number == outer._packets:
                        outer.release.wait(PATIENT_S)
                    yield packet

            def interrupt(self) -> None:
                """It cannot be."""

            def close(self) -> None:
                source.close()

        return Hung()


def test_stop_does_not_wait_for_a_hung_reader(lively: CaptureBox) -> None:
    """A reader that cannot be interrupted is left behind: the stop takes less than 2 s, with all segments closed."""
    (camera,) = make(lively, "cam-1")
    lively.set_camera("cam-1", URL + "cam-1")
    hung = HungReader(open_fake(camera), 60)
    with Players([camera]), lively.running(hung.open, limits=LIVELY) as running:
        lively.wait_for_state("cam-1", "recording")
        began_ns = lively.clock.monotonic_ns()
        running.end()
        assert lively.clock.monotonic_ns() - began_ns < 2 * NS_PER_S
    hung.release.set()
    assert not lively.rows.open_segments()
    assert lively.segments("cam-1")
    assert check(lively.data) == []


def test_a_bus_that_hangs_holds_nothing(lively: CaptureBox) -> None:
    """While the core does not answer, cameras are recorded as ever."""
    (camera,) = make(lively, "cam-1")
    lively.set_camera("cam-1", URL + "cam-1")
    release = threading.Event()

    def hang(topic: str, _number: int) -> bool:
        if topic.endswith(("segment/closed", "stream/changed")):
            release.wait(10.0)
        return True

    lively.broker.drop = hang
    with Players([camera]), lively.running(open_fake(camera), limits=LIVELY):
        lively.wait_for_segments("cam-1", 3)
        release.set()
    (run,) = lively.runs("cam-1")
    assert run.frames_received == run.frames_recorded


def test_a_disk_that_stands_still_is_waited_for(lively: CaptureBox) -> None:
    """While the catalogue cannot be written, reading goes on; nothing is lost up to the limit of what waits."""
    (camera,) = make(lively, "cam-1")
    lively.set_camera("cam-1", URL + "cam-1")
    with Players([camera]), lively.running(open_fake(camera), limits=LIVELY):
        lively.wait_for_segments("cam-1", 1)
        with lively.holding_catalogue():
            played = camera.played
            eventually(lambda: camera.played > played + 60, 10.0)
        lively.wait_for_segments("cam-1", 3)
    (run,) = lively.runs("cam-1")
    assert run.frames_received == run.frames_recorded
    assert lively.coverage("cam-1").is_whole


def test_a_disk_that_is_too_slow_is_told(lively: CaptureBox) -> None:
    """Beyond the limit the loss is a gap with its cause, what waited is recorded, and the stream begins anew."""
    (camera,) = make(lively, "cam-1")
    lively.set_camera("cam-1", URL + "cam-1")
    tight = RecorderLimits(LIVELY.watch, waiting_bytes_max=4_000, backoff=LIVELY.backoff)
    with Players([camera]), lively.running(open_fake(camera), limits=tight):
        lively.wait_for_segments("cam-1", 1)
        with lively.holding_catalogue():
            played = camera.played
            eventually(lambda: camera.played > played + 120, 10.0)
        lively.wait_for("a second run", lambda: len(lively.runs("cam-1")) > 1)
        lively.wait_for_state("cam-1", "recording")
    gaps = [gap for gap in lively.gaps("cam-1") if gap.cause == "disk"]
    assert gaps
    assert "the disk is too slow" in gaps[0].detail
    first = lively.runs("cam-1")[0]
    assert first.frames_received > first.frames_recorded
    assert lively.coverage("cam-1").is_whole
    assert check(lively.data) == []


def test_audio_that_stops_does_not_stop_video(lively: CaptureBox) -> None:
    """A camera that offers audio and sends none, or stops sending it, is recorded as ever."""
    camera = FakeCamera("cam-1", lively.clock, audio=AAC_AUDIO, read_s=PATIENT_S)
    lively.set_camera("cam-1", URL + "cam-1")
    with Players([camera]), lively.running(open_fake(camera), limits=LIVELY):
        lively.wait_for_segments("cam-1", 2)
    (run,) = lively.runs("cam-1")
    assert run.frames_received == run.frames_recorded
    assert lively.coverage("cam-1").is_whole

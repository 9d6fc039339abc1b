"""What libav, a real client, gets from the cameras."""

from collections.abc import Iterator
from contextlib import contextmanager

import av
import numpy as np
import pytest
from av.container import InputContainer

from local.cameras import RunningCameras, Stamp, read_stamp, read_user_data
from local.cameras.pattern import read_number
from tests.fakes.waiting import eventually

pytestmark = pytest.mark.slow

_LOOP_FRAMES = 30


@contextmanager
def watched(url: str) -> Iterator[InputContainer]:
    """The opened stream; a short analysis, since SDP and the first keyframe say all there is."""
    options = {"rtsp_transport": "tcp", "analyzeduration": "200000"}
    with av.open(url, options=options, timeout=(10.0, 10.0)) as container:
        yield container


@pytest.mark.parametrize("camera", ["cam-1", "cam-2", "cam-3", "cam-4"])
def test_every_frame_arrives_in_order_over_the_seam(cameras: RunningCameras, camera: str) -> None:
    """Packets are the sent frames from the first keyframe on, none missing, none double; pictures say the same."""
    packets = []
    numbers: list[int | None] = []
    with watched(cameras.login_url(camera)) as container:
        for packet in container.demux(video=0):
            packets.append(packet)
            numbers += [read_number(frame.to_ndarray(format="gray")) for frame in packet.decode()]
            if len(packets) == 2 * _LOOP_FRAMES + 5:
                break
    stamps = [read_stamp(bytes(packet)) for packet in packets]
    assert None not in stamps
    seen = [stamp for stamp in stamps if stamp is not None]
    assert {stamp.camera for stamp in seen} == {camera}
    counted = [stamp.lap * _LOOP_FRAMES + stamp.frame for stamp in seen]
    assert counted == list(range(counted[0], counted[0] + len(counted)))
    assert counted[0] % 6 == 0
    assert [packet.is_keyframe for packet in packets] == [number % 6 == 0 for number in counted]
    assert numbers == [stamp.frame for stamp in seen[: len(numbers)]]
    assert len(numbers) >= 2 * _LOOP_FRAMES
    # libav gives the first packet no time when a camera has sound; from the second on each frame has its own.
    times = [packet.pts for packet in packets[1:]]
    assert times[0] is not None
    assert times == [times[0] + place * 6_000 for place in range(len(times))]
    session = cameras.control.statistics(camera)["ended"][-1]["session"]
    sent = [(line["lap"], line["frame"]) for line in cameras.sent_frames(camera, session)]
    assert sent[: len(seen)] == [(stamp.lap, stamp.frame) for stamp in seen]


@pytest.mark.parametrize("camera", ["cam-1", "cam-2"])
def test_sender_reports_give_every_packet_the_cameras_time(cameras: RunningCameras, camera: str) -> None:
    """Each packet has PRFT side data, whose time is the camera's wall clock when the frame was due."""
    times = []
    with watched(cameras.login_url(camera)) as container:
        for packet in container.demux(video=0):
            stamp = read_stamp(bytes(packet))
            assert stamp is not None
            side_data = packet.get_sidedata("prft")
            assert side_data is not None
            times.append((stamp, int.from_bytes(bytes(side_data)[:8], "little")))
            if len(times) == 20:
                break
    sent = {(line["lap"], line["frame"]): line["wall_ns"] for line in cameras.sent_frames(camera)}
    for stamp, wall_us in times:
        # Sent when due or a little later; the machine may be busy, so a little is generous.
        assert -0.005 < sent[stamp.lap, stamp.frame] / 1e9 - wall_us / 1e6 < 0.5


def test_a_decoder_hands_out_the_stamp(cameras: RunningCameras) -> None:
    """The stamp is ordinary user data: a decoded frame carries it as side data."""
    with watched(cameras.login_url("cam-1")) as container:
        frame = next(container.decode(video=0))
    data = frame.side_data.get("SEI_UNREGISTERED")
    assert data is not None
    stamp = read_user_data(bytes(memoryview(data)))  # type: ignore[arg-type]  # the stub calls it an object
    assert stamp is not None
    assert (stamp.camera, stamp.frame) == ("cam-1", read_number(frame.to_ndarray(format="gray")))


@pytest.mark.parametrize(("camera", "codec", "rate"), [("cam-1", "aac", 16_000), ("cam-3", "pcm_alaw", 8_000)])
def test_sound_decodes_and_runs_on(cameras: RunningCameras, camera: str, codec: str, rate: int) -> None:
    """Sound is of the named codec, its timestamps are without a gap, and it is not silence."""
    with watched(cameras.login_url(camera)) as container:
        stream = container.streams.audio[0]
        assert stream.codec_context.name == codec
        assert stream.codec_context.sample_rate == rate
        frames = []
        for frame in container.decode(stream):
            frames.append(frame)
            if sum(part.samples for part in frames) > rate:
                break
    times = [frame.pts for frame in frames[1:]]
    assert times[0] is not None
    assert times == [times[0] + place * frames[1].samples for place in range(len(times))]
    assert np.abs(frames[3].to_ndarray()).max() > 0


def test_a_strange_sound_is_announced(cameras: RunningCameras) -> None:
    """The camera with unknown sound has a track that MP4 cannot carry."""
    with watched(cameras.login_url("cam-4")) as container:
        assert [stream.codec_context.name for stream in container.streams.audio] == ["g726le"]


@pytest.mark.parametrize("camera", ["cam-1", "cam-3"])
def test_a_wrong_password_is_refused(cameras: RunningCameras, camera: str) -> None:
    """Neither another password nor none opens a camera that has one."""
    for url in (cameras.login_url(camera, "wrong"), cameras.url(camera)):
        with pytest.raises(av.error.HTTPUnauthorizedError), watched(url):
            pass


def test_two_clients_see_the_same_frames(cameras: RunningCameras) -> None:
    """Two clients of one camera, begun one after the other, both get every frame."""
    seen: list[list[Stamp | None]] = [[], []]
    with watched(cameras.login_url("cam-2")) as one, watched(cameras.login_url("cam-2")) as other:
        for place, container in enumerate((one, other)):
            for packet in container.demux(video=0):
                seen[place].append(read_stamp(bytes(packet)))
                if len(seen[place]) == 40:
                    break
        eventually(lambda: len(cameras.control.statistics("cam-2")["sessions"]) == 2)
    for stamps in seen:
        counted = [stamp.lap * _LOOP_FRAMES + stamp.frame for stamp in stamps if stamp]
        assert counted == list(range(counted[0], counted[0] + 40))
    assert set(seen[0]) & set(seen[1])

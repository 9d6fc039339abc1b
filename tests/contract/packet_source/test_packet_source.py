"""What every source of packets promises: our own client and libav over RTSP, and the fake."""

import gc
import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import av.logging
import pytest

from components.capture.core.packets import EncodedPacket
from components.capture.packet_source import PacketSource, SourceFailed, SourceRefused, SourceRequest
from components.capture.picture_check import is_whole
from components.shared.runtime.secrets import Secret
from tests.contract.packet_source.conftest import PASSWORD, READ_S, Studio
from tests.fakes.encoded_pictures import write_jpeg_film, write_sound
from tests.fakes.waiting import eventually

pytestmark = pytest.mark.slow

ENOUGH = 3
"""Lost network packets after which a source has shown that it counts them."""

PACKETS_MAX = 400
"""Of a camera that loses every tenth: in so many, libav must have told of some."""


def take(source: PacketSource, count: int) -> list[EncodedPacket]:
    return list(itertools.islice(source.packets(), count))


def open_in_loss(studio: Studio) -> PacketSource:
    """The camera's picture over UDP, one of ten of its packets lost."""
    studio.cameras.control.set_fault("cam-1", "loss", every=10)  # type: ignore[attr-defined]
    return studio.open(replace(studio.request, transport="udp", wants_audio=False))


def lost_of(studio: Studio) -> int:
    """How many packets of its picture the camera has left out so far, as it notes after each frame."""
    return sum(line["lost"] for line in studio.cameras.sent_frames("cam-1"))  # type: ignore[attr-defined]


def count_until(packets: Iterator[EncodedPacket], is_enough: Callable[[], bool]) -> int:
    """How many packets are read until it is enough, at most PACKETS_MAX."""
    return next((number for number, _packet in enumerate(packets) if number >= PACKETS_MAX or is_enough()), PACKETS_MAX)


def chain_of(error: BaseException) -> str:
    """An error's text and those of all it was made from: what a traceback would show."""
    texts = []
    following: BaseException | None = error
    while following is not None:
        texts.append(repr(following))
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)
    return " ".join(texts)


def test_parameters_are_known_once_open(studio: Studio) -> None:
    """An open source tells codec, time base and size of its video, and the kind of its audio."""
    source = studio.open(studio.request)
    video, audio = source.parameters.video, source.parameters.audio
    source.close()
    assert (video.codec, video.time_base.denominator) == ("h264", 90_000)
    assert video.width > 0
    assert video.height > 0
    assert audio is not None
    assert (audio.codec, audio.sample_rate, audio.channels) == ("aac", 16_000, 1)
    assert audio.extradata
    assert not source.parameters.audio_dropped


def test_packets_are_whole_access_units(studio: Studio) -> None:
    """Video packets are whole pictures with start codes, keyframes marked and decodable; payloads are never empty."""
    source = studio.open(studio.request)
    studio.play()
    packets = take(source, 40)
    source.close()
    pictures = [packet for packet in packets if packet.kind == "video"]
    assert len(pictures) > 10
    assert all(packet.payload for packet in packets)
    assert all(packet.payload.startswith((b"\0\0\0\1", b"\0\0\1")) for packet in pictures)
    keyframes = [packet for packet in pictures if packet.is_keyframe]
    assert 1 < len(keyframes) < len(pictures)
    assert all(is_whole(source.parameters.video, packet.payload, True) for packet in keyframes)


def test_times_are_the_senders_and_arrivals_are_ours(studio: Studio) -> None:
    """Decode times advance by a picture; arrivals never run backwards."""
    source = studio.open(studio.request)
    studio.play()
    packets = take(source, 40)
    source.close()
    pictures = [packet for packet in packets if packet.kind == "video"]
    times = [packet.dts for packet in pictures[1:]]  # libav gives the first none
    assert {
        after - before for before, after in itertools.pairwise(times) if before is not None and after is not None
    } == {6_000}
    arrivals = [packet.arrived_ns for packet in packets]
    assert arrivals == sorted(arrivals)


def test_audio_only_when_wanted(studio: Studio) -> None:
    """Without a wish for audio there are no audio parameters and no audio packets."""
    source = studio.open(replace(studio.request, wants_audio=False))
    studio.play()
    packets = take(source, 20)
    source.close()
    assert source.parameters.audio is None
    assert {packet.kind for packet in packets} == {"video"}


def test_audio_comes_with_video(studio: Studio) -> None:
    """With audio, both kinds come."""
    source = studio.open(studio.request)
    studio.play()
    packets = take(source, 50)
    source.close()
    assert {packet.kind for packet in packets} == {"video", "audio"}


def test_an_orderly_end_ends_the_packets(studio: Studio) -> None:
    """When the camera ends the stream, the packets end without an error."""
    source = studio.open(studio.request)
    studio.play()
    received = 0
    for _packet in source.packets():
        received += 1
        if received == 10:
            studio.end()
    source.close()
    assert received >= 10


def test_a_stall_is_told(studio: Studio) -> None:
    """When nothing comes for too long, SourceFailed says so and names the camera."""
    source = studio.open(studio.request)
    studio.stall()
    with pytest.raises(SourceFailed, match="cam-1") as failure:
        take(source, 10_000)
    source.close()
    assert failure.value.cause == "frozen"


def test_a_broken_connection_ends_reading(studio: Studio) -> None:
    """When the connection breaks, reading ends: with SourceFailed, or as at an end when the network hid the break."""
    source = studio.open(studio.request)
    studio.play()
    studio.break_off()
    try:
        take(source, 10_000)
    except SourceFailed as error:
        assert error.cause in {"unreachable", "frozen"}
        assert "cam-1" in str(error)
    source.close()


@pytest.mark.parametrize("login", [f"viewer:{PASSWORD}x", "viewer:", "other:" + PASSWORD])
def test_a_wrong_password_is_told_and_not_shown(studio: Studio, login: str) -> None:
    """A wrong user or password is SourceRefused, with cause authentication and no password in it or behind it."""
    with pytest.raises(SourceRefused, match="refuses the user or password") as failure:
        studio.open(replace(studio.request, login=Secret(login)))
    assert failure.value.cause == "authentication"
    assert "cam-1" in str(failure.value)
    assert PASSWORD not in chain_of(failure.value)
    assert login.partition(":")[2] not in chain_of(failure.value) or login == "viewer:"


def test_no_such_stream(studio: Studio) -> None:
    """A stream that the camera does not have is told with its path."""
    url = studio.request.url.replace("/cam-1", "/nope")
    with pytest.raises(SourceFailed, match="no stream /nope") as failure:
        studio.open(replace(studio.request, url=url))
    assert failure.value.cause == "unreachable"


def test_closing_twice(studio: Studio) -> None:
    """A source may be closed twice."""
    source = studio.open(studio.request)
    source.close()
    source.close()


@pytest.mark.parametrize("studio", ["rtsp", "fake"], indirect=True)
def test_interrupting(studio: Studio) -> None:
    """A source that is interrupted by another thread ends its packets, though none come."""
    source = studio.open(studio.request)
    studio.stall()
    ended = threading.Event()

    def read() -> None:
        list(source.packets())
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    source.interrupt()
    assert ended.wait(READ_S * 0.9)
    source.close()


def test_no_password_given(real: Studio) -> None:
    """A camera that asks for a password when there is none says what to do."""
    with pytest.raises(SourceRefused, match="names no secret") as failure:
        real.open(replace(real.request, login=None, secret=None))
    assert failure.value.cause == "authentication"


def test_unreachable_port(real: Studio) -> None:
    """A port where nobody listens is told with its place, and without the password."""
    url = "rtsp://127.0.0.1:1/cam-1"
    with pytest.raises(SourceFailed, match=r"127\.0\.0\.1:1 refuses the connection") as failure:
        real.open(replace(real.request, url=url))
    assert failure.value.cause == "unreachable"
    assert PASSWORD not in chain_of(failure.value)


def test_unknown_host(real: Studio) -> None:
    """A host that nobody knows cannot be reached."""
    with pytest.raises(SourceFailed, match=r"no-such-host\.invalid") as failure:
        real.open(replace(real.request, url="rtsp://no-such-host.invalid/x"))
    assert failure.value.cause == "unreachable"
    assert PASSWORD not in chain_of(failure.value)


@pytest.mark.parametrize(
    ("fault", "text"), [("silent", "does not answer within 2 s"), ("refuse", "refuses to send now")]
)
def test_a_camera_that_does_not_play(real: Studio, fault: str, text: str) -> None:
    """A camera that is silent, or has no place for one more, is told apart."""
    real.cameras.control.set_fault("cam-1", fault)  # type: ignore[attr-defined]
    with pytest.raises(SourceFailed, match=text):
        real.open(real.request)


def test_sender_clock(real: Studio) -> None:
    """Sender reports give each packet the camera's own wall clock."""
    source = real.open(real.request)
    packets = [packet for packet in take(source, 40) if packet.kind == "video"]
    source.close()
    walls = [packet.sender_wall_ns for packet in packets if packet.sender_wall_ns is not None]
    assert len(walls) == len(packets)
    steps = [after - before for before, after in itertools.pairwise(walls)]
    assert all(abs(step - 66_666_000) < 2_000_000 for step in steps)


def test_lost_network_packets_are_counted(real: Studio) -> None:
    """Packets that the network loses are counted while it is read, never more of them than were lost."""
    before = lost_of(real)
    source = open_in_loss(real)
    assert count_until(source.packets(), lambda: source.packets_missed >= ENOUGH) < PACKETS_MAX
    source.close()
    eventually(lambda: source.packets_missed <= lost_of(real) - before, 60.0, "the camera to note what it left out")


def test_a_source_that_is_left_takes_nobodys_ears(libav: Studio) -> None:
    """A source that is let go of in the middle, at whatever moment, leaves what libav says to others to them."""
    left = libav.open(libav.request)
    left_packets = left.packets()
    next(left_packets)
    source = open_in_loss(libav)
    packets = source.packets()
    next(packets)
    del left_packets
    gc.collect()
    assert count_until(packets, lambda: source.packets_missed >= ENOUGH) < PACKETS_MAX
    left.close()
    source.close()


def test_the_same_loss_again_is_another_loss(libav: Studio) -> None:
    """What libav says twice in the same words, of two cameras say, is heard twice."""
    source = libav.open(libav.request)
    with av.logging.Capture(local=True) as heard:
        for _ in range(2):
            av.logging.log(av.logging.WARNING, "rtsp", "RTP: missed 1 packets")
    source.close()
    assert [text for _level, _name, text in heard] == ["RTP: missed 1 packets"] * 2


@pytest.mark.parametrize(("write", "text"), [(write_jpeg_film, "sends mjpeg video"), (write_sound, "offers no video")])
def test_what_is_no_recordable_video(libav: Studio, tmp_path: Path, write: Callable[[Path], None], text: str) -> None:
    """Video of another kind, or none at all, is refused with the reason, once and for all."""
    path = tmp_path / "other.mkv"
    write(path)
    with pytest.raises(SourceRefused, match=text) as failure:
        libav.open(SourceRequest("cam-1", str(path)))
    assert failure.value.cause == "undecodable"

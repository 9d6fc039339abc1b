"""Session descriptions of cameras: streams, payload types, parameter sets, control URLs."""

import pytest

from components.capture.core.rtsp.description import audio_config, parameter_sets, parse_description
from components.shared.errors import Rejected

SDP = b"""v=0
o=- 0 0 IN IP4 192.0.2.1
s=x
c=IN IP4 0.0.0.0
a=control:*
m=video 0 RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1; profile-level-id=4D0029; sprop-parameter-sets=Z00AKQ==,aO48gA==
a=control:trackID=0
m=audio 0 RTP/AVP 97
a=rtpmap:97 MPEG4-GENERIC/16000/2
a=fmtp:97 streamtype=5;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=1410
a=control:rtsp://192.0.2.1/other/trackID=1
m=application 0 RTP/AVP 107
a=rtpmap:107 vnd.onvif.metadata/90000
a=control:trackID=2
m=audio 0 RTP/AVP 0
"""


def test_what_a_camera_offers() -> None:
    """Kinds, encodings, clocks, and where each is controlled."""
    described = parse_description(SDP, "rtsp://192.0.2.1/main")
    video, audio, metadata, plain = described.media
    assert (video.kind, video.payload_type, video.encoding, video.clock_hz) == ("video", 96, "h264", 90_000)
    assert video.control == "rtsp://192.0.2.1/main/trackID=0"
    assert parameter_sets(video) == b"\0\0\0\1\x67\x4d\x00\x29\0\0\0\1\x68\xee\x3c\x80"
    assert (audio.encoding, audio.clock_hz, audio.channels) == ("mpeg4-generic", 16_000, 2)
    assert audio.control == "rtsp://192.0.2.1/other/trackID=1"
    assert audio_config(audio) == b"\x14\x10"
    assert metadata.kind == "application"
    assert (plain.encoding, plain.clock_hz) == ("pcmu", 8_000)
    assert described.control == "rtsp://192.0.2.1/main"


@pytest.mark.parametrize(
    ("base", "control"),
    [
        ("rtsp://h/a/", "rtsp://h/a/trackID=0"),
        ("rtsp://h/a", "rtsp://h/a/trackID=0"),
        ("rtsp://h/a?channel=1&subtype=0", "rtsp://h/a?channel=1&subtype=0/trackID=0"),
    ],
)
def test_controls_are_put_behind_the_base(base: str, control: str) -> None:
    """As cameras expect it, with and without a slash, behind a query too."""
    assert parse_description(SDP, base).media[0].control == control


def test_h265_sets() -> None:
    """VPS, SPS and PPS come in this order."""
    text = (
        b"v=0\r\nm=video 0 RTP/AVP 98\r\na=rtpmap:98 H265/90000\r\n"
        b"a=fmtp:98 sprop-pps=RAE=;sprop-sps=QgE=;sprop-vps=QAE=\r\n"
    )
    (video,) = parse_description(text, "rtsp://h").media
    assert parameter_sets(video) == b"\0\0\0\1\x40\x01\0\0\0\1\x42\x01\0\0\0\1\x44\x01"


def test_garbled_fields_say_nothing() -> None:
    """A set that is no base64, a configuration that is no hex: left out, the stream stays."""
    text = (
        b"v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=fmtp:96 sprop-parameter-sets=!!,Z00AKQ==\n"
        b"m=audio 0 RTP/AVP 97\na=rtpmap:97 mpeg4-generic/8000\na=fmtp:97 config=zz\n"
    )
    video, audio = parse_description(text, "rtsp://h").media
    assert parameter_sets(video) == b"\0\0\0\1\x67\x4d\x00\x29"
    assert audio_config(audio) == b""


@pytest.mark.parametrize("text", [b"", b"<html>", b"v=0\r\n", b"m=video 0 RTP/AVP 96", bytes(range(256))])
def test_what_is_no_description(text: bytes) -> None:
    """It is told, whatever it is."""
    with pytest.raises(Rejected, match="no session description"):
        parse_description(text, "rtsp://h")

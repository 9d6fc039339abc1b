"""Real keyframes as JPEG, judged by a decoder."""

from __future__ import annotations

import io

import av
import pytest
from av.video.frame import VideoFrame

from components.capture.core.packets import VideoCodec, VideoParameters
from components.capture.jpeg import WIDTH_MAX, to_jpeg
from components.capture.live_stream import Picture
from components.capture.snapshots import Jpeg
from components.shared.wire.units import TimeBase, WallNs
from tests.fakes.encoded_pictures import pictures


def picture(codec: VideoCodec, access_unit: bytes, extradata: bytes = b"") -> Picture:
    return Picture(VideoParameters(codec, TimeBase(1, 90_000), extradata, 0, 0), access_unit, WallNs(0))


def decoded(jpeg: Jpeg | None) -> VideoFrame:
    assert jpeg is not None
    with av.open(io.BytesIO(jpeg.data), "r") as container:
        frame = next(container.decode(video=0))
    assert (frame.width, frame.height) == (jpeg.width, jpeg.height)
    return frame


@pytest.mark.parametrize("codec", ["h264", "h265"])
@pytest.mark.parametrize("number", [0, 25])
def test_a_jpeg_shows_what_the_keyframe_shows(codec: VideoCodec, number: int) -> None:
    """The picture has its size and its brightness, stretched from the camera's range of 16 to 235 to that of a JPEG."""
    frame = decoded(to_jpeg(picture(codec, pictures(codec)[number].payload)))
    assert (frame.width, frame.height) == (96, 64)
    shade = 16 + number
    assert abs(int(frame.to_ndarray(format="gray")[32, 48]) - (shade - 16) * 255 / 219) < 8


def test_a_wide_picture_is_made_smaller() -> None:
    """At the limit a picture keeps its size; above it its shape."""
    at_limit = pictures("h264", count=1, width=WIDTH_MAX, height=64)[0].payload
    assert (decoded(to_jpeg(picture("h264", at_limit))).width) == WIDTH_MAX
    above = pictures("h264", count=1, width=2 * WIDTH_MAX, height=128)[0].payload
    frame = decoded(to_jpeg(picture("h264", above)))
    assert (frame.width, frame.height) == (WIDTH_MAX, 64)


def test_odd_sizes_become_even() -> None:
    """A picture whose scaled height would be odd is still one that every viewer shows."""
    unit = pictures("h264", count=1, width=2 * WIDTH_MAX, height=130)[0].payload
    assert decoded(to_jpeg(picture("h264", unit))).height == 64


def test_what_is_no_picture_makes_no_jpeg() -> None:
    """Noise, and a keyframe without the sets it needs, give None."""
    assert to_jpeg(picture("h264", b"\x00\x00\x00\x01\x65" + bytes(range(256)))) is None
    assert to_jpeg(picture("h265", b"noise")) is None


def test_a_damaged_keyframe_is_doubtful() -> None:
    """A picture with a hole is told from a whole one."""
    whole = pictures("h264", count=1, width=640, height=480)[0].payload
    jpeg = to_jpeg(picture("h264", whole))
    assert jpeg is not None
    assert not jpeg.is_doubtful
    damaged = to_jpeg(picture("h264", whole[: len(whole) // 2]))
    assert damaged is not None
    assert damaged.is_doubtful

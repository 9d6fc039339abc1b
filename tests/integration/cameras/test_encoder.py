"""Encoded loops: what a decoder gets back from them."""

import av
import pytest

from local.cameras.encoder import encode_picture, encode_sound
from local.cameras.loops import Encoded, Picture, Sound
from local.cameras.nal import nal_type, parameter_sets
from local.cameras.pattern import read_number

pytestmark = pytest.mark.slow

_CODECS = pytest.mark.parametrize("codec", ["h264", "h265"])


def _numbers(codec: str, encoded: Encoded) -> list[int | None]:
    """The number in each decoded picture of the loop."""
    decoder = av.CodecContext.create(codec.replace("h265", "hevc"), "r")
    assert isinstance(decoder, av.VideoCodecContext)
    units = [b"".join(b"\x00\x00\x00\x01" + nal for nal in unit) for unit in encoded.units]
    frames = [frame for unit in units for frame in decoder.decode(av.Packet(unit))]
    frames += decoder.decode(None)
    return [read_number(frame.to_ndarray(format="gray")) for frame in frames]


@_CODECS
@pytest.mark.parametrize(
    ("width", "height", "frames", "bitrate"),
    [(320, 240, 60, 30_000), (640, 360, 30, 50_000), (1280, 720, 20, 150_000), (1920, 1080, 10, 400_000)],
)
def test_numbers_survive_low_bitrates(codec: str, width: int, height: int, frames: int, bitrate: int) -> None:
    """Every frame's number is read from a picture encoded with a tenth of the usual rate."""
    picture = Picture(codec, width, height, 15, 10, frames, bitrate, 1)
    assert _numbers(codec, encode_picture(picture, lambda _: None)) == list(range(frames))


@_CODECS
def test_a_loop_keeps_its_rate_and_its_keyframes(codec: str) -> None:
    """Parameter sets stand before every keyframe and only there, and the rate is what was asked for."""
    done: list[int] = []
    encoded = encode_picture(Picture(codec, 320, 240, 10, 10, 60, 200_000, 1), done.append)
    assert done == list(range(1, 61))
    with_sets = [number for number, unit in enumerate(encoded.units) if parameter_sets(codec, unit)]
    assert with_sets == [0, 10, 20, 30, 40, 50]
    assert len(parameter_sets(codec, encoded.units[0])) == (2 if codec == "h264" else 3)
    bits = sum(len(nal) for unit in encoded.units for nal in unit) * 8
    assert 150_000 < bits / 6 < 230_000
    kinds = {nal_type(codec, unit[-1]) for unit in encoded.units}
    assert kinds == ({1, 5} if codec == "h264" else {1, 20})


@_CODECS
@pytest.mark.parametrize("open_gop", [False, True])
def test_b_frames(codec: str, open_gop: bool) -> None:
    """B-frames come in the order of decoding, `shown` says of each which picture it is, and every one decodes."""
    picture = Picture(codec, 320, 240, 15, 12, 36, 100_000, 1, bframes=2, open_gop=open_gop)
    encoded = encode_picture(picture, lambda _: None)
    assert encoded.shown[:4] in ((0, 3, 1, 2), (0, 3, 2, 1))
    assert sorted(encoded.shown) == list(range(36))
    keyframes = [number for number, unit in enumerate(encoded.units) if parameter_sets(codec, unit)]
    assert [encoded.shown[number] for number in keyframes] == [0, 12, 24]
    assert (keyframes == [0, 12, 24]) == (not open_gop)
    assert _numbers(codec, encoded) == list(range(36))


@_CODECS
def test_distances_of_keyframes_that_vary(codec: str) -> None:
    """Keyframes are exactly where the picture says."""
    encoded = encode_picture(Picture(codec, 320, 240, 10, 5, 37, 100_000, 1, gops=(5, 20, 12)), lambda _: None)
    with_sets = [number for number, unit in enumerate(encoded.units) if parameter_sets(codec, unit)]
    assert with_sets == [0, 5, 25]
    assert _numbers(codec, encoded) == list(range(37))


@_CODECS
def test_variants_differ_in_one_parameter_set(codec: str) -> None:
    """The same picture, with another sequence set or with another picture set alone."""

    def sets(variant: str) -> list[bytes]:
        picture = Picture(codec, 320, 240, 10, 10, 10, 100_000, 1, variant=variant)
        return parameter_sets(codec, encode_picture(picture, lambda _: None).units[0])[-2:]

    (sequence, other), with_sps, with_pps = sets(""), sets("sps"), sets("pps")
    assert with_sps[0] != sequence
    assert with_pps[0] == sequence
    assert with_pps[1] != other


@_CODECS
def test_a_still_repeats_the_first_picture(codec: str) -> None:
    """A still is one GOP of frame 0."""
    picture = Picture(codec, 320, 240, 10, 10, 40, 100_000, 1, still=True)
    assert _numbers(codec, encode_picture(picture, lambda _: None)) == [0] * 10


def test_a_loop_is_the_same_twice() -> None:
    """Equal parameters encode to equal bytes."""
    picture = Picture("h264", 320, 240, 10, 10, 20, 100_000, 1)
    assert encode_picture(picture, lambda _: None) == encode_picture(picture, lambda _: None)


@pytest.mark.parametrize(("codec", "units", "size"), [("pcma", 400, 160), ("pcmu", 400, 160), ("unknown", 400, 80)])
def test_sound_of_constant_rate_is_whole_packets(codec: str, units: int, size: int) -> None:
    """Eight seconds of 20 ms packets, all of one size."""
    encoded = encode_sound(Sound(codec, 1))
    assert {tuple(len(part) for part in unit) for unit in encoded.units} == {(size,)}
    assert len(encoded.units) == units


def test_aac_has_its_decoder_settings() -> None:
    """AAC-LC of 16 kHz, one channel: the two bytes that the session description tells."""
    encoded = encode_sound(Sound("aac", 1))
    assert encoded.config.hex().startswith("1408")
    assert len(encoded.units) == 125

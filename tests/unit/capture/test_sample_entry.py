"""H.265's name in a header is changed, and nothing else."""

from components.capture.core.sample_entry import with_apple_name
from tests.fakes.segment_files import footage


def test_only_the_name_in_the_header() -> None:
    """Of a real file four bytes change, those of the sample entry's name; doing it twice changes nothing more."""
    data = footage(1, codec="libx265")
    renamed = with_apple_name(data)
    assert data.replace(b"hev1", b"hvc1", 1) == renamed
    assert with_apple_name(renamed) == renamed


def test_what_is_not_h265_or_no_header_stays() -> None:
    """H.264 stays, and so do the same letters outside of a header, and bytes that are no boxes at all."""
    plain = footage(1)
    assert with_apple_name(plain) is plain
    after = b"\x00\x00\x00\x20mdat" + b"stsd" + bytes(12) + b"hev1" + bytes(4)
    assert with_apple_name(after) == after
    for noise in (
        b"",
        b"moov",
        bytes(64),
        b"\xff" * 64,
        b"\x00\x00\x00\x08moov",
        b"\x00\x00\x00\x18moovstsd" + bytes(12),
    ):
        assert with_apple_name(noise) == noise

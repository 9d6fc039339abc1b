"""How an object is cut, what of it is there already, and whether it is the same."""

from __future__ import annotations

import base64
import hashlib

import pytest

from components.cloud_sync.core.checksums import composite, s3_form
from components.cloud_sync.core.parts import (
    PART_BYTES,
    SINGLE_PUT_BYTES_MAX,
    ListedPart,
    checksums_of,
    is_same,
    is_single,
    parts_held,
    parts_of,
)
from components.shared.errors import Rejected

HASHES = tuple(hashlib.sha256(bytes([number])).hexdigest() for number in range(3))
WHOLE = hashlib.sha256(b"whole").hexdigest()
SIZE = 2 * PART_BYTES + 5


def listed(number: int, size_bytes: int, etag: str = "e", sha256: str | None = None) -> ListedPart:
    return ListedPart(number, size_bytes, etag, sha256)


def test_s3_form_of_a_hash_is_its_base64() -> None:
    """A hex SHA-256 and its form in S3's headers are the same 32 bytes."""
    assert base64.b64decode(s3_form(WHOLE)).hex() == WHOLE


@pytest.mark.parametrize("text", ["", "00", WHOLE.upper(), WHOLE + "0", "g" * 64])
def test_what_is_no_hash_is_rejected(text: str) -> None:
    """Only 64 lower-case hex digits are a SHA-256."""
    with pytest.raises(Rejected):
        s3_form(text)


def test_composite_is_the_hash_of_the_hashes() -> None:
    """A composite checksum is the SHA-256 of the parts' SHA-256s, and their number."""
    digest = hashlib.sha256(b"".join(bytes.fromhex(sha256) for sha256 in HASHES)).digest()
    assert composite(HASHES) == base64.b64encode(digest).decode() + "-3"
    with pytest.raises(Rejected):
        composite(())


@pytest.mark.parametrize(
    ("size_bytes", "single"), [(1, True), (16_000_000, True), (16_000_001, False), (SINGLE_PUT_BYTES_MAX, True)]
)
def test_up_to_16_mb_goes_out_in_one_request(size_bytes: int, single: bool) -> None:
    """16 MB are one request, a byte more is multipart."""
    assert is_single(size_bytes) is single


def test_parts_cover_the_file_without_gap() -> None:
    """The parts are 8 MiB each, the last one is what is left, each with its own hash."""
    parts = parts_of(SIZE, HASHES)
    assert [(part.number, part.offset_bytes, part.size_bytes) for part in parts] == [
        (1, 0, PART_BYTES),
        (2, PART_BYTES, PART_BYTES),
        (3, 2 * PART_BYTES, 5),
    ]
    assert [part.sha256 for part in parts] == [s3_form(sha256) for sha256 in HASHES]
    assert len(parts_of(2 * PART_BYTES, HASHES[:2])) == 2


@pytest.mark.parametrize("count", [0, 2])
def test_wrong_number_of_hashes_is_rejected(count: int) -> None:
    """A file whose parts have not one hash each cannot be cut."""
    with pytest.raises(Rejected):
        parts_of(SIZE, HASHES[:count])


def test_part_with_the_same_hash_is_held() -> None:
    """A part that the store lists with our hash is not sent again, with another hash it is."""
    parts = parts_of(SIZE, HASHES)
    there = [listed(1, PART_BYTES, "one", s3_form(HASHES[0])), listed(2, PART_BYTES, "two", s3_form(HASHES[0]))]
    assert parts_held(parts, there, {}) == {1: "one"}


def test_part_without_a_hash_is_held_by_its_recorded_etag() -> None:
    """Where the store tells no hash, the ETag that we recorded when we sent the part decides."""
    parts = parts_of(SIZE, HASHES)
    there = [listed(1, PART_BYTES, "one"), listed(2, PART_BYTES, "two"), listed(3, 5, "three")]
    assert parts_held(parts, there, {1: "one", 2: "other"}) == {1: "one"}


def test_part_of_another_size_is_sent_again() -> None:
    """A part that is not as long as ours is not ours, nor is one that the file does not have."""
    parts = parts_of(SIZE, HASHES)
    assert parts_held(parts, [listed(3, 4, "three"), listed(9, 1, "nine")], {3: "three"}) == {}


def test_object_is_known_by_size_and_either_checksum() -> None:
    """An object is this file when its size fits and its SHA-256 is that of the whole or of the parts."""
    for sha256 in checksums_of(WHOLE, HASHES):
        assert is_same(SIZE, WHOLE, HASHES, SIZE, sha256, {})
        assert is_same(SIZE, WHOLE, HASHES, None, sha256, {})
        assert not is_same(SIZE, WHOLE, HASHES, SIZE + 1, sha256, {})
    assert not is_same(SIZE, WHOLE, HASHES, SIZE, s3_form(HASHES[0]), {"nvr-sha256": WHOLE})


def test_object_without_a_checksum_is_known_by_its_metadata() -> None:
    """What was stored without a SHA-256 counts as this file only when its metadata names our hash."""
    assert is_same(SIZE, WHOLE, HASHES, SIZE, None, {"nvr-sha256": WHOLE})
    assert not is_same(SIZE, WHOLE, HASHES, SIZE, None, {})

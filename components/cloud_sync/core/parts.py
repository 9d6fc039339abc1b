"""How an object is sent and how it is recognised: one request or parts, what is still to be sent, is it the same.

The parts are those whose SHA-256 were taken while recording, so that nothing is hashed again on its way out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.cloud_sync.core.checksums import composite, s3_form
from components.shared.errors import Rejected

SINGLE_PUT_BYTES_MAX = 16_000_000  # above it, what a broken connection costs is worth a few more requests
PART_BYTES = 8 * 1024 * 1024  # as hashed while recording; S3 takes 5 MiB to 5 GiB, and 10 000 of them


@dataclass(frozen=True, slots=True)
class Sizes:
    """Up to which size an object goes out in one request, and how large the parts of a larger one are."""

    single_put_bytes_max: int = SINGLE_PUT_BYTES_MAX
    part_bytes: int = PART_BYTES


STANDARD_SIZES = Sizes()


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a file: its number (from 1), its bytes, its SHA-256 in S3's form."""

    number: int
    offset_bytes: int
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ListedPart:
    """A part as the store lists it; `sha256` in S3's form, None when the store does not tell."""

    number: int
    size_bytes: int
    etag: str
    sha256: str | None


def is_single(size_bytes: int, sizes: Sizes = STANDARD_SIZES) -> bool:
    """Whether an object of that size goes out in one request."""
    return size_bytes <= sizes.single_put_bytes_max


def part_count(size_bytes: int, sizes: Sizes = STANDARD_SIZES) -> int:
    """How many parts a file of that size has."""
    return -(-size_bytes // sizes.part_bytes)


def parts_of(size_bytes: int, part_sha256s: Sequence[str], sizes: Sizes = STANDARD_SIZES) -> tuple[Part, ...]:
    """The parts of a file, their hashes given in hex; Rejected when there are more or fewer hashes than parts."""
    count, part_bytes = part_count(size_bytes, sizes), sizes.part_bytes
    if len(part_sha256s) != count:
        raise Rejected(f"{size_bytes} bytes have {count} parts, not {len(part_sha256s)}")
    return tuple(
        Part(index + 1, index * part_bytes, min(part_bytes, size_bytes - index * part_bytes), s3_form(sha256))
        for index, sha256 in enumerate(part_sha256s)
    )


def parts_held(parts: Sequence[Part], listed: Sequence[ListedPart], recorded: Mapping[int, str]) -> dict[int, str]:
    """The parts that need not be sent again, number to ETag: those the store lists, that are the bytes we mean.

    A part is known by its SHA-256; where the store does not tell it, by the ETag that we recorded when we sent it.
    """
    by_number = {part.number: part for part in listed}
    held = {}
    for part in parts:
        there = by_number.get(part.number)
        if there is None or there.size_bytes != part.size_bytes:
            continue
        is_ours = recorded.get(part.number) == there.etag if there.sha256 is None else there.sha256 == part.sha256
        if is_ours:
            held[part.number] = there.etag
    return held


def checksums_of(sha256: str, part_sha256s: Sequence[str]) -> frozenset[str]:
    """What the store may tell as an object's SHA-256, sent in one request or in these parts (hashes in hex)."""
    whole = {s3_form(sha256)}
    return frozenset(whole | {composite(part_sha256s)} if part_sha256s else whole)


def is_same(
    size_bytes: int,
    sha256: str,
    part_sha256s: Sequence[str],
    stored_size_bytes: int | None,
    stored_sha256: str | None,
    stored_metadata: Mapping[str, str],
) -> bool:
    """Whether what the store holds is this file, by size and checksum.

    An object that was stored without a SHA-256 is known by the one in its metadata, which was sent with its bytes.
    """
    if stored_size_bytes is not None and stored_size_bytes != size_bytes:
        return False
    if stored_sha256 is None:
        return stored_metadata.get("nvr-sha256") == sha256
    return stored_sha256 in checksums_of(sha256, part_sha256s)

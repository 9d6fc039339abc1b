"""The checksums of S3: of bytes as they pass, and of objects made of parts. Pure.

`COMPOSITE` is the checksum of the parts' checksums, written with `-` and the number of parts; `FULL_OBJECT` is that of
all bytes. SHA sums of several parts are composite only, CRC64NVME is full only, as in AWS.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Sequence
from typing import Literal

from awscrt import checksums as crt

Algorithm = Literal["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]
Kind = Literal["COMPOSITE", "FULL_OBJECT"]

ALGORITHMS: dict[str, Algorithm] = {
    "crc32": "CRC32",
    "crc32c": "CRC32C",
    "crc64nvme": "CRC64NVME",
    "sha1": "SHA1",
    "sha256": "SHA256",
}
"""By the ending of its header, `x-amz-checksum-...`."""

SIZES_BYTES: dict[Algorithm, int] = {"CRC32": 4, "CRC32C": 4, "CRC64NVME": 8, "SHA1": 20, "SHA256": 32}

_CRCS: dict[str, Callable[[bytes | bytearray, int], int]] = {
    "CRC32": zlib.crc32,
    "CRC32C": crt.crc32c,
    "CRC64NVME": crt.crc64nvme,
}


class Running:
    """A checksum of bytes that come piece by piece. `MD5` is allowed too."""

    def __init__(self, algorithm: str) -> None:
        self._crc = _CRCS.get(algorithm)
        self._size_bytes = SIZES_BYTES.get(ALGORITHMS.get(algorithm.lower(), "CRC32"), 4)
        self._value = 0
        self._hash = None if self._crc else hashlib.new(algorithm.lower(), usedforsecurity=False)

    def update(self, piece: bytes | bytearray) -> None:
        """Takes the next bytes."""
        if self._crc is not None:
            self._value = self._crc(piece, self._value)
        elif self._hash is not None:
            self._hash.update(piece)

    def digest(self) -> bytes:
        """The checksum of everything taken so far."""
        if self._hash is not None:
            return self._hash.digest()
        return self._value.to_bytes(self._size_bytes, "big")


def to_text(digest: bytes) -> str:
    """A checksum as it stands in headers and documents."""
    return base64.b64encode(digest).decode()


def from_text(text: str, size_bytes: int) -> bytes | None:
    """The checksum in a header, None when it is not one of that size."""
    try:
        digest = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    return digest if len(digest) == size_bytes else None


def composite(algorithm: Algorithm, digests: Sequence[bytes]) -> str:
    """The checksum of the parts' checksums."""
    running = Running(algorithm)
    running.update(b"".join(digests))
    return f"{to_text(running.digest())}-{len(digests)}"


def default_kind(algorithm: Algorithm) -> Kind:
    """What a multipart upload has when it does not say."""
    return "FULL_OBJECT" if algorithm == "CRC64NVME" else "COMPOSITE"


def allows(algorithm: Algorithm, kind: Kind) -> bool:
    """Whether AWS has that kind of that algorithm."""
    if kind == "FULL_OBJECT":
        return algorithm in {"CRC32", "CRC32C", "CRC64NVME"}
    return algorithm != "CRC64NVME"

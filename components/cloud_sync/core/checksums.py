"""SHA-256 as the catalogue writes it (hex) and as S3 writes it (base64, with a count of parts behind a composite).

A composite checksum is the SHA-256 of the parts' SHA-256s one after the other, then `-` and the number of parts
(Amazon S3 User Guide, "Checking object integrity", composite checksums).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence

from components.shared.errors import Rejected

_SHA256_HEX = re.compile(r"[0-9a-f]{64}")


def s3_form(sha256_hex: str) -> str:
    """A SHA-256 in lower-case hex as S3 wants it in a header: base64. Anything else is Rejected."""
    if not _SHA256_HEX.fullmatch(sha256_hex):
        raise Rejected(f"{sha256_hex!r} is not a SHA-256 in lower-case hex")
    return base64.b64encode(binascii.unhexlify(sha256_hex)).decode()


def composite(part_sha256s: Sequence[str]) -> str:
    """What S3 must answer for an object made of parts with these SHA-256s (hex)."""
    if not part_sha256s:
        raise Rejected("an object of no parts has no composite checksum")
    joined = b"".join(base64.b64decode(s3_form(sha256)) for sha256 in part_sha256s)
    return f"{base64.b64encode(hashlib.sha256(joined).digest()).decode()}-{len(part_sha256s)}"


def is_composite(sha256: str | None) -> bool:
    """Whether a checksum in S3's form is that of parts."""
    return sha256 is not None and "-" in sha256

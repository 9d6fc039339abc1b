"""How much work a component's own cursor leaves it, as anybody can count it who reads the catalogues."""

from __future__ import annotations

from components.shared.catalogue.capture import CaptureReader

PENDING_COUNTED_MAX = 1_000
"""Whoever asks wants to know whether there is work, and roughly how much: a year of it need not be counted."""


def pending_after(reader: CaptureReader, sequence: int) -> int:
    """How many closed segments a sweep with this cursor has yet to come to, counted up to PENDING_COUNTED_MAX.

    Not the difference of the numbers: segments that were deleted have left theirs unused.
    """
    sql = (
        "SELECT count(*) FROM (SELECT 1 FROM segment WHERE sequence > max(?, "
        "(SELECT value FROM counter WHERE name = 'unverified_until')) LIMIT ?)"
    )
    return int(reader.database.read(sql, sequence, PENDING_COUNTED_MAX)[0][0])

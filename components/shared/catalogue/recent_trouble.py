"""What capture.db holds of recent trouble: connections to cameras that broke, footage that was lost.

It knows nothing of how much of it is too much.
"""

from __future__ import annotations

from components.shared.catalogue.capture import CaptureReader

RUNS_LOOKED_AT_MAX = 100
"""Of a stream, newest first: whoever breaks off more often than that has been counted high enough."""

CAMERA_CAUSES = frozenset({"unreachable", "authentication", "no_keyframe", "frozen", "undecodable"})
"""Ends of runs that a camera or its network made, and not the box, its disk or somebody's wish."""


def broken_runs(reader: CaptureReader, camera: str, stream: str, since_ns: int) -> int:
    """How many runs of a stream were ended by the camera or its network since a moment."""
    # A stream's runs follow each other: those that ended last are those that began last.
    sql = "SELECT ended_ns, end_cause FROM run WHERE camera = ? AND stream = ? ORDER BY started_ns DESC LIMIT ?"
    found = reader.database.read(sql, camera, stream, RUNS_LOOKED_AT_MAX)
    return sum(
        1 for ended_ns, cause in found if ended_ns is not None and ended_ns >= since_ns and cause in CAMERA_CAUSES
    )


def lost_segments(reader: CaptureReader, since_ns: int) -> int:
    """How many segments were deleted since a moment before anybody had uploaded them."""
    sql = "SELECT coalesce(sum(segments), 0) FROM early_deletion WHERE is_lost = 1 AND deleted_ns >= ?"
    return int(reader.database.read(sql, since_ns)[0][0])

"""The part of analysis.db that tells whether cameras still see what they should.

A row of `picture_health` is a fault that holds; there is none of a camera whose picture is well, or of which nothing
can be said. `picture_reference` keeps what a camera's picture usually looks like, as VideoProcessor has learnt it:
bytes that only it understands, and may discard.
"""
# ruff: noqa: S608 - statements are put together from constants of this module; values are always bound

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.shared.catalogue.database import READ_ROWS_MAX, Database, Do
from components.shared.wire.object_keys import check_id
from components.shared.wire.units import WallNs

REFERENCE_BYTES_MAX = 256 * 1024
"""One is 23 kB; a larger one is not what was meant."""

REASON_CHARS_MAX = 200
"""Reasons are for people; a longer one is cut when it is written."""

PICTURES = (
    """
    CREATE TABLE picture_health (
        camera TEXT NOT NULL,
        kind TEXT NOT NULL,
        since_ns INTEGER NOT NULL,
        value REAL NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY (camera, kind)
    ) STRICT
    """,
    f"""
    CREATE TABLE picture_reference (
        camera TEXT NOT NULL,
        mode TEXT NOT NULL,
        learnt BLOB NOT NULL CHECK (length(learnt) BETWEEN 1 AND {REFERENCE_BYTES_MAX}),
        PRIMARY KEY (camera, mode)
    ) STRICT
    """,
)
"""The statements of the version of analysis.db that brings these tables."""

_HEALTH = "camera, kind, since_ns, value, reason"


@dataclass(frozen=True, slots=True)
class PictureFaultRow:
    """What is wrong with a camera's picture, since when, by which figure."""

    camera: str
    kind: str
    since_ns: WallNs
    value: float
    reason: str


def read_picture_faults(database: Database) -> list[PictureFaultRow]:
    """All faults that hold, by camera and kind."""
    sql = f"SELECT {_HEALTH} FROM picture_health ORDER BY camera, kind LIMIT ?"
    return [PictureFaultRow(*row) for row in database.read(sql, READ_ROWS_MAX)]


def read_picture_references(database: Database, camera: str) -> dict[str, bytes]:
    """What was kept of a camera's usual picture, by mode."""
    found = database.read("SELECT mode, learnt FROM picture_reference WHERE camera = ?", camera)
    return {row[0]: bytes(row[1]) for row in found}


def put_picture_faults(do: Do, camera: str, faults: Sequence[PictureFaultRow]) -> None:
    """Exactly these faults hold of the camera from now on."""
    check_id(camera, "camera id")
    do("DELETE FROM picture_health WHERE camera = ?", camera)
    for row in faults:
        values = (camera, row.kind, row.since_ns, row.value, row.reason[:REASON_CHARS_MAX])
        do(f"INSERT INTO picture_health ({_HEALTH}) VALUES (?, ?, ?, ?, ?)", *values)


def put_picture_references(do: Do, camera: str, learnt: Mapping[str, bytes]) -> None:
    """Exactly these are kept of the camera from now on."""
    check_id(camera, "camera id")
    do("DELETE FROM picture_reference WHERE camera = ?", camera)
    for mode, content in learnt.items():
        do("INSERT INTO picture_reference (camera, mode, learnt) VALUES (?, ?, ?)", camera, mode, content)


def drop_pictures(do: Do, but_cameras: frozenset[str]) -> None:
    """Nothing is known of other cameras any more."""
    for table in ("picture_health", "picture_reference"):
        for (camera,) in do(f"SELECT DISTINCT camera FROM {table}"):
            if camera not in but_cameras:
                do(f"DELETE FROM {table} WHERE camera = ?", camera)

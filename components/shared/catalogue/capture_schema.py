"""The tables of capture.db, as numbered migrations that only add.

A column that a later migration adds has a default or may be NULL, because the release before goes on writing rows
without it. Closed vocabularies that can never grow (`main`/`sub`, `open`/`closed`) are checked here; those that may
(states, causes, reasons) are checked by the writer, because SQLite cannot change a CHECK.

Kept by the schema itself, whoever writes: a segment is open without facts or closed with all of them; one open
segment and one open gap per stream; the segments and gaps of a stream never overlap. What is open has no
end yet and must begin where the record ends or later; an open segment and an open gap do not count against each
other, since a recorder goes from one to the other in two transactions. When either is closed its whole span counts.
"""
# ruff: noqa: S608 - statements are put together from constants of this module

from __future__ import annotations

from components.shared.catalogue.database import Schema
from components.shared.catalogue.roll_up_schema import ROLL_UPS

# Spans of one table never overlap each other, so the last one that starts before an end is the only one that can
# reach over a start: one step in the index (camera, stream, start_ns) answers.
_FOREVER = 9_223_372_036_854_775_807


def _reaches(table: str, key: str, new_end: str, open_end: str) -> str:
    """Whether a row of `table` other than the new one reaches into [NEW.start_ns, new_end)."""
    return (
        f"(SELECT coalesce(end_ns, {open_end}) FROM {table} "
        f"WHERE camera = NEW.camera AND stream = NEW.stream AND start_ns < {new_end} {key} "
        f"ORDER BY start_ns DESC LIMIT 1) > NEW.start_ns"
    )


_NEW_END = f"coalesce(NEW.end_ns, {_FOREVER})"
_OTHER_SEGMENT = "AND segment <> NEW.segment"
_OTHER_GAP = "AND gap <> NEW.gap"
_COUNTING_SEGMENT = "AND (state = 'closed' OR NEW.end_ns IS NOT NULL)"
_COUNTING_GAP = "AND (end_ns IS NOT NULL OR NEW.end_ns IS NOT NULL)"


def _guard(name: str, when: str, condition: str, message: str) -> str:
    return f"CREATE TRIGGER {name} {when} WHEN {condition} BEGIN SELECT RAISE(ABORT, '{message}'); END"


_VERSION_1 = (
    """
    CREATE TABLE volume (
        volume TEXT NOT NULL PRIMARY KEY,
        root TEXT NOT NULL UNIQUE
    ) STRICT
    """,
    """
    CREATE TABLE stream (
        camera TEXT NOT NULL CHECK (length(camera) BETWEEN 1 AND 32 AND camera NOT GLOB '*[^a-z0-9-]*'),
        stream TEXT NOT NULL CHECK (stream IN ('main', 'sub')),
        state TEXT NOT NULL,
        cause TEXT NOT NULL,
        since_ns INTEGER NOT NULL,
        failures INTEGER NOT NULL CHECK (failures >= 0),
        enabled_since_ns INTEGER NOT NULL,
        PRIMARY KEY (camera, stream)
    ) STRICT
    """,
    """
    CREATE TABLE run (
        run TEXT NOT NULL PRIMARY KEY,
        camera TEXT NOT NULL CHECK (length(camera) BETWEEN 1 AND 32 AND camera NOT GLOB '*[^a-z0-9-]*'),
        stream TEXT NOT NULL CHECK (stream IN ('main', 'sub')),
        started_ns INTEGER NOT NULL,
        ended_ns INTEGER,
        codec TEXT NOT NULL,
        width INTEGER NOT NULL CHECK (width > 0),
        height INTEGER NOT NULL CHECK (height > 0),
        time_base_numerator INTEGER NOT NULL CHECK (time_base_numerator > 0),
        time_base_denominator INTEGER NOT NULL CHECK (time_base_denominator > 0),
        frames_received INTEGER NOT NULL CHECK (frames_received >= 0),
        frames_recorded INTEGER NOT NULL CHECK (frames_recorded >= 0),
        end_cause TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX run_of_stream ON run (camera, stream, started_ns)",
    "CREATE INDEX run_unended ON run (run) WHERE ended_ns IS NULL",
    """
    CREATE TABLE segment (
        segment TEXT NOT NULL PRIMARY KEY,
        camera TEXT NOT NULL CHECK (length(camera) BETWEEN 1 AND 32 AND camera NOT GLOB '*[^a-z0-9-]*'),
        stream TEXT NOT NULL CHECK (stream IN ('main', 'sub')),
        run TEXT NOT NULL REFERENCES run (run),
        volume TEXT NOT NULL REFERENCES volume (volume),
        path TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('open', 'closed')),
        start_ns INTEGER NOT NULL,
        end_ns INTEGER,
        sequence INTEGER UNIQUE,
        codec TEXT,
        width INTEGER,
        height INTEGER,
        frames INTEGER,
        size_bytes INTEGER,
        sha256 BLOB,
        part_sha256s BLOB,
        time_base_numerator INTEGER,
        time_base_denominator INTEGER,
        start_ticks INTEGER,
        init_bytes INTEGER,
        gops BLOB,
        adopted INTEGER NOT NULL DEFAULT 0 CHECK (adopted IN (0, 1)),
        UNIQUE (volume, path),
        CHECK (
            (state = 'open' AND end_ns IS NULL AND sequence IS NULL AND size_bytes IS NULL AND sha256 IS NULL)
            OR (state = 'closed' AND end_ns > start_ns AND sequence > 0 AND frames > 0 AND size_bytes > 0
                AND length(sha256) = 32 AND length(part_sha256s) > 0 AND length(part_sha256s) % 32 = 0
                AND codec IS NOT NULL AND width > 0 AND height > 0
                AND time_base_numerator > 0 AND time_base_denominator > 0
                AND start_ticks IS NOT NULL AND init_bytes > 0 AND length(gops) > 0)
        )
    ) STRICT
    """,
    "CREATE UNIQUE INDEX segment_open ON segment (camera, stream) WHERE state = 'open'",
    "CREATE INDEX segment_of_stream ON segment (camera, stream, start_ns)",
    "CREATE INDEX segment_by_time ON segment (start_ns, segment)",
    "CREATE INDEX segment_of_run ON segment (run)",
    """
    CREATE TABLE gap (
        gap INTEGER NOT NULL PRIMARY KEY,
        camera TEXT NOT NULL CHECK (length(camera) BETWEEN 1 AND 32 AND camera NOT GLOB '*[^a-z0-9-]*'),
        stream TEXT NOT NULL CHECK (stream IN ('main', 'sub')),
        start_ns INTEGER NOT NULL,
        end_ns INTEGER,
        cause TEXT NOT NULL,
        detail TEXT NOT NULL,
        CHECK (end_ns IS NULL OR end_ns > start_ns),
        UNIQUE (camera, stream, start_ns)
    ) STRICT
    """,
    "CREATE UNIQUE INDEX gap_open ON gap (camera, stream) WHERE end_ns IS NULL",
    "CREATE INDEX gap_by_time ON gap (start_ns, gap)",
    """
    CREATE TABLE garbage (
        segment TEXT NOT NULL PRIMARY KEY,
        volume TEXT NOT NULL REFERENCES volume (volume),
        path TEXT NOT NULL,
        reason TEXT NOT NULL,
        UNIQUE (volume, path)
    ) STRICT
    """,
    "CREATE TABLE counter (name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL) STRICT",
    "INSERT INTO counter (name, value) VALUES ('sequence', 0), ('full_scan_due', 1)",
    *(
        _guard(
            f"segment_over_{other}_{verb}",
            f"BEFORE {verb} ON segment",
            condition,
            f"it overlaps {article} of the stream",
        )
        for verb in ("INSERT", "UPDATE")
        for other, article, condition in (
            ("segment", "another segment", _reaches("segment", _OTHER_SEGMENT, _NEW_END, str(_FOREVER))),
            ("gap", "a gap", _reaches("gap", _COUNTING_GAP, _NEW_END, str(_FOREVER))),
        )
    ),
    *(
        _guard(f"gap_over_{other}_{verb}", f"BEFORE {verb} ON gap", condition, f"it overlaps {article} of the stream")
        for verb in ("INSERT", "UPDATE")
        for other, article, condition in (
            ("gap", "another gap", _reaches("gap", _OTHER_GAP, _NEW_END, str(_FOREVER))),
            ("segment", "a segment", _reaches("segment", _COUNTING_SEGMENT, _NEW_END, "start_ns + 1")),
        )
    ),
)

_VOLUME_IDENTITIES = ("ALTER TABLE volume ADD COLUMN identity TEXT",)
"""What the marker at a volume's root says; NULL until it has one."""

_VERIFICATION = (
    # Without CHECK and index, for which SQLite would read the whole table at the first start of this release.
    "ALTER TABLE segment ADD COLUMN unverified INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE segment ADD COLUMN altered INTEGER NOT NULL DEFAULT 0",
    "INSERT INTO counter (name, value) VALUES ('unverified_until', 0)",
)
"""`unverified`: the row was made from the file's trailer and nobody has hashed the file since; such rows have the
sequences up to `unverified_until`, and get another one when they are verified. `altered`: the file's bytes turned out
not to be those that its trailer was made for.
"""

_COUNTED_RUNS = (
    "ALTER TABLE run ADD COLUMN counted_until_ns INTEGER",
    *(
        f"CREATE TRIGGER run_counted_{verb} AFTER {verb}{columns} ON run BEGIN UPDATE run SET counted_until_ns = "
        "coalesce((SELECT start_ns FROM segment WHERE camera = NEW.camera AND stream = NEW.stream AND state = 'closed' "
        "ORDER BY start_ns DESC LIMIT 1), NEW.started_ns - 1) WHERE run = NEW.run; END"
        for verb, columns in (("INSERT", ""), ("UPDATE", " OF frames_recorded"))
    ),
)
"""The start of the last segment whose frames are counted in a run, so that start-up need not add up a run of a year."""

# An open row lasts until what is misdated begins: where the stream's present goes on in front of it.
_MISDATED_START = (
    "(SELECT start_ns FROM misdated WHERE camera = NEW.camera AND stream = NEW.stream AND start_ns > {after})"
)
_NEW_OPEN_END = f"coalesce(NEW.end_ns, {_MISDATED_START.format(after='NEW.start_ns')}, {_FOREVER})"


def _open_end(table: str) -> str:
    return f"coalesce({_MISDATED_START.format(after=f'{table}.start_ns')}, {_FOREVER})"


_TIME = (
    "ALTER TABLE run ADD COLUMN anchor_source TEXT",
    "ALTER TABLE run ADD COLUMN clock_offset_ns INTEGER",
    "ALTER TABLE run ADD COLUMN anchor_uncertainty_ns INTEGER",
    """
    CREATE TABLE misdated (
        camera TEXT NOT NULL CHECK (length(camera) BETWEEN 1 AND 32 AND camera NOT GLOB '*[^a-z0-9-]*'),
        stream TEXT NOT NULL CHECK (stream IN ('main', 'sub')),
        start_ns INTEGER NOT NULL,
        PRIMARY KEY (camera, stream)
    ) STRICT
    """,
    *(
        f"DROP TRIGGER {table}_over_{other}_{verb}"
        for verb in ("INSERT", "UPDATE")
        for table in ("segment", "gap")
        for other in ("segment", "gap")
    ),
    *(
        _guard(
            f"segment_over_{other}_{verb}",
            f"BEFORE {verb} ON segment",
            condition,
            f"it overlaps {article} of the stream",
        )
        for verb in ("INSERT", "UPDATE")
        for other, article, condition in (
            ("segment", "another segment", _reaches("segment", _OTHER_SEGMENT, _NEW_OPEN_END, _open_end("segment"))),
            ("gap", "a gap", _reaches("gap", _COUNTING_GAP, _NEW_OPEN_END, _open_end("gap"))),
        )
    ),
    *(
        _guard(f"gap_over_{other}_{verb}", f"BEFORE {verb} ON gap", condition, f"it overlaps {article} of the stream")
        for verb in ("INSERT", "UPDATE")
        for other, article, condition in (
            ("gap", "another gap", _reaches("gap", _OTHER_GAP, _NEW_OPEN_END, _open_end("gap"))),
            ("segment", "a segment", _reaches("segment", _COUNTING_SEGMENT, _NEW_OPEN_END, "start_ns + 1")),
        )
    ),
)
"""How sure a run's wall time is; and where the part of a stream's record begins that a wrong clock dated ahead.

The guards are made anew for that: they let what is recorded now go on in front of it, and refuse what they refused.
"""

_RETENTION = (
    """
    CREATE TABLE bookmark (
        bookmark TEXT NOT NULL PRIMARY KEY,
        camera TEXT NOT NULL CHECK (length(camera) BETWEEN 1 AND 32 AND camera NOT GLOB '*[^a-z0-9-]*'),
        start_ns INTEGER NOT NULL,
        end_ns INTEGER NOT NULL CHECK (end_ns > start_ns),
        note TEXT NOT NULL,
        created_ns INTEGER NOT NULL
    ) STRICT
    """,
    "CREATE INDEX bookmark_of_camera ON bookmark (camera, start_ns)",
    """
    CREATE TABLE early_deletion (
        early_deletion INTEGER NOT NULL PRIMARY KEY,
        camera TEXT NOT NULL CHECK (length(camera) BETWEEN 1 AND 32 AND camera NOT GLOB '*[^a-z0-9-]*'),
        stream TEXT NOT NULL CHECK (stream IN ('main', 'sub')),
        start_ns INTEGER NOT NULL,
        end_ns INTEGER NOT NULL CHECK (end_ns > start_ns),
        segments INTEGER NOT NULL CHECK (segments > 0),
        size_bytes INTEGER NOT NULL CHECK (size_bytes > 0),
        is_lost INTEGER NOT NULL CHECK (is_lost IN (0, 1)),
        reason TEXT NOT NULL,
        deleted_ns INTEGER NOT NULL
    ) STRICT
    """,
    "CREATE INDEX early_deletion_of_stream ON early_deletion (camera, stream, is_lost, end_ns)",
    "CREATE INDEX early_deletion_lost ON early_deletion (deleted_ns) WHERE is_lost = 1",
)
"""`bookmark`: spans of a camera's footage that people want to keep. `early_deletion`: footage that was deleted before
its age, joined over segments that follow each other; `is_lost` tells that nobody had uploaded it.
"""

_IMPORTS = (
    """
    CREATE TABLE import (
        camera TEXT NOT NULL CHECK (length(camera) BETWEEN 1 AND 32 AND camera NOT GLOB '*[^a-z0-9-]*'),
        path TEXT NOT NULL,
        size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),
        mtime_ns INTEGER NOT NULL,
        sha256 BLOB CHECK (length(sha256) = 32),
        state TEXT NOT NULL,
        reason TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        start_ns INTEGER,
        first_segment TEXT,
        last_segment TEXT,
        next_volume TEXT,
        next_path TEXT,
        PRIMARY KEY (camera, path, size_bytes, mtime_ns),
        CHECK ((next_volume IS NULL) = (next_path IS NULL))
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX import_content ON import (camera, sha256)",
    "CREATE INDEX import_under_way ON import (camera) WHERE next_path IS NOT NULL",
)
"""Foreign files that were imported or refused, by their name, size and time of change; see `imports`."""

_MODES = (
    "CREATE TABLE motion_segment (segment TEXT NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID",
    "CREATE TRIGGER motion_segment_gone AFTER DELETE ON segment "
    "BEGIN DELETE FROM motion_segment WHERE segment = OLD.segment; END",
)
"""The segments whose footage is of the class `motion`; all others are `continuous`, which is kept longer.

A table of its own, because a column would come after the blobs of a row: to read it, they would be read too.
"""

_VERSION_2 = (
    *(*_VOLUME_IDENTITIES, *_VERIFICATION, *_COUNTED_RUNS, *ROLL_UPS, *_TIME),
    *(*_RETENTION, *_IMPORTS, *_MODES),
)

CAPTURE = Schema("capture", (_VERSION_1, _VERSION_2))

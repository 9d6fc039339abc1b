"""The schema of sync.db and its migrations, which only add."""

from __future__ import annotations

from components.shared.catalogue.database import Schema

_VERSION_1 = (
    """
    CREATE TABLE upload (
        number INTEGER NOT NULL PRIMARY KEY,
        key TEXT NOT NULL UNIQUE CHECK (length(key) BETWEEN 1 AND 1024),
        kind TEXT NOT NULL,
        camera TEXT NOT NULL,
        segment TEXT NOT NULL,
        volume TEXT NOT NULL,
        path TEXT NOT NULL,
        size_bytes INTEGER NOT NULL CHECK (size_bytes > 0),
        sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
        part_sha256s BLOB NOT NULL CHECK (length(part_sha256s) % 32 = 0),
        metadata TEXT NOT NULL,
        priority INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('queued', 'uploaded', 'refused')),
        attempts INTEGER NOT NULL CHECK (attempts >= 0),
        not_before_ns INTEGER NOT NULL,
        upload_id TEXT,
        etag TEXT,
        enqueued_ns INTEGER NOT NULL,
        uploaded_ns INTEGER,
        last_error TEXT,
        CHECK (state <> 'uploaded' OR (etag IS NOT NULL AND uploaded_ns IS NOT NULL))
    ) STRICT
    """,
    "CREATE INDEX upload_due ON upload (priority, number, not_before_ns) WHERE state = 'queued'",
    "CREATE INDEX upload_backlog ON upload (size_bytes) WHERE state = 'queued'",
    "CREATE INDEX upload_of_segment ON upload (segment)",
    """
    CREATE TABLE upload_part (
        key TEXT NOT NULL REFERENCES upload (key),
        part INTEGER NOT NULL CHECK (part BETWEEN 1 AND 10000),
        etag TEXT NOT NULL,
        PRIMARY KEY (key, part)
    ) STRICT
    """,
    "CREATE TABLE cursor (source TEXT NOT NULL PRIMARY KEY, sequence INTEGER NOT NULL) STRICT",
)

_LINK = ("CREATE INDEX upload_when_uploaded ON upload (uploaded_ns, size_bytes) WHERE state = 'uploaded'",)
"""What the link carries is measured by what was uploaded lately, among all that ever was."""

_VERSION_2 = (*_LINK,)

_CHOICE = (
    "ALTER TABLE upload ADD COLUMN hold TEXT NOT NULL DEFAULT '' CHECK (hold IN ('', 'undecided', 'left_out'))",
    "ALTER TABLE upload ADD COLUMN is_looked_at INTEGER NOT NULL DEFAULT 0 CHECK (is_looked_at IN (0, 1))",
    "ALTER TABLE upload ADD COLUMN rank INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE upload ADD COLUMN ranges TEXT NOT NULL DEFAULT ''",
    "CREATE INDEX upload_next ON upload (priority, rank, number) WHERE state = 'queued' AND hold = ''",
    "CREATE INDEX upload_waiting ON upload (enqueued_ns, size_bytes) WHERE state = 'queued' AND hold = ''",
    "CREATE INDEX upload_held ON upload (number, hold, size_bytes) WHERE state = 'queued' AND hold <> ''",
    "CREATE INDEX upload_of_camera ON upload (camera, number) WHERE state = 'queued'",
    "CREATE INDEX upload_to_look_at ON upload (kind, number) WHERE state = 'queued' AND is_looked_at = 0",
    """
    CREATE TABLE upload_policy (
        camera TEXT NOT NULL PRIMARY KEY,
        policy TEXT NOT NULL CHECK (policy IN ('all', 'events', 'none'))
    ) STRICT
    """,
)
"""What is uploaded at all, and what first: see `sync_choice`."""

_PULLS = (
    """
    CREATE TABLE pull (
        pull TEXT NOT NULL PRIMARY KEY,
        camera TEXT NOT NULL,
        start_ns INTEGER NOT NULL,
        end_ns INTEGER NOT NULL CHECK (end_ns > start_ns),
        asked_ns INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('working', 'done')),
        note TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE pull_object (
        pull TEXT NOT NULL REFERENCES pull (pull),
        key TEXT NOT NULL REFERENCES upload (key),
        PRIMARY KEY (pull, key)
    ) STRICT
    """,
    "CREATE INDEX pull_of_object ON pull_object (key)",
)
"""Footage that somebody in the cloud has asked for: see `pulls`."""

_VERSION_3 = (*_CHOICE, *_PULLS)

SYNC = Schema("sync", (_VERSION_1, _VERSION_2, _VERSION_3))

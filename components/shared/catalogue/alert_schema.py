"""The tables of health.db that hold alerts and what of them the cloud has not acknowledged yet.

One alert of a kind and subject is active at a time. `told` is what of it has been put into the outbox; an alert that
another one tells of (a digest) names it. A notice stays in the outbox, as the bytes that are sent, until it is
acknowledged.
"""

from __future__ import annotations

ALERTS = (
    """
    CREATE TABLE alert (
        number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        alert TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        severity TEXT NOT NULL,
        reason TEXT NOT NULL,
        members TEXT NOT NULL,
        count INTEGER NOT NULL,
        raised_ns INTEGER NOT NULL,
        cleared_ns INTEGER,
        told TEXT NOT NULL,
        digest TEXT,
        raised_acknowledged_ns INTEGER,
        cleared_acknowledged_ns INTEGER
    ) STRICT
    """,
    "CREATE UNIQUE INDEX alert_active ON alert (kind, subject) WHERE cleared_ns IS NULL",
    "CREATE INDEX alert_end_untold ON alert (number) WHERE cleared_ns IS NOT NULL AND told = 'raised'",
    """
    CREATE TABLE outbox (
        number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        notice TEXT NOT NULL UNIQUE,
        alert TEXT NOT NULL REFERENCES alert (alert),
        subject TEXT NOT NULL,
        state TEXT NOT NULL,
        payload BLOB NOT NULL,
        put_ns INTEGER NOT NULL,
        handed_ns INTEGER,
        merged INTEGER NOT NULL DEFAULT 0
    ) STRICT
    """,
    "CREATE INDEX outbox_of_alert ON outbox (alert)",
)

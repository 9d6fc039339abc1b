"""A process that holds something of a catalogue and is stopped while it does.

python tests/faults/catalogue/stopped_child.py read|write OWNER DATA
"""

from __future__ import annotations

import signal
import sqlite3
import sys
from pathlib import Path

from components.shared.catalogue.analysis import ANALYSIS
from components.shared.catalogue.capture_schema import CAPTURE
from components.shared.catalogue.database import catalogue_path, open_for_writing
from components.shared.catalogue.health import HEALTH
from components.shared.catalogue.sync import SYNC

SCHEMAS = {schema.owner: schema for schema in (CAPTURE, ANALYSIS, SYNC, HEALTH)}


def ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    signal.pause()


def hold_a_read(data: Path, owner: str) -> None:
    """What our reader never does: a statement that has begun and does not end."""
    connection = sqlite3.connect(f"file:{catalogue_path(data, owner)}?mode=ro", uri=True, isolation_level=None)
    statement = connection.execute("SELECT value FROM counter UNION ALL SELECT value FROM counter")
    statement.fetchone()
    ready()
    statement.fetchall()


def hold_a_write(data: Path, owner: str) -> None:
    database = open_for_writing(data, SCHEMAS[owner])
    with database.transaction("never ends"):
        ready()


if __name__ == "__main__":
    {"read": hold_a_read, "write": hold_a_write}[sys.argv[1]](Path(sys.argv[3]), sys.argv[2])

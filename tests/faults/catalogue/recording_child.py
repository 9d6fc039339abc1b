"""A small recorder to be killed: repairs, then records and deletes for ever, telling on stdout what is closed.

python tests/faults/catalogue/recording_child.py DATA
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from components.shared.catalogue.reconcile import delete_garbage, reconcile
from components.shared.wire.segment_file import facts_from_file
from components.shared.wire.units import WallNs
from tests.fakes.archive import START_NS, Archive

SEGMENTS_KEPT = 6
PIECE_BYTES = 20_000


def main(data: Path) -> None:
    archive = Archive(data)
    reconcile(archive.writer)
    while True:
        for camera in ("cam-1", "cam-2"):
            start_ns = archive.writer.record_end_ns(camera, "main") or START_NS
            row = archive.open(WallNs(start_ns), camera)
            whole = archive.file_of(row)
            path = archive.put(row, b"")
            with path.open("ab", buffering=0) as file:
                for at in range(0, len(whole), PIECE_BYTES):
                    file.write(whole[at : at + PIECE_BYTES])
                os.fsync(file.fileno())
            facts, part_sha256s, _ = facts_from_file([whole])
            archive.writer.close_segment(row.segment, facts, part_sha256s)
            sys.stdout.write(f"{row.segment}\n")
            sys.stdout.flush()
            for old in archive.writer.segments(camera, state="closed")[:-SEGMENTS_KEPT]:
                archive.writer.mark_garbage(old.segment, "retention")
            for garbage in archive.writer.garbage():
                delete_garbage(archive.writer, garbage)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

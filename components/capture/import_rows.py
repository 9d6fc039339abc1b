"""What importing files needs of the catalogue beside the rows of its stream, as a protocol.

Two keep it, as with `stream_rows`: `Imports`, in the process that owns the catalogue, and `RemoteImports`, which asks
that process. One suite proves both, tests/contract/stream_rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from components.shared.catalogue.capture import RunRow, SegmentRow
from components.shared.catalogue.imports import FileKey, ImportRow
from components.shared.catalogue.reconcile import Repair
from components.shared.wire.object_keys import StreamName
from components.shared.wire.segment_metadata import SegmentFacts
from components.shared.wire.units import Span, WallNs


class ImportRows(Protocol):
    """The rows of imports; see the module, and `Imports` for each method."""

    def by_name(self, key: FileKey) -> ImportRow | None: ...

    def was_other(self, key: FileKey) -> bool: ...

    def by_content(self, camera: str, sha256: str) -> ImportRow | None: ...

    def taken(self, camera: str, stream: StreamName, window: Span) -> list[Span]: ...

    def put(self, row: ImportRow) -> None: ...

    def intend(self, key: FileKey, row: SegmentRow) -> None: ...

    def forget_intent(self, key: FileKey) -> None: ...

    def record(
        self, key: FileKey, row: SegmentRow, run: RunRow, facts: SegmentFacts, part_sha256s: Sequence[str]
    ) -> int: ...

    def extend_record(self, camera: str, stream: StreamName, start_ns: WallNs) -> None: ...

    def is_garbage(self, segment: str) -> bool: ...

    def repair(self, camera: str) -> list[Repair]: ...

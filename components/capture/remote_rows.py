"""The catalogue as a crew sees it: every method is a call to the keeper, which owns it.

`answering` is the other end: the keeper's table of what may be called.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from components.capture.calls import Caller, Table
from components.capture.hints import GivesHints
from components.capture.import_rows import ImportRows
from components.capture.stream_rows import StreamRows
from components.shared.catalogue.capture import GapRow, RunFrames, RunRow, SegmentRow, StreamRow, Volume
from components.shared.catalogue.imports import FileKey, ImportRow
from components.shared.catalogue.reconcile import Repair
from components.shared.wire.messages import Body
from components.shared.wire.object_keys import StreamName
from components.shared.wire.recording_config import SpanMode
from components.shared.wire.segment_metadata import SegmentFacts
from components.shared.wire.units import Span, WallNs

ROWS_CALLS = (
    *("volumes", "streams", "set_stream", "remove_stream", "begin_run", "update_run", "end_run", "run"),
    *("open_segment", "keep_longer", "close_segment", "adopt_segment", "discard_segment", "segment"),
    *("open_segments", "beside", "file_path", "begin_gap", "end_gap", "add_gap", "gaps", "record_end_ns"),
    *("set_run_clock", "misdated_ns", "part_from_future", "rejoin_future", "skip_to"),
)
"""The methods of StreamRows."""

IMPORT_CALLS = (
    *("by_name", "was_other", "by_content", "taken", "put", "intend", "forget_intent", "record", "extend_record"),
    *("is_garbage", "repair"),
)
"""The methods of ImportRows; they are called `import_...`."""


def answering(rows: StreamRows, imports: ImportRows, hints: GivesHints) -> Table:
    """What a crew may call: rows, those of imports, and hints."""
    return {
        **{name: getattr(rows, name) for name in ROWS_CALLS},
        **{f"import_{name}": getattr(imports, name) for name in IMPORT_CALLS},
        "give": hints.give,
    }


class RemoteHints:
    """Gives hints to the keeper, which sends them."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def give(self, body: Body) -> None:
        """See Hints."""
        self._caller.call("give", body)


class RemoteRows:
    """StreamRows of another process; any thread may call."""

    def __init__(self, caller: Caller) -> None:
        self._call = caller.call

    def volumes(self) -> list[Volume]:
        return cast(list[Volume], self._call("volumes"))

    def streams(self) -> list[StreamRow]:
        return cast(list[StreamRow], self._call("streams"))

    def set_stream(self, row: StreamRow) -> None:
        self._call("set_stream", row)

    def remove_stream(self, camera: str, stream: StreamName) -> None:
        self._call("remove_stream", camera, stream)

    def begin_run(self, row: RunRow) -> None:
        self._call("begin_run", row)

    def update_run(self, run: str, frames_received: int, frames_recorded: int) -> None:
        self._call("update_run", run, frames_received, frames_recorded)

    def end_run(self, run: str, ended_ns: WallNs, end_cause: str) -> None:
        self._call("end_run", run, ended_ns, end_cause)

    def run(self, run: str) -> RunRow | None:
        return cast(RunRow | None, self._call("run", run))

    def open_segment(self, row: SegmentRow, mode: SpanMode = "continuous") -> None:
        self._call("open_segment", row, mode)

    def keep_longer(self, segment: str) -> None:
        self._call("keep_longer", segment)

    def close_segment(
        self,
        segment: str,
        facts: SegmentFacts,
        part_sha256s: Sequence[str],
        adopted: bool = False,
        run_frames: RunFrames | None = None,
    ) -> int:
        return cast(int, self._call("close_segment", segment, facts, part_sha256s, adopted, run_frames))

    def adopt_segment(self, row: SegmentRow, run: RunRow, facts: SegmentFacts, part_sha256s: Sequence[str]) -> int:
        return cast(int, self._call("adopt_segment", row, run, facts, part_sha256s))

    def discard_segment(self, segment: str) -> None:
        self._call("discard_segment", segment)

    def segment(self, segment: str) -> SegmentRow | None:
        return cast(SegmentRow | None, self._call("segment", segment))

    def open_segments(self) -> list[SegmentRow]:
        return cast(list[SegmentRow], self._call("open_segments"))

    def beside(self, row: SegmentRow) -> tuple[WallNs | None, WallNs | None]:
        return cast(tuple[WallNs | None, WallNs | None], self._call("beside", row))

    def file_path(self, row: SegmentRow) -> Path:
        return cast(Path, self._call("file_path", row))

    def begin_gap(self, camera: str, stream: StreamName, start_ns: WallNs, cause: str, detail: str = "") -> None:
        self._call("begin_gap", camera, stream, start_ns, cause, detail)

    def end_gap(self, camera: str, stream: StreamName, end_ns: WallNs) -> bool:
        return cast(bool, self._call("end_gap", camera, stream, end_ns))

    def add_gap(self, row: GapRow) -> None:
        self._call("add_gap", row)

    def gaps(
        self,
        camera: str | None = None,
        since_ns: int | None = None,
        until_ns: int | None = None,
        stream: StreamName | None = None,
    ) -> list[GapRow]:
        return cast(list[GapRow], self._call("gaps", camera, since_ns, until_ns, stream))

    def record_end_ns(self, camera: str, stream: StreamName) -> WallNs | None:
        return cast(WallNs | None, self._call("record_end_ns", camera, stream))

    def set_run_clock(self, run: str, source: str, offset_ns: int | None, uncertainty_ns: int) -> None:
        self._call("set_run_clock", run, source, offset_ns, uncertainty_ns)

    def misdated_ns(self, camera: str, stream: StreamName) -> WallNs | None:
        return cast(WallNs | None, self._call("misdated_ns", camera, stream))

    def part_from_future(self, camera: str, stream: StreamName, now_ns: WallNs) -> bool:
        return cast(bool, self._call("part_from_future", camera, stream, now_ns))

    def rejoin_future(self, camera: str, stream: StreamName, at_ns: WallNs) -> bool:
        return cast(bool, self._call("rejoin_future", camera, stream, at_ns))

    def skip_to(self, camera: str, stream: StreamName, until_ns: WallNs) -> None:
        self._call("skip_to", camera, stream, until_ns)


class RemoteImports:
    """ImportRows of another process; any thread may call."""

    def __init__(self, caller: Caller) -> None:
        self._call = caller.call

    def by_name(self, key: FileKey) -> ImportRow | None:
        return cast(ImportRow | None, self._call("import_by_name", key))

    def was_other(self, key: FileKey) -> bool:
        return cast(bool, self._call("import_was_other", key))

    def by_content(self, camera: str, sha256: str) -> ImportRow | None:
        return cast(ImportRow | None, self._call("import_by_content", camera, sha256))

    def taken(self, camera: str, stream: StreamName, window: Span) -> list[Span]:
        return cast(list[Span], self._call("import_taken", camera, stream, window))

    def put(self, row: ImportRow) -> None:
        self._call("import_put", row)

    def intend(self, key: FileKey, row: SegmentRow) -> None:
        self._call("import_intend", key, row)

    def forget_intent(self, key: FileKey) -> None:
        self._call("import_forget_intent", key)

    def record(
        self, key: FileKey, row: SegmentRow, run: RunRow, facts: SegmentFacts, part_sha256s: Sequence[str]
    ) -> int:
        return cast(int, self._call("import_record", key, row, run, facts, part_sha256s))

    def extend_record(self, camera: str, stream: StreamName, start_ns: WallNs) -> None:
        self._call("import_extend_record", camera, stream, start_ns)

    def is_garbage(self, segment: str) -> bool:
        return cast(bool, self._call("import_is_garbage", segment))

    def repair(self, camera: str) -> list[Repair]:
        return cast(list[Repair], self._call("import_repair", camera))

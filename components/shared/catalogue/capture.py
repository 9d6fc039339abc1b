"""capture.db: volumes, streams, runs, segments, gaps and garbage. Capture writes it, everybody reads it.

The writer keeps, whatever order it is called in:

- A segment's row is `open` before its first byte and `closed` with all its facts; closing what is not open is Fatal.
- The segments and gaps of a stream never overlap (the schema refuses it), and what comes next begins at or after
  `record_end_ns` of its stream, whatever the wall clock says by then: a clock that stepped back overwrites nothing.
  Only when the record turns out to be dated ahead (see `misdated`) does it go on in front of what is misdated.
- Recorded + gaps stay what they were when footage is deleted: the span of a segment that becomes garbage becomes a
  gap with the cause `policy`, joined with the one before it, so that the record stays whole and the rows few.
- A method that start-up may repeat does nothing the second time.

It knows nothing of files: what must be on disk before a row changes is its caller's to do, and start-up's to check.
"""
# ruff: noqa: S608 - statements are put together from constants of this package; values are always bound

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from components.shared.catalogue import capture_rows as rows
from components.shared.catalogue import misdated, roll_ups
from components.shared.catalogue.analysis import analysed_sequence
from components.shared.catalogue.capture_reader import RECORD_END, SELECT_SEGMENT, CaptureReader, Filed
from components.shared.catalogue.capture_rows import (
    GAP_CAUSES,
    GapCause,
    GapRow,
    GarbageRow,
    RunRow,
    SegmentRow,
    SegmentState,
    StreamRow,
    Volume,
    open_row,
)
from components.shared.catalogue.capture_schema import CAPTURE
from components.shared.catalogue.database import Do, open_for_writing
from components.shared.catalogue.sync import swept_sequence
from components.shared.errors import Fatal, NvrError, Transient
from components.shared.wire.object_keys import StreamName
from components.shared.wire.recording_config import SpanMode
from components.shared.wire.segment_metadata import SegmentFacts
from components.shared.wire.units import NS_PER_S, Span, WallNs

__all__ = [
    "GAP_CAUSES",
    "CaptureReader",
    "CaptureWriter",
    "Filed",
    "GapCause",
    "GapRow",
    "GarbageRow",
    "RunFrames",
    "RunRow",
    "SegmentRow",
    "SegmentState",
    "StreamRow",
    "Volume",
    "open_row",
    "subtract",
]

_FRAMES = (
    # A run that the release before began does not say how far it is counted: all of its segments are added up.
    "CASE WHEN counted_until_ns IS NULL "
    "THEN max(frames_recorded, (SELECT coalesce(sum(frames), 0) FROM segment WHERE run = ?1)) ELSE frames_recorded + "
    "(SELECT coalesce(sum(frames), 0) FROM segment WHERE camera = run.camera AND stream = run.stream "
    "AND start_ns > counted_until_ns AND +run = ?1) END"
)
"""The frames in the closed segments of the run ?1; those of deleted ones stay counted."""

RunFrames = tuple[int, int]
"""The frames of a run so far: received, recorded."""

_SELECT_GAP = f"SELECT {rows.GAP_COLUMNS} FROM gap"


class CaptureWriter(CaptureReader):
    """Writes capture.db; Capture alone has one. Any thread may call; every call is one durable transaction."""

    @classmethod
    def open(cls, data: Path, at: Path | None = None) -> CaptureWriter:
        """The file is created and migrated as needed. Transient while another process has it.

        The sequences of a new file go on where others have swept those of a lost one, so that their cursors hold.
        `at` is the data root in which the file is made, for one that is to be moved to `data` when it is complete.
        """
        writer = cls(open_for_writing(at or data, CAPTURE), data)
        try:
            if writer.last_sequence() == 0:
                writer.database.number_on("sequence", max(swept_sequence(data), analysed_sequence(data)))
        except NvrError:
            writer.close()
            raise
        return writer

    def register_volume(self, volume: Volume) -> None:
        """Makes a volume known, or its new place. A root inside the data root is kept relative to it."""
        rows.check_volume(volume)
        data, root = (os.path.abspath(path) for path in (self._data, volume.root))  # noqa: PTH100 - links are kept
        kept = os.path.relpath(root, data) if Path(root).is_relative_to(data) else root
        sql = "INSERT INTO volume (volume, root) VALUES (?, ?) ON CONFLICT (volume) DO UPDATE SET root = excluded.root"
        with self._database.transaction(f"register volume {volume.volume}") as do:
            do(sql, volume.volume, kept)

    def set_identity(self, volume: str, identity: str) -> None:
        """What the marker at the root of a volume says. Fatal for one that is not registered."""
        sql = "UPDATE volume SET identity = ? WHERE volume = ? RETURNING volume"
        with self._database.transaction(f"identify volume {volume}") as do:
            if not do(sql, identity, volume):
                raise Fatal(f"volume {volume!r} is not registered: it cannot have an identity")

    def set_stream(self, row: StreamRow) -> None:
        """Writes a stream's state, whatever it was."""
        rows.check_stream(row)
        sql = f"INSERT OR REPLACE INTO stream ({rows.STREAM_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
        values = (row.camera, row.stream, row.state, rows.short(row.cause), row.since_ns, row.failures)
        with self._database.transaction(f"camera {row.camera}, set stream") as do:
            do(sql, *values, row.enabled_since_ns)

    def remove_stream(self, camera: str, stream: StreamName) -> None:
        """Forgets a stream that is no longer configured; its footage and gaps stay."""
        with self._database.transaction(f"camera {camera}, remove stream") as do:
            do("DELETE FROM stream WHERE camera = ? AND stream = ?", camera, stream)

    def begin_run(self, row: RunRow) -> None:
        """A new run; beginning the same one again does nothing."""
        rows.check_run(row)
        with self._database.transaction(f"camera {row.camera}, begin run {row.run}") as do:
            _insert_run(do, row)

    def set_run_clock(self, run: str, source: str, offset_ns: int | None, uncertainty_ns: int) -> None:
        """By what a run's wall time is known by now; nothing happens for a run that does not exist."""
        sql = "UPDATE run SET anchor_source = ?, clock_offset_ns = ?, anchor_uncertainty_ns = ? WHERE run = ?"
        with self._database.transaction(f"set clock of run {run}") as do:
            do(sql, source, offset_ns, uncertainty_ns, run)

    def update_run(self, run: str, frames_received: int, frames_recorded: int) -> None:
        """The frames so far. Fatal for a run that does not exist."""
        with self._database.transaction(f"update run {run}") as do:
            _count_frames(do, run, (frames_received, frames_recorded))

    def end_run(self, run: str, ended_ns: WallNs, end_cause: str) -> None:
        """Ends a run; ending it again does nothing. Fatal for a run that does not exist."""
        sql = "UPDATE run SET ended_ns = coalesce(ended_ns, ?), end_cause = CASE WHEN ended_ns IS NULL THEN ? ELSE "
        with self._database.transaction(f"end run {run}") as do:
            if not do(f"{sql} end_cause END WHERE run = ? RETURNING run", ended_ns, rows.short(end_cause), run):
                raise Fatal(f"run {run} is not in the catalogue: it cannot end")

    def end_cut_off_run(self, run: str) -> None:
        """Ends a run that a crash cut off where its footage ends. For start-up, when nothing is recorded yet.

        Only the segments that were closed after its frames were last counted are added up, however long it lasted.
        """
        last = (
            "(SELECT end_ns FROM segment WHERE camera = run.camera AND stream = run.stream AND +run = ?1 "
            "AND start_ns >= run.started_ns ORDER BY start_ns DESC LIMIT 1)"
        )
        sql = (
            f"UPDATE run SET ended_ns = max(started_ns, coalesce({last}, 0)), frames_recorded = {_FRAMES}, "
            f"frames_received = max(frames_received, {_FRAMES}), end_cause = 'component_down' "
            "WHERE run = ?1 AND ended_ns IS NULL"
        )
        with self._database.transaction(f"end run {run}") as do:
            do(sql, run)

    def open_segment(self, row: SegmentRow, mode: SpanMode = "continuous") -> None:
        """The row of a segment whose file is about to be made; its run and volume must be known. See `open_row`.

        `mode` is the class of its footage.

        Transient when it would begin before `record_end_ns`: the wall clock stepped back, and will come there again.
        """
        rows.check_open(row)
        with self._database.transaction(_step(row, "open segment")) as do:
            known = do("SELECT segment FROM segment WHERE camera = ? AND stream = ? AND state = 'open'", *_stream(row))
            if known:
                raise Fatal(f"camera {row.camera}, segment {row.segment}: {known[0][0]} is still open")
            misdated.rejoin(do, row.camera, row.stream, row.start_ns)
            end_ns = do(RECORD_END, *_stream(row))[0][0]
            if end_ns is not None and end_ns > row.start_ns:
                behind = f"{(end_ns - row.start_ns) / NS_PER_S:.3f} s before the record of its stream ends"
                raise Transient(f"camera {row.camera}, segment {row.segment} begins {behind}: a clock stepped back")
            _insert_open(do, row)
            if mode == "motion":
                do("INSERT INTO motion_segment (segment) VALUES (?)", row.segment)

    def keep_longer(self, segment: str) -> None:
        """From now on the segment is of the class `continuous`. One that is already, or gone, stays what it is."""
        with self._database.transaction(f"keep segment {segment} longer") as do:
            do("DELETE FROM motion_segment WHERE segment = ?", segment)

    def close_segment(
        self,
        segment: str,
        facts: SegmentFacts,
        part_sha256s: Sequence[str],
        adopted: bool = False,
        run_frames: RunFrames | None = None,
    ) -> int:
        """Closes an open segment whose file is complete and synced; gives its sequence number. Fatal if not open.

        `run_frames` are those of its run so far, this segment's included, written with it.
        """
        with self._database.transaction(f"close segment {segment}") as do:
            sequence = _close(do, segment, facts, part_sha256s, adopted)
            if run_frames is not None:
                _count_frames(do, facts.run, run_frames)
            return sequence

    def adopt_segment(
        self,
        row: SegmentRow,
        run: RunRow,
        facts: SegmentFacts,
        part_sha256s: Sequence[str],
        adopted: bool = True,
        also: Callable[[Do], object] = lambda _do: None,
    ) -> int:
        """Closes `row`, open or not there yet, for a file that start-up found; footage wins over what gaps say.

        Its run is made when it is unknown. Gaps give way to the footage. Overlapping another segment is Fatal: the
        caller has looked. `also` is done in the same transaction.
        """
        rows.check_open(row)
        rows.check_run(run)
        rows.check_facts(row, facts, part_sha256s)
        with self._database.transaction(_step(row, "adopt segment")) as do:
            _insert_run(do, run)
            _make_room(do, row.camera, row.stream, Span(facts.start_ns, facts.end_ns))
            also(do)
            if do("SELECT 1 FROM segment WHERE segment = ?", row.segment):
                return _close(do, row.segment, facts, part_sha256s, adopted)
            return _insert_closed(do, row, facts, part_sha256s, adopted)

    def discard_segment(self, segment: str) -> None:
        """Forgets an open segment in whose file nothing was written; Fatal for a closed one."""
        with self._database.transaction(f"discard segment {segment}") as do:
            found = do("SELECT state FROM segment WHERE segment = ?", segment)
            if found and found[0][0] != "open":
                raise Fatal(f"segment {segment} is {found[0][0]}: only an open one can be discarded")
            do("DELETE FROM segment WHERE segment = ?", segment)

    def verify_segment(self, segment: str, sha256: str, part_sha256s: Sequence[str], altered: bool) -> None:
        """Gives an unverified segment the hashes of its file and a new number; one that is verified, or gone, stays."""
        with self._database.transaction(f"verify segment {segment}") as do:
            if not do("SELECT 1 FROM segment WHERE segment = ? AND unverified = 1", segment):
                return
            do(
                "UPDATE segment SET unverified = 0, altered = ?, sequence = ?, sha256 = ?, part_sha256s = ? "
                "WHERE segment = ?",
                *(int(altered), _next_sequence(do), bytes.fromhex(sha256), rows.pack_hashes(part_sha256s), segment),
            )

    def begin_gap(self, camera: str, stream: StreamName, start_ns: WallNs, cause: str, detail: str = "") -> None:
        """From `start_ns` on, but not before the record ends, nothing is recorded for this cause.

        While a gap is open, the same cause changes nothing and another one ends it here and begins anew.
        """
        rows.check_gap(camera, cause)
        with self._database.transaction(f"camera {camera}, begin gap ({cause})") as do:
            _begin_gap(do, camera, stream, start_ns, cause, rows.short(detail))

    def end_gap(self, camera: str, stream: StreamName, end_ns: WallNs) -> bool:
        """Ends the open gap, if there is one (the answer). One that would be empty vanishes."""
        with self._database.transaction(f"camera {camera}, end gap") as do:
            if misdated.rejoin(do, camera, stream, end_ns):
                end_ns = max(end_ns, do(RECORD_END, camera, stream)[0][0])
            return _end_gap(do, camera, stream, end_ns)

    def part_from_future(self, camera: str, stream: StreamName, now_ns: WallNs) -> bool:
        """Marks what lies after `now_ns` as misdated, so that the record goes on there; whether that was possible.

        The time between the record of before and `now_ns` becomes a gap with the cause `clock`; an open gap goes on
        there. Not possible while a segment is open, and where the record covers that moment or begins soon after it.
        """
        with self._database.transaction(f"camera {camera}, part from the future") as do:
            return misdated.part(do, camera, stream, now_ns)

    def rejoin_future(self, camera: str, stream: StreamName, at_ns: WallNs) -> bool:
        """The record has come to what is misdated, or will by `at_ns`: it goes on behind it; whether that was so."""
        with self._database.transaction(f"camera {camera}, rejoin the future") as do:
            return misdated.rejoin(do, camera, stream, at_ns)

    def skip_to(self, camera: str, stream: StreamName, until_ns: WallNs) -> None:
        """The clock was put forward: from where the record ends to `until_ns` is a gap with the cause `clock`."""
        with self._database.transaction(f"camera {camera}, skip") as do:
            misdated.rejoin(do, camera, stream, until_ns)
            misdated.fill(do, camera, stream, until_ns, misdated.PUT_FORWARD)

    def add_gap(self, row: GapRow) -> None:
        """A gap that is known as a whole, or with no end the one that begins; adding it again does nothing."""
        rows.check_gap(row.camera, row.cause)
        with self._database.transaction(f"camera {row.camera}, add gap ({row.cause})") as do:
            if row.end_ns is None:
                _begin_gap(do, row.camera, row.stream, row.start_ns, row.cause, rows.short(row.detail))
            else:
                _insert_gap(do, dataclasses.replace(row, detail=rows.short(row.detail)))

    def mark_garbage(self, segment: str, reason: str) -> None:
        """A closed segment becomes garbage and its span a gap; its file may be deleted from now on.

        Marking it again does nothing. Fatal for a segment that is open, or unknown.
        """
        with self._database.transaction(f"mark garbage {segment}") as do:
            put_into_garbage(do, segment, reason)

    def drop_garbage(self, segment: str) -> None:
        """Its file is gone for good. Dropping it again does nothing."""
        with self._database.transaction(f"drop garbage {segment}") as do:
            do("DELETE FROM garbage WHERE segment = ?", segment)

    def recount_roll_ups(self, proceed: Callable[[], bool] = lambda: True) -> None:
        """Counts all roll-ups anew, a week of a stream at a time; `proceed` is asked between them, False breaks off.

        May go on beside recording. From its end on none are due.
        """
        for camera, stream in self.recorded_streams():
            for span in roll_ups.recount_spans(self._database.read, camera, stream):
                if not proceed():
                    return
                with self._database.transaction(f"camera {camera}, count the roll-ups") as do:
                    roll_ups.recount(do, camera, stream, span)
        with self._database.transaction("note the roll-ups") as do:
            do("UPDATE counter SET value = 0 WHERE name = 'roll_ups_due'")

    def set_full_scan_due(self, due: bool) -> None:
        """Whether the next start-up has to look through all files."""
        with self._database.transaction("note the scan") as do:
            do("UPDATE counter SET value = ? WHERE name = 'full_scan_due'", int(due))


def put_into_garbage(do: Do, segment: str, reason: str) -> None:
    """`mark_garbage` as a part of a transaction."""
    if do("SELECT 1 FROM garbage WHERE segment = ?", segment):
        return
    found = do(f"{SELECT_SEGMENT} WHERE segment = ? AND state = 'closed'", segment)
    if not found:
        raise Fatal(f"segment {segment} is not closed: it cannot become garbage")
    row = rows.segment_row(found[0])
    do("DELETE FROM segment WHERE segment = ?", segment)
    sql = f"INSERT INTO garbage ({rows.GARBAGE_COLUMNS}) VALUES (?, ?, ?, ?)"
    do(sql, segment, row.volume, row.path, rows.short(reason))
    _insert_policy_gap(do, row, rows.short(reason))


def subtract(gap: GapRow, footage: Span) -> list[GapRow]:
    """What is left of a gap when there is footage in it: the gap itself, a part before, a part after, or nothing."""
    if gap.start_ns >= footage.end_ns or (gap.end_ns is not None and gap.end_ns <= footage.start_ns):
        return [gap]
    left = []
    if gap.start_ns < footage.start_ns:
        left.append(dataclasses.replace(gap, end_ns=footage.start_ns))
    if gap.end_ns is None or gap.end_ns > footage.end_ns:
        left.append(dataclasses.replace(gap, start_ns=footage.end_ns))
    return left


def _step(row: SegmentRow, step: str) -> str:
    return f"camera {row.camera}, {step} {row.segment}"


def _insert_run(do: Do, row: RunRow) -> None:
    do(f"INSERT OR IGNORE INTO run ({rows.RUN_COLUMNS}) VALUES ({rows.RUN_MARKS})", *rows.run_values(row))


def _stream(row: SegmentRow) -> tuple[str, StreamName]:
    return row.camera, row.stream


def _check_known(do: Do, row: SegmentRow) -> None:
    for table, value in (("volume", row.volume), ("run", row.run)):
        if not do(f"SELECT 1 FROM {table} WHERE {table} = ?", value):
            raise Fatal(f"camera {row.camera}, segment {row.segment}: its {table} {value!r} is not in the catalogue")


def _insert_open(do: Do, row: SegmentRow) -> None:
    _check_known(do, row)
    columns = "segment, camera, stream, run, volume, path, state, start_ns"
    values = (row.segment, row.camera, row.stream, row.run, row.volume, row.path, "open", row.start_ns)
    do(f"INSERT INTO segment ({columns}) VALUES ({_marks(8)})", *values)


def _insert_closed(do: Do, row: SegmentRow, facts: SegmentFacts, part_sha256s: Sequence[str], adopted: bool) -> int:
    """A closed row at once: while its stream is recorded, another of its segments is open."""
    _check_known(do, row)
    sequence = _next_sequence(do)
    do(
        f"INSERT INTO segment ({rows.SEGMENT_COLUMNS}) VALUES ({_marks(25)})",
        *(row.segment, row.camera, row.stream, row.run, row.volume, row.path, "closed", row.start_ns),
        *(facts.end_ns, sequence),
        *rows.facts_values(facts, part_sha256s),
        *(int(adopted), 0, 0),
    )
    return sequence


def _count_frames(do: Do, run: str, frames: RunFrames) -> None:
    sql = "UPDATE run SET frames_received = ?, frames_recorded = ? WHERE run = ? RETURNING run"
    if not do(sql, *frames, run):
        raise Fatal(f"run {run} is not in the catalogue: its frames cannot be counted")


def _next_sequence(do: Do) -> int:
    return int(do("UPDATE counter SET value = value + 1 WHERE name = 'sequence' RETURNING value")[0][0])


def _close(do: Do, segment: str, facts: SegmentFacts, part_sha256s: Sequence[str], adopted: bool) -> int:
    found = do(f"{SELECT_SEGMENT} WHERE segment = ?", segment)
    if not found:
        raise Fatal(f"segment {segment} is not in the catalogue: it cannot be closed")
    row = rows.segment_row(found[0])
    if row.state != "open":
        raise Fatal(f"camera {row.camera}, segment {segment} is {row.state} already: it cannot be closed")
    rows.check_facts(row, facts, part_sha256s)
    sequence = _next_sequence(do)
    do(
        "UPDATE segment SET state = 'closed', end_ns = ?, sequence = ?, adopted = ?, codec = ?, width = ?, height = ?, "
        "frames = ?, size_bytes = ?, sha256 = ?, part_sha256s = ?, time_base_numerator = ?, "
        "time_base_denominator = ?, start_ticks = ?, init_bytes = ?, gops = ? WHERE segment = ?",
        *(facts.end_ns, sequence, int(adopted)),
        *rows.facts_values(facts, part_sha256s),
        segment,
    )
    return sequence


def _make_room(do: Do, camera: str, stream: StreamName, footage: Span) -> None:
    sql = f"{_SELECT_GAP} WHERE camera = ? AND stream = ? AND start_ns < ? AND (end_ns > ? OR end_ns IS NULL)"
    found = [GapRow(*row) for row in do(sql, camera, stream, footage.end_ns, footage.start_ns)]
    for gap in found:
        do("DELETE FROM gap WHERE camera = ? AND stream = ? AND start_ns = ?", camera, stream, gap.start_ns)
    _insert_gaps(do, (part for gap in found for part in subtract(gap, footage)))


def _insert_gaps(do: Do, gaps: Iterable[GapRow]) -> None:
    for gap in gaps:
        _insert_gap(do, gap)


def _insert_gap(do: Do, row: GapRow) -> None:
    values = (row.camera, row.stream, row.start_ns, row.end_ns, row.cause, row.detail)
    if do(f"{_SELECT_GAP} WHERE camera = ? AND stream = ? AND start_ns = ?", *values[:3]) == [values]:
        return
    do(f"INSERT INTO gap ({rows.GAP_COLUMNS}) VALUES ({_marks(6)})", *values)


def _open_gap(do: Do, camera: str, stream: StreamName) -> GapRow | None:
    found = do(f"{_SELECT_GAP} WHERE camera = ? AND stream = ? AND end_ns IS NULL", camera, stream)
    return GapRow(*found[0]) if found else None


def _begin_gap(do: Do, camera: str, stream: StreamName, start_ns: WallNs, cause: str, detail: str) -> None:
    gap = _open_gap(do, camera, stream)
    if gap is not None and gap.cause == cause:
        return
    misdated.rejoin(do, camera, stream, start_ns)
    end_ns = do(RECORD_END, camera, stream)[0][0]
    begin_ns = start_ns if end_ns is None else max(start_ns, end_ns)
    _end_gap(do, camera, stream, begin_ns)
    _insert_gap(do, GapRow(camera, stream, begin_ns, None, cause, detail))


def _end_gap(do: Do, camera: str, stream: StreamName, end_ns: WallNs) -> bool:
    gap = _open_gap(do, camera, stream)
    if gap is None:
        return False
    if end_ns == gap.start_ns:
        do("DELETE FROM gap WHERE camera = ? AND stream = ? AND end_ns IS NULL", camera, stream)
    else:
        do("UPDATE gap SET end_ns = ? WHERE camera = ? AND stream = ? AND end_ns IS NULL", end_ns, camera, stream)
    return True


def _insert_policy_gap(do: Do, row: SegmentRow, reason: str) -> None:
    """The deleted segment's span as a gap, joined with the gaps of the same reason that it touches."""
    assert row.end_ns is not None, "a closed segment has an end"
    key = (row.camera, row.stream)
    same = f"{_SELECT_GAP} WHERE camera = ? AND stream = ? AND cause = 'policy' AND detail = ? AND end_ns IS NOT NULL"
    before = do(f"{same} AND start_ns < ? ORDER BY start_ns DESC LIMIT 1", *key, reason, row.start_ns)
    after = do(f"{same} AND start_ns = ?", *key, reason, row.end_ns)
    start_ns, end_ns = row.start_ns, row.end_ns
    joined = [GapRow(*gap) for gap in (*before, *after) if row.start_ns in (gap[2], gap[3]) or row.end_ns == gap[2]]
    for gap in joined:
        do("DELETE FROM gap WHERE camera = ? AND stream = ? AND start_ns = ?", *key, gap.start_ns)
        start_ns, end_ns = min(start_ns, gap.start_ns), max(end_ns, gap.end_ns or end_ns)
    _insert_gap(do, GapRow(row.camera, row.stream, start_ns, end_ns, "policy", reason))


def _marks(count: int) -> str:
    return ", ".join("?" * count)

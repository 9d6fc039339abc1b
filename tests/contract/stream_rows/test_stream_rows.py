"""What recording asks of the catalogue gets the same answers, whoever is asked: all methods, all kinds of error."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from components.capture.import_rows import ImportRows
from components.capture.remote_rows import IMPORT_CALLS, ROWS_CALLS
from components.capture.stream_rows import StreamRows
from components.shared.catalogue.capture import GapRow, SegmentRow, StreamRow, open_row
from components.shared.catalogue.imports import FileKey, ImportRow, Imports
from components.shared.errors import Fatal, Rejected, Transient
from components.shared.wire.units import Span, WallNs
from tests.contract.stream_rows.conftest import Subject
from tests.fakes.archive import at
from tests.fakes.golden_catalogue import RUNS, SEGMENTS

RUN = RUNS[0]
CLOSED = SEGMENTS[0]


def opened(subject: Subject) -> SegmentRow:
    """A run, and its first segment, open."""
    subject.rows.begin_run(RUN)
    row = open_row(CLOSED.camera, CLOSED.stream, CLOSED.start_ns, CLOSED.run, CLOSED.volume)
    subject.rows.open_segment(row)
    return row


def test_every_method_can_be_called() -> None:
    """The table of calls is the protocol's methods, no more and no fewer."""
    for protocol, calls in ((StreamRows, ROWS_CALLS), (ImportRows, IMPORT_CALLS)):
        methods = {name for name, _ in inspect.getmembers(protocol, inspect.isfunction) if not name.startswith("_")}
        assert set(calls) == methods


def test_a_segment_from_open_to_closed(subject: Subject) -> None:
    """What is written is there at once, for whoever reads the catalogue, and is read back the same."""
    row = opened(subject)
    assert subject.catalogue.open_segments() == subject.rows.open_segments() == [row]
    assert CLOSED.facts is not None
    number = subject.rows.close_segment(row.segment, CLOSED.facts, CLOSED.part_sha256s)
    assert number == 1
    assert subject.rows.segment(row.segment) == subject.catalogue.segment(row.segment)
    assert subject.catalogue.segments()[0].facts == CLOSED.facts
    assert subject.rows.record_end_ns(row.camera, row.stream) == CLOSED.facts.end_ns
    assert subject.rows.beside(row) == subject.catalogue.beside(row)
    assert subject.rows.file_path(row) == subject.catalogue.file_path(row)
    assert isinstance(subject.rows.file_path(row), Path)


def test_a_run_is_counted_and_ended(subject: Subject) -> None:
    """Runs keep what they are told."""
    subject.rows.begin_run(RUN)
    subject.rows.update_run(RUN.run, 7, 5)
    subject.rows.end_run(RUN.run, WallNs(RUN.started_ns + 1), "stopped")
    found = subject.rows.run(RUN.run)
    assert found is not None
    assert found == subject.catalogue.run(RUN.run)
    assert (found.frames_received, found.frames_recorded) == (7, 5)


def test_open_segments_are_settled(subject: Subject) -> None:
    """An open segment may be adopted or discarded."""
    row = opened(subject)
    assert CLOSED.facts is not None
    subject.rows.adopt_segment(row, RUN, CLOSED.facts, CLOSED.part_sha256s)
    adopted = subject.catalogue.segment(row.segment)
    assert adopted is not None
    assert adopted.adopted
    later = open_row("cam-1", "main", CLOSED.facts.end_ns, RUN.run, "main")
    subject.rows.open_segment(later)
    subject.rows.discard_segment(later.segment)
    assert subject.rows.segment(later.segment) is None


def test_the_class_of_footage(subject: Subject) -> None:
    """A segment is opened in its class, and may be kept longer from then on."""
    subject.rows.begin_run(RUN)
    row = open_row(CLOSED.camera, CLOSED.stream, CLOSED.start_ns, CLOSED.run, CLOSED.volume)
    subject.rows.open_segment(row, "motion")
    assert subject.catalogue.motion_among([row.segment]) == {row.segment}
    subject.rows.keep_longer(row.segment)
    assert subject.catalogue.motion_among([row.segment]) == frozenset()


def test_gaps_and_streams(subject: Subject) -> None:
    """A stream's state and gaps are what was written."""
    stream = StreamRow("cam-1", "main", "offline", "unreachable", at(0), 11, at(0))
    subject.rows.set_stream(stream)
    assert subject.rows.streams() == subject.catalogue.streams() == [stream]
    subject.rows.add_gap(GapRow("cam-1", "main", at(0), at(5), "starting"))
    subject.rows.begin_gap("cam-1", "main", at(5), "unreachable", "no route to host")
    assert subject.rows.end_gap("cam-1", "main", at(9)) is True
    assert subject.rows.end_gap("cam-1", "main", at(9)) is False
    assert [gap.cause for gap in subject.rows.gaps("cam-1", since_ns=at(1), stream="main")] == [
        "starting",
        "unreachable",
    ]
    assert subject.rows.gaps("cam-1", until_ns=at(1)) == subject.catalogue.gaps("cam-1", until_ns=at(1))
    subject.rows.remove_stream("cam-1", "main")
    assert subject.catalogue.streams() == []


def test_errors_keep_their_kind_and_text(subject: Subject) -> None:
    """Transient, Rejected and Fatal arrive as what they are, and the next call is answered as ever."""
    row = opened(subject)
    with pytest.raises(Fatal, match="is not in the catalogue: it cannot end"):
        subject.rows.end_run("run-none", at(1), "stopped")
    with pytest.raises(Rejected, match="camera id"):
        subject.rows.begin_gap("No Good", "main", at(1), "unreachable")
    subject.rows.discard_segment(row.segment)
    subject.rows.add_gap(GapRow("cam-1", "main", row.start_ns, WallNs(row.start_ns + 10), "starting"))
    with pytest.raises(Transient, match="a clock stepped back"):
        subject.rows.open_segment(row)
    assert subject.rows.open_segments() == []


def test_an_import_from_its_note_to_its_row(subject: Subject) -> None:
    """What is noted, recorded and said of a file is the same, whoever is asked."""
    imports, kept = subject.imports, Imports(subject.catalogue)
    key = FileKey(CLOSED.camera, "/drop/file.mp4", 7, 3)
    sha256 = "ab" * 32
    assert imports.by_name(key) is None
    assert imports.by_content(CLOSED.camera, sha256) is None
    imports.put(ImportRow(key, sha256, "importing", attempts=1, start_ns=CLOSED.start_ns))
    row = open_row(CLOSED.camera, CLOSED.stream, CLOSED.start_ns, CLOSED.run, CLOSED.volume)
    assert CLOSED.facts is not None
    with pytest.raises(Fatal):
        imports.record(key, row, RUN, CLOSED.facts, CLOSED.part_sha256s)
    imports.intend(key, row)
    assert [path for _, _, path in kept.noted()] == [row.path]
    assert imports.record(key, row, RUN, CLOSED.facts, CLOSED.part_sha256s) == 1
    assert kept.noted() == []
    found = imports.by_name(key)
    assert found == kept.by_name(key) == imports.by_content(CLOSED.camera, sha256)
    assert found is not None
    assert (found.first_segment, found.last_segment, found.attempts) == (row.segment, row.segment, 1)
    window = Span(WallNs(CLOSED.start_ns - 1), WallNs(CLOSED.start_ns + 1))
    assert imports.taken(CLOSED.camera, CLOSED.stream, window) == [Span(CLOSED.start_ns, CLOSED.facts.end_ns)]
    closed = subject.rows.segment(row.segment)
    assert closed is not None
    assert (closed.state, closed.adopted) == ("closed", False)
    assert imports.was_other(FileKey(CLOSED.camera, "/drop/file.mp4", 8, 3))
    assert not imports.was_other(key)
    assert not imports.is_garbage(row.segment)
    imports.intend(key, row)
    imports.forget_intent(key)
    assert imports.repair(CLOSED.camera) == []


def test_a_record_that_begins_earlier(subject: Subject) -> None:
    """The time in between is told as gaps, around what is there; a later start changes nothing."""
    subject.rows.set_stream(StreamRow("cam-1", "main", "connecting", "", at(100), 0, at(100)))
    subject.rows.add_gap(GapRow("cam-1", "main", at(40), at(50), "policy"))
    subject.imports.extend_record("cam-1", "main", at(20))
    subject.imports.extend_record("cam-1", "main", at(30))
    assert [(gap.start_ns, gap.end_ns, gap.cause) for gap in subject.rows.gaps("cam-1")] == [
        (at(20), at(40), "not_delivered"),
        (at(40), at(50), "policy"),
        (at(50), at(100), "not_delivered"),
    ]
    (row,) = subject.rows.streams()
    assert row.enabled_since_ns == at(20)

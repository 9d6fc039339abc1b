"""sync.db: each key is queued once, taken in its order, and known for ever as what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from components.shared.catalogue.database import READ_ROWS_MAX
from components.shared.catalogue.sync import ERROR_CHARS_MAX, NOT_BEFORE_AHEAD_NS_MAX, SyncReader, SyncWriter, UploadRow
from components.shared.errors import Fatal
from components.shared.wire.units import WallNs
from tests.fakes.archive import at

NOW = at(0)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[SyncWriter]:
    writer = SyncWriter.open(tmp_path)
    yield writer
    writer.close()


def upload(key: str, priority: int = 1, size_bytes: int = 100) -> UploadRow:
    digests = ("ab" * 32, ("cd" * 32, "ef" * 32))
    place = ("segment", "cam-1", f"segment-of-{key}", "main", f"{key}.mp4")
    return UploadRow(key, *place, size_bytes, *digests, {"nvr-version": "1"}, priority, NOW)  # type: ignore[arg-type]


def due(writer: SyncReader, now_ns: int = NOW, *exclude: str) -> str | None:
    found = writer.next_due(now_ns, set(exclude))
    return None if found is None else found.key


def test_rows_and_cursor_move_together(writer: SyncWriter, tmp_path: Path) -> None:
    """A sweep queues its rows and its cursor at once; when a row is refused, neither is there."""
    reader = SyncReader.open(tmp_path)
    with pytest.raises(Fatal):
        writer.enqueue("capture", [upload("a"), upload("b", size_bytes=0)], 2)
    assert reader.cursor("capture") == 0 and reader.uploads() == [] and reader.backlog() == (0, 0)
    assert writer.enqueue("capture", [upload("a"), upload("b")], 2) == 2
    assert reader.cursor("capture") == 2 and reader.uploads() == [upload("a"), upload("b")]
    assert reader.backlog() == (2, 200) and reader.cursor("analysis") == 0


def test_a_known_key_stays_what_it_is(writer: SyncWriter) -> None:
    """A key that is swept again is not queued again, whatever became of it, and a cursor never goes back."""
    writer.enqueue("capture", [upload("a"), upload("b")], 7)
    writer.mark_uploaded("a", "etag", at(1))
    assert writer.enqueue("capture", [upload("a"), upload("b", size_bytes=5), upload("c")], 3) == 1
    assert writer.cursor("capture") == 7 and writer.state_of("a") == "uploaded"
    assert [found.size_bytes for found in writer.uploads()] == [100, 100, 100]
    assert writer.state_of("d") is None


def test_the_next_is_the_first_of_the_lowest_priority(writer: SyncWriter) -> None:
    """Priority 0 goes before 1, and within one the order of queueing holds; what is under way is passed over."""
    writer.enqueue("capture", [upload("c", 1), upload("a", 1), upload("b", 0)], 1)
    assert [due(writer), due(writer, NOW, "b"), due(writer, NOW, "b", "c")] == ["b", "c", "a"]
    assert due(writer, NOW, "a", "b", "c") is None


def test_a_failed_upload_waits(writer: SyncWriter) -> None:
    """An attempt that failed is counted and not due before its time; then it is."""
    writer.enqueue("capture", [upload("a")], 1)
    writer.mark_failed("a", "x" * (ERROR_CHARS_MAX + 1), at(10))
    assert due(writer, at(9)) is None and due(writer, at(10)) == "a" and writer.next_due_ns() == at(10)
    found = writer.upload("a")
    assert found is not None and found.attempts == 1 and len(found.last_error or "") == ERROR_CHARS_MAX


def test_a_clock_that_steps_back_delays_nothing(writer: SyncWriter) -> None:
    """A time to wait for that is further off than any wait was written under another clock: it is due."""
    writer.enqueue("capture", [upload("a")], 1)
    writer.mark_failed("a", "no network", WallNs(at(0) + NOT_BEFORE_AHEAD_NS_MAX + 1))
    assert due(writer, at(0)) == "a" and due(writer, at(0) + 1) is None


def test_a_multipart_upload_goes_on_after_a_crash(writer: SyncWriter, tmp_path: Path) -> None:
    """Id and parts are known again; another upload of the key begins with none, and done ones keep none."""
    writer.enqueue("capture", [upload("a")], 1)
    writer.record_upload_id("a", "upload-1")
    writer.record_part("a", 1, "e1")
    writer.record_part("a", 2, "e2")
    writer.record_part("a", 2, "e2-again")
    writer.record_upload_id("a", "upload-1")
    found = SyncReader.open(tmp_path).upload("a")
    assert found is not None and (found.upload_id, found.parts) == ("upload-1", {1: "e1", 2: "e2-again"})
    writer.record_upload_id("a", "upload-2")
    found = writer.upload("a")
    assert found is not None and (found.upload_id, found.parts) == ("upload-2", {})
    writer.record_part("a", 1, "e1")
    writer.mark_uploaded("a", "etag", at(9))
    writer.mark_uploaded("a", "other", at(10))
    assert writer.upload("a") == replace(upload("a"), state="uploaded", etag="etag", uploaded_ns=at(9))
    assert writer.backlog() == (0, 0) and due(writer) is None and writer.next_due_ns() is None


def test_what_is_refused_is_never_due(writer: SyncWriter) -> None:
    """A refused upload is out of the queue, with its reason."""
    writer.enqueue("capture", [upload("a"), upload("b")], 1)
    writer.mark_refused("a", "its file is gone")
    found = writer.upload("a")
    assert due(writer) == "b" and writer.counts() == {"queued": 1, "uploaded": 0, "refused": 1}
    assert found is not None and (found.state, found.last_error) == ("refused", "its file is gone")
    assert [row.key for row in writer.uploads("queued")] == ["b"]


@pytest.mark.parametrize(
    "broken",
    [
        lambda writer: writer.record_upload_id("x", "upload-1"),
        lambda writer: writer.record_part("a", 1, "e1"),
        lambda writer: (writer.record_upload_id("a", "u"), writer.record_part("a", 0, "e1")),
        lambda writer: (writer.record_upload_id("a", "u"), writer.record_part("a", 10_001, "e1")),
        lambda writer: writer.mark_uploaded("x", "etag", NOW),
        lambda writer: (writer.mark_uploaded("a", "etag", NOW), writer.mark_failed("a", "no", NOW)),
        lambda writer: (writer.mark_uploaded("a", "etag", NOW), writer.mark_refused("a", "no")),
        lambda writer: (writer.mark_refused("a", "no"), writer.mark_failed("a", "no", NOW)),
        lambda writer: writer.mark_failed("x", "no", NOW),
        lambda writer: writer.mark_refused("x", "no"),
    ],
    ids=range(10),
)
def test_a_broken_promise_is_fatal(writer: SyncWriter, broken: Callable[[SyncWriter], object]) -> None:
    """Unknown keys, parts of no upload, attempts at what is done: Fatal."""
    writer.enqueue("capture", [upload("a")], 1)
    with pytest.raises(Fatal):
        broken(writer)


def test_long_queues_are_read_in_pages(writer: SyncWriter) -> None:
    """More uploads than one read gives are all given, in the order they were queued."""
    keys = [f"{number:05}" for number in range(READ_ROWS_MAX + 20, 0, -1)]
    writer.enqueue("capture", [upload(key) for key in keys], 1)
    assert [found.key for found in writer.uploads()] == keys
    assert [found.key for found in writer.uploads(limit=3)] == keys[:3]
    assert writer.uploads_of(f"segment-of-{keys[5]}") == [upload(keys[5])]


def test_uploaded_objects_are_counted_by_kind(writer: SyncWriter) -> None:
    """Only what is uploaded counts, each kind by itself."""
    writer.enqueue("capture", [upload("a"), upload("b")], 2)
    writer.mark_uploaded("a", "etag", at(1))
    assert (writer.count_uploaded("segment"), writer.count_uploaded("thumbnail")) == (1, 0)

"""A janitor that is cut off before and after every durable step: the next start and pass come to the same end."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.shared.catalogue.bookmarks import bookmarks
from components.shared.catalogue.reconcile import reconcile
from components.shared.catalogue.retention import early_deletions
from components.shared.runtime.requests import RequestFolder
from components.shared.wire.bookmark_request import FOLDER
from components.shared.wire.messages import SegmentLost
from tests.fakes.retention_box import RESERVE_BYTES, RetentionBox


class Crash(BaseException):
    """What ends the process in the middle: nothing in the product catches it."""


class CrashAt:
    """A step callback that ends the process at the given call."""

    def __init__(self, call: int) -> None:
        self.call = call
        self.steps: list[str] = []

    def __call__(self, step: str) -> None:
        self.steps.append(step)
        if len(self.steps) == self.call:
            raise Crash(step)


def scene(data: Path) -> RetentionBox:
    """Room is needed for which two uploaded segments and one that is not must go; one more is asked to be kept."""
    box = RetentionBox(data)
    box.disk_bytes = 5_000_000
    box.configure(days=100, free_percent_min=1)
    rows = box.record(5)
    box.upload(rows[1], rows[3])
    (box.archive.root / rows[1].path).with_suffix(".jpg").write_bytes(b"x")
    body = {"action": "add", "camera": "cam-1", "start_ns": rows[0].start_ns, "end_ns": rows[0].end_ns}
    RequestFolder(data, FOLDER).submit(body)
    box.leave_bytes(RESERVE_BYTES * 3 // 2 - 3 * rows[0].size_bytes)
    return box


def state(box: RetentionBox) -> tuple[object, ...]:
    """All that must be the same in the end."""
    files = sorted(path.name for path in box.archive.root.rglob("*") if path.is_file())
    kept = [(row.start_ns, row.end_ns) for row in bookmarks(box.writer)]
    early = [(row.start_ns, row.end_ns, row.segments, row.is_lost, row.reason) for row in early_deletions(box.writer)]
    answers = len(list((box.data / "requests" / FOLDER).glob("*.answer.json")))
    return box.kept(), files, box.writer.gaps(), box.writer.garbage(), early, kept, answers


@pytest.mark.slow
def test_cut_off_anywhere_it_comes_to_the_same_end(tmp_path: Path) -> None:
    """For every call of `step`: a look that ends there, a start and the next look give what one whole look gives.

    Footage is never lost without its row: whoever was cut off after a file was unlinked had told it before.
    """
    whole = scene(tmp_path / "whole")
    never = CrashAt(-1)
    whole.close()
    whole.open(never)
    whole.look()
    assert len(whole.kept()) == 2 and len(early_deletions(whole.writer, only_lost=True)) == 1
    expected = state(whole)
    whole.close()
    assert {"before mark", "after mark", "before unlink", "after sync folder", "after drop row"} <= set(never.steps)
    for call in range(1, len(never.steps) + 1):
        cut = scene(tmp_path / f"cut-{call}")
        cut.close()
        cut.open(CrashAt(call))
        with pytest.raises(Crash):
            cut.look()
        gone = 5 - len(list(cut.archive.root.rglob("*.mp4")))
        told = sum(row.segments for row in early_deletions(cut.writer))
        assert told >= gone, f"cut off at {never.steps[call - 1]!r}, call {call}"
        if gone == 3:
            assert cut.told(SegmentLost)
        cut.close()
        cut.open()
        reconcile(cut.writer)
        cut.look()
        assert state(cut) == expected, f"cut off at {never.steps[call - 1]!r}, call {call}"
        cut.close()

"""health.db: one summary, conditions that are raised and cleared, a history that is limited."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from components.shared.catalogue.health import (
    CLEARED_CONDITIONS_MAX,
    ConditionRow,
    HealthReader,
    HealthWriter,
    SummaryRow,
)
from tests.fakes.archive import at


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[HealthWriter]:
    writer = HealthWriter.open(tmp_path)
    yield writer
    writer.close()


def test_the_summary_is_the_last_one(writer: HealthWriter, tmp_path: Path) -> None:
    """A reader sees no summary before the first, and then the last that was set, as it was set."""
    reader = HealthReader.open(tmp_path)
    assert reader.summary() is None
    for number in (1, 2):
        row = SummaryRow(at(number), {"cameras": number, "impaired": ["cam-1"], "name": "Zürich"})
        writer.set_summary(row)
        assert reader.summary() == row


def test_a_condition_is_raised_once(writer: HealthWriter) -> None:
    """Raising again keeps since when it holds and takes the new reason; other subjects are other conditions."""
    assert writer.raise_condition("disk", "main", at(0), "90 % full")
    assert not writer.raise_condition("disk", "main", at(5), "95 % full")
    assert writer.raise_condition("disk", "other", at(6), "gone")
    assert writer.conditions() == [
        ConditionRow("disk", "main", at(0), "95 % full"),
        ConditionRow("disk", "other", at(6), "gone"),
    ]


def test_a_cleared_condition_is_history(writer: HealthWriter) -> None:
    """Clearing ends a condition once; the same may be raised anew, and both are told when history is asked for."""
    writer.raise_condition("disk", "main", at(0), "full")
    assert writer.clear_condition("disk", "main", at(3)) and not writer.clear_condition("disk", "main", at(4))
    assert writer.conditions() == []
    writer.raise_condition("disk", "main", at(9), "full again")
    assert writer.conditions(active_only=False) == [
        ConditionRow("disk", "main", at(0), "full", at(3)),
        ConditionRow("disk", "main", at(9), "full again"),
    ]


@pytest.mark.slow
def test_history_is_limited(writer: HealthWriter) -> None:
    """At the limit of cleared conditions all are kept; one above it the oldest goes, and active ones never do."""
    writer.raise_condition("clock", "box", at(0), "untrusted")
    with writer.database.transaction("a long history") as do:
        for number in range(CLEARED_CONDITIONS_MAX - 1):
            do(
                "INSERT INTO condition (kind, subject, since_ns, reason, cleared_ns) VALUES ('disk', ?, 1, '', 2)",
                number,
            )

    def cleared() -> list[str]:
        return [found.subject for found in writer.conditions(active_only=False) if found.cleared_ns is not None]

    for subject, oldest in (("last", "0"), ("one more", "1")):
        writer.raise_condition("disk", subject, at(0), "")
        writer.clear_condition("disk", subject, at(1))
        assert len(cleared()) == CLEARED_CONDITIONS_MAX and cleared()[0] == oldest
    assert [found.kind for found in writer.conditions()] == ["clock"]

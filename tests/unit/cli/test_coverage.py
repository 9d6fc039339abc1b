"""`./nvr coverage` accounts for every second of each day."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.shared.catalogue.capture import GapRow
from tests.fakes.archive import at
from tests.unit.cli.conftest import Nvr
from tests.unit.cli.footage import Footage

DAY = "2025-06-15"


@pytest.fixture
def data(footage: Footage, tmp_path: Path) -> Path:
    """Two cameras of which one is recorded with a gap, and the other never answered for an hour."""
    footage.record(0, 20)
    writer = footage.archive.writer
    writer.add_gap(GapRow("cam-1", "main", at(2), at(12), "unreachable", "[Errno 111] refused"))
    footage.record(120, 10, late_s=0)
    writer.add_gap(GapRow("cam-2", "main", at(0), at(3600), "authentication", "401"))
    return tmp_path / "data"


def test_days_of_all_cameras(nvr: Nvr, data: Path) -> None:
    """Recorded seconds, gaps by cause, segments and bytes per camera and day; nothing is unexplained."""
    told = nvr("coverage", "--json", "--data", data)
    assert told.code == 0
    first, second = told.json
    assert (first["camera"], first["day"], first["recorded_seconds"]) == ("cam-1", DAY, 3.0)
    assert (first["gap_seconds"], first["unexplained_seconds"], first["segments"]) == ({"unreachable": 10.0}, 0.0, 2)
    assert (first["since"], first["until"]) == ("2025-06-15T15:06:40.000Z", "2025-06-15T15:06:53.000Z")
    assert first["size_bytes"] > 1_000 and first["gaps"] == []
    assert (second["camera"], second["gap_seconds"]) == ("cam-2", {"authentication": 3600.0})
    assert [day["camera"] for day in nvr("coverage", "--camera", "cam-2", "--json", "--data", data).json] == ["cam-2"]


def test_one_day_with_its_gaps(nvr: Nvr, data: Path) -> None:
    """Of one day the gaps are told one by one, and the figures are the same."""
    days = nvr("coverage", "--json", "--data", data).json
    (told,) = nvr("coverage", "--camera", "cam-1", "--day", DAY, "--json", "--data", data).json
    assert told["gaps"] == [
        {
            "start": "2025-06-15T15:06:42.000Z",
            "end": "2025-06-15T15:06:52.000Z",
            "cause": "unreachable",
            "detail": "[Errno 111] refused",
        }
    ]
    assert {**told, "gaps": []} == days[0]
    text = nvr("coverage", "--day", DAY, "--data", data).out
    assert "[Errno 111] refused" in text and "authentication 3600.0" in text
    assert nvr("coverage", "--day", "2025-06-16", "--data", data).out.startswith("Nothing was recorded")


def test_unexplained_time_is_the_answer_no(nvr: Nvr, footage: Footage, data: Path) -> None:
    """A hole of a second makes the exit code 1; one below does not."""
    writer = footage.archive.writer
    writer.add_gap(GapRow("cam-1", "main", at(13.9), at(20), "disk"))
    assert nvr("coverage", "--data", data).code == 0
    writer.add_gap(GapRow("cam-1", "main", at(21), at(22), "disk"))
    told = nvr("coverage", "--json", "--data", data)
    assert (told.code, told.json[0]["unexplained_seconds"]) == (1, 1.9)
    assert nvr("coverage", "--day", DAY, "--data", data).code == 1


@pytest.mark.parametrize("day", ["yesterday", "2025-02-30", "15.6.2025"])
def test_a_day_that_is_none(nvr: Nvr, data: Path, day: str) -> None:
    """It is named in the refusal."""
    told = nvr("coverage", "--day", day, "--data", data)
    assert told.code == 2 and repr(day) in told.error


def test_a_catalogue_that_is_not_counted_yet(nvr: Nvr, footage: Footage, data: Path) -> None:
    """Until the roll-ups of an old file are counted, the rows themselves are."""
    days = nvr("coverage", "--json", "--data", data).json
    with footage.archive.writer.database.transaction("as after a migration") as do:
        do("DELETE FROM roll_up")
        do("UPDATE counter SET value = 1 WHERE name = 'roll_ups_due'")
    assert nvr("coverage", "--json", "--data", data).json == days

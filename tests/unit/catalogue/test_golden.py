"""Catalogues of every release are opened, migrated and understood for ever."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from components.shared.catalogue.alerts import past_alerts, raise_alert, unsettled_alerts
from components.shared.catalogue.analysis import ANALYSIS, AnalysisReader, AnalysisRow, AnalysisWriter
from components.shared.catalogue.capture import CaptureReader, CaptureWriter, Volume
from components.shared.catalogue.capture_schema import CAPTURE
from components.shared.catalogue.component_status import keep_statuses, kept_statuses
from components.shared.catalogue.database import Schema, open_for_writing
from components.shared.catalogue.health import HEALTH, HealthReader, HealthWriter
from components.shared.catalogue.outbox import waiting_notices
from components.shared.catalogue.sync import SYNC, SyncReader, SyncWriter
from tests.fakes import golden_catalogue as golden

FOLDER = Path(__file__).parents[2] / "data" / "catalogue"
SCHEMAS = [CAPTURE, ANALYSIS, SYNC, HEALTH]
VERSIONS = [(schema, number) for schema in SCHEMAS for number in range(1, schema.version + 1)]
SETS = sorted(path.name for path in FOLDER.iterdir())


@pytest.fixture(params=SETS)
def data(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A data root with the catalogues of an old release."""
    shutil.copytree(FOLDER / str(request.param), tmp_path / "catalogue")
    return tmp_path


def golden_file(schema: Schema, number: int) -> Path:
    """The first file of an owner that has a version: a set brings a new version of one owner or of several."""
    files = [FOLDER / name / f"{schema.owner}.db" for name in SETS]
    found = [path for path in files if version_of(path) == number]
    assert found, f"no golden file for version {number} of {schema.owner}: write tests/data/catalogue/"
    return found[0]


def version_of(path: Path) -> int:
    return int.from_bytes(path.read_bytes()[60:64])  # `user_version`: https://www.sqlite.org/fileformat2.html


def schema_of(path: Path) -> list[tuple[str, str]]:
    connection = sqlite3.connect(path)
    found = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name <> 'sqlite_sequence' ORDER BY name"
    ).fetchall()
    connection.close()
    return found


@pytest.mark.parametrize(("schema", "number"), VERSIONS, ids=lambda value: getattr(value, "owner", value))
def test_a_released_migration_never_changes(schema: Schema, number: int, tmp_path: Path) -> None:
    """Every version has its golden file, and the migrations up to it still make exactly that schema."""
    shutil.copy(golden_file(schema, number), tmp_path)
    open_for_writing(tmp_path / "new", Schema(schema.owner, schema.migrations[:number])).close()
    assert schema_of(tmp_path / f"{schema.owner}.db") == schema_of(
        tmp_path / "new" / "catalogue" / f"{schema.owner}.db"
    )


def test_capture_is_understood(data: Path) -> None:
    """All that an old capture.db holds is read as it was written, and it is written on."""
    writer = CaptureWriter.open(data)
    reader = CaptureReader.open(data)
    assert reader.segments() == golden.SEGMENTS and reader.gaps() == golden.GAPS
    assert reader.runs() == golden.RUNS and reader.streams() == golden.STREAMS
    assert reader.volumes() == [Volume("main", data / "media" / "main"), Volume("second", Path("/mnt/second"))]
    assert [(row.volume, row.reason) for row in reader.garbage()] == [("second", "retention")]
    assert reader.last_sequence() == 3 and reader.full_scan_due()
    facts = golden.SEGMENTS[0].facts
    assert facts is not None
    writer.mark_garbage(golden.SEGMENTS[0].segment, "retention")
    writer.discard_segment(golden.SEGMENTS[2].segment)
    assert len(reader.segments()) == 1
    writer.close()
    reader.close()


def test_analysis_is_understood(data: Path) -> None:
    """All that an old analysis.db holds is read as it was written, and it is written on."""
    writer = AnalysisWriter.open(data)
    reader = AnalysisReader.open(data)
    assert reader.analysis(golden.ANALYSIS.segment) == golden.ANALYSIS and reader.motions() == golden.MOTIONS
    assert reader.thumbnails_after(0, 9) == [golden.THUMBNAIL] and reader.events() == golden.EVENTS
    assert reader.picture_faults() in ([], golden.PICTURE_FAULTS)  # none in the set of before they were there
    writer.set_picture_faults("cam-2", golden.PICTURE_FAULTS)
    assert reader.picture_faults() == golden.PICTURE_FAULTS
    assert reader.picture_references("cam-2") in ({}, golden.PICTURE_REFERENCES)
    writer.record(AnalysisRow("another", "cam-1", 2, 1, "failed", "undecodable"))
    assert reader.last_capture_sequence() == 2
    writer.close()
    reader.close()


def test_sync_is_understood(data: Path) -> None:
    """All that an old sync.db holds is read as it was written, and it is written on."""
    writer = SyncWriter.open(data)
    reader = SyncReader.open(data)
    assert reader.uploads() == golden.UPLOADS and reader.cursor("capture") == 2
    writer.mark_refused(golden.UPLOADS[1].key, "gone")
    assert reader.backlog() == (0, 0)
    writer.close()
    reader.close()


def test_health_is_understood(data: Path) -> None:
    """All that an old health.db holds is read as it was written, and it is written on."""
    is_second = version_of(data / "catalogue" / "health.db") >= 2
    writer = HealthWriter.open(data)
    reader = HealthReader.open(data)
    assert reader.summary() == golden.SUMMARY and reader.conditions(active_only=False) == golden.CONDITIONS
    assert writer.clear_condition("camera", "cam-2", golden.SUMMARY.wall_ns)
    assert reader.conditions() == []
    assert [*past_alerts(reader, 9), *unsettled_alerts(reader)] == (golden.ALERTS if is_second else [])
    assert [row.alert for row in waiting_notices(reader)] == ([golden.ALERTS[1].alert] if is_second else [])
    assert raise_alert(writer, "box-1", golden.NEW_ALERTS[0], golden.SUMMARY.wall_ns, is_held=False)
    assert kept_statuses(reader) == (golden.STATUSES if is_second else [])
    keep_statuses(writer, golden.STATUSES)
    writer.close()
    reader.close()

"""`./nvr forecast` tells every forecast with what it follows from, `./nvr status` what the components said last."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from cli.forecast import describe_uploads, describe_volume
from components.shared.catalogue.capture import GapRow, StreamRow
from components.shared.catalogue.class_forecast import VolumeForecast
from components.shared.catalogue.component_status import ComponentStatus, keep_statuses
from components.shared.catalogue.health import HealthWriter
from components.shared.catalogue.upload_forecast import UploadForecast
from local.site import Layout
from tests.fakes.archive import at
from tests.unit.cli.conftest import Nvr
from tests.unit.cli.footage import Footage


@pytest.mark.parametrize(
    ("uploads", "words"),
    [
        (None, "nothing is known"),
        (
            UploadForecast(0, 0, 0, 10, 10, 0.0),
            "0 wait (0 B); in the last hour 10 B/s went up and 10 B/s came new: done",
        ),
        (UploadForecast(2, 5_000, 30, 10, 20, 0.5), "2 wait (5.0 kB, the oldest for 30 s)"),
        (UploadForecast(2, 5_000, 3_000, 10, 20, None), "never done at this rate"),
    ],
)
def test_uploads_in_words(uploads: UploadForecast | None, words: str) -> None:
    """What waits, what the link carries, and when that is done, or that it never is."""
    assert words in describe_uploads(uploads)


@pytest.mark.parametrize(("days", "words"), [(None, "goes for its age before"), (4.5, "full in 4.5 d")])
def test_volume_in_words(days: float | None, words: str) -> None:
    """When footage begins to go early, or that it never does."""
    assert words in describe_volume(VolumeForecast("main", 1_000, 500, 400, days, ()))


def test_forecast_of_a_site(nvr: Nvr, footage: Footage, tmp_path: Path) -> None:
    """The answer has the inputs beside each forecast, and the table for people names the cameras."""
    footage.record(0, 20)
    writer = footage.archive.writer
    writer.set_stream(StreamRow("cam-1", "main", "recording", "", at(3), 0, at(0)))
    writer.add_gap(GapRow("cam-1", "main", at(2), at(3), "unreachable", "refused"))
    answer = nvr("forecast", "--json", "--data", tmp_path / "data").json
    (volume,) = answer["volumes"]
    assert volume["free_bytes"] > 0 and volume["classes"][0]["footage_class"] == "continuous"
    assert answer["uploads"] is None
    (camera,) = answer["cameras"]
    assert (camera["camera"], camera["risk"]) == ("cam-1", "low")
    text = nvr("forecast", "--data", tmp_path / "data").out
    assert "cam-1" in text and "continuous" in text and "may be filled" in text


def test_status_tells_what_components_said_last(nvr: Nvr, footage: Footage, tmp_path: Path) -> None:
    """Since when a component runs, its last progress, what waits and its last error, from what HealthMonitor kept."""
    del footage  # a site has run there
    data = tmp_path / "data"
    layout = Layout(data)
    layout.core_status.parent.mkdir(parents=True)
    components = {f"com.edgenvr.{name}": {"state": "RUNNING", "pid": None} for name in ("Capture", "CloudSync")}
    layout.core_status.write_text(json.dumps({"pid": None, "components": components}))
    with closing(HealthWriter.open(data)) as health:
        keep_statuses(health, [ComponentStatus("CloudSync", "1", at(0), at(9), 4, "store away", at(8), at(10))])
    capture, sync = nvr("status", "--json", "--data", data).json["site"]["components"]
    assert (capture["since"], capture["backlog"], capture["last_error"]) == ("", None, "")
    assert (sync["since"], sync["last_progress"]) == ("2025-06-15T15:06:40.000Z", "2025-06-15T15:06:49.000Z")
    assert (sync["backlog"], sync["last_error_at"]) == (4, "2025-06-15T15:06:48.000Z")
    assert "CloudSync, last error (2025-06-15T15:06:48.000Z): store away" in nvr("status", "--data", data).out

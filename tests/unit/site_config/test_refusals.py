"""A bad document of each kind is refused by name of its field, and the last good one stays, over a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.shared.wire.site_config import SITE, camera_shadow
from tests.fakes.config_site import ConfigSite
from tests.fakes.wild_documents import GOOD_CAMERA, GOOD_SITE

CAMERA = camera_shadow("cam-1")
SITE_FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"recording": {"segment_s": 0}}, "recording.segment_s"),
    ({"recording": {"segment_s": "60"}}, "recording.segment_s"),
    ({"recording": {"segmnet_s": 60}}, "recording.segmnet_s"),
    ({"time_zone": "Mars/Olympus"}, "time_zone"),
    ({"retention": {"days": 3651}}, "retention.days"),
    ({"retention": 5}, "retention"),
    ({"cameras": {"Cam 1": "any"}}, "cameras.Cam 1.[key]"),
    ({"cameras": {"cam-2": "9f2c"}}, "cameras.cam-2"),
    ({"schema": 0}, "schema"),
    ({"unknown": True}, "unknown"),
]
CAMERA_FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"name": None}, "name"),
    ({"source": {"url": None}}, "source.url"),
    ({"source": {"url": "rtsp://viewer:secret-word@192.0.2.1/"}}, "source.url"),
    ({"source": {"url": "rtsp://192.0.2.1/1\r\nX-Other: line"}}, "source.url"),
    ({"source": {"secret": "Not A Name"}}, "source.secret"),
    ({"source": {"transport": "pigeon"}}, "source.transport"),
    ({"mode": "sometimes"}, "mode"),
    ({"schedule": {"mon": "18:00-08:00"}}, "schedule.mon"),
    ({"manual": {"recording": True, "until": "tomorrow"}}, "manual.until"),
    ({"motion": {"regions": {"gate": "0,0 1,1"}}}, "motion.regions.gate"),
    ({"snapshot_s": -1}, "snapshot_s"),
    ({"audio": "yes"}, "audio"),
    ({"naem": "Yard"}, "naem"),
    ({"name": "x" * 9_000}, "bytes"),
]


@pytest.mark.parametrize(
    ("document", "changes", "field"),
    [
        *((SITE, changes, field) for changes, field in SITE_FAULTS),
        *((CAMERA, changes, field) for changes, field in CAMERA_FAULTS),
    ],
)
def test_bad_document(tmp_path: Path, document: str, changes: dict[str, Any], field: str) -> None:
    """Named in the report and in the shadow; an edit with the same fault is refused for the same reason."""
    site = ConfigSite(tmp_path / "data").start()
    site.store.operate(CAMERA, GOOD_CAMERA)
    site.store.operate(SITE, GOOD_SITE)
    site.sweep()
    before = site.in_force(document)
    answer = site.edit(document, changes)
    assert (answer["state"], field in answer["error"]) == ("refused", True), answer
    if "x" * 9_000 not in changes.values():  # the cloud itself takes none that is too large
        site.store.operate(document, changes)
        site.sweep()
        for _ in range(2):
            assert site.report()[document]["state"] == "refused"
            assert f"{field}: " in site.report()[document]["error"]
            assert site.store.reported(document)["error"].startswith(f"document {document}")
            assert site.in_force(document) == before
            site.start()
            site.store.online = False
            site.exchange()
            site.look()
    assert "secret-word" not in site.log.text()
    assert "secret-word" not in str(site.report())

"""`./nvr cloud accept` beside a whole site: what a camera shows is played from the cloud, and people hear an alert."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.running_site import nvr_json, running_site, scene_cache

pytestmark = [pytest.mark.slow, pytest.mark.alone]

STEPS = ["account", "record", "upload", "index", "play back", "closed to others", "alert", "dead letters"]


@pytest.mark.timeout(600)
def test_a_whole_site_is_accepted(tmp_path: Path) -> None:
    """Every step passes at a site that records, uploads to the embedded AWS and reports its health."""
    scene_cache(tmp_path)
    with running_site(tmp_path, "--cameras", "1", "--segment-seconds", "4", "--for", "300") as site:
        site.wait_recording(1)
        told = nvr_json("cloud", "accept", "--within", "120", "--data", str(site.data))
        site.finish()
    assert [(step["step"], step["state"]) for step in told["steps"]] == [(step, "passed") for step in STEPS], (
        json.dumps(told, indent=1)
    )
    assert told["ok"] is True

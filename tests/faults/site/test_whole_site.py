"""A whole site as a user starts it: nothing lost when all is well, and nothing lost when it is hurt."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from components.shared.wire.topics import COMPONENTS
from lab import bench_site, kills, silent, stalls
from lab.running_site import nvr_json, running_site, scene_cache
from lab.show import Show, perform

pytestmark = [pytest.mark.slow, pytest.mark.alone]

CAMERAS = 4
DOWN_S_MAX = 60.0
"""A silent component is told after 20 s, plus the looks and reports in between, on a busy machine."""


def check_whole(outcome: dict[str, Any], cameras: int) -> None:
    """Everything that a run promises of itself."""
    assert outcome["errors"] == []
    assert len(outcome["cameras"]) == cameras
    for camera in outcome["cameras"]:
        assert camera["segments"] >= 2
        assert camera["frames_received"] == camera["frames_recorded"] > 0
    assert outcome["segments_closed"] == outcome["segments_uploaded"] == outcome["segments_indexed"] > 0
    assert set(outcome["components"]) == set(COMPONENTS)
    assert {part["state"] for part in outcome["components"].values()} == {"RUNNING"}


@pytest.mark.parametrize("options", [("--nucleus", "lite"), ("--nucleus", "classic", "--drop-local-messages")])
def test_site_records_uploads_and_indexes(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Four cameras are recorded, looked at, uploaded and indexed; losing every message only makes it later."""
    scene_cache(tmp_path)
    with running_site(tmp_path, "--cameras", str(CAMERAS), "--segment-seconds", "4", "--for", "300", *options) as site:
        site.wait_recording(CAMERAS)
        site.wait_until("segments are uploaded", lambda: site.status()["segments_uploaded"] >= 2 * CAMERAS, 60)
        outcome = site.finish()
        assert site.process.returncode == 0
        check_whole(outcome, CAMERAS)
        assert (outcome["messages_dropped"] > 0) == ("--drop-local-messages" in options)
        assert nvr_json("catalogue", "check", "--with-hash", "--data", str(site.data)) == []
        status = site.status()
        assert all(camera["motion_events"] >= 0 for camera in status["cameras"])


SHOWS = [
    kills.SHOW,
    stalls.SHOW,
    bench_site.SHOW,
    pytest.param(silent.SHOW, marks=pytest.mark.timeout(900)),  # an hour of pictures is drawn, encoded and decoded
]


@pytest.mark.parametrize("show", SHOWS, ids=lambda show: show.name)
def test_quick_form_of(show: Show, tmp_path: Path) -> None:
    """The quick form of a lab run or benchmark keeps all its limits."""
    told = perform(show, quick=True, work=tmp_path, say=print)
    assert told["pass"], json.dumps(told, indent=1)


def test_third_death_of_a_launcher_is_broken_and_told(tmp_path: Path) -> None:
    """As on a real core a component is given up after three failed runs; health and outcome say so, others go on."""
    scene_cache(tmp_path)
    with running_site(tmp_path, "--cameras", "1", "--segment-seconds", "2", "--for", "300") as site:
        site.wait_recording(1)

        def state() -> str:
            return str(site.core_status()["components"]["com.edgenvr.VideoProcessor"]["state"])

        deaths = 0
        while state() != "BROKEN":
            before = site.launcher_facts("VideoProcessor").get("launcher_pid")
            assert before is not None
            os.kill(before, signal.SIGKILL)
            deaths += 1

            def is_seen(before: int = before) -> bool:
                after = site.launcher_facts("VideoProcessor").get("launcher_pid")
                return state() == "BROKEN" or after not in (None, before)

            site.wait_until("the core has seen the death", is_seen, DOWN_S_MAX)
        assert deaths in (3, 4), "the third failed run after a start, the fourth after a deployment, as Nucleus Lite"
        reported = site.data / "config" / "report.json"
        site.wait_until("the health summary names it", lambda: "VideoProcessor" in health_of(site.data), DOWN_S_MAX)
        assert reported.exists()
        outcome = site.finish()
    assert {"where": "VideoProcessor", "what": "was given up by the core (BROKEN)"} in outcome["errors"]
    assert outcome["cameras"][0]["frames_received"] == outcome["cameras"][0]["frames_recorded"] > 0


def health_of(data: Path) -> str:
    """The components that the health summary calls down."""
    from contextlib import closing

    from components.shared.catalogue.health import HealthReader

    with closing(HealthReader.open(data)) as reader:
        summary = reader.summary()
    return str(summary.document["components_down"]) if summary else ""

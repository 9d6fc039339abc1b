"""A site that starts without its cloud: it records at once, takes edits at once, and catches up later."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from cli.local_cloud import LocalCloud
from cli.up import THING, bring_up, provide_packages, stand_in_specs
from components.shared.catalogue.capture import CaptureReader
from components.shared.catalogue.sync import SyncReader
from components.shared.errors import Transient
from components.shared.runtime.files import write_durably
from fleet import artifacts
from lab.running_site import ROOT, scene_cache
from local.site import Layout, Site

pytestmark = [pytest.mark.slow, pytest.mark.alone]

OPTIONS = argparse.Namespace(
    camera=[],
    cameras=2,
    camera_size="640x360",
    camera_fps=10,
    camera_bitrate=300_000,
    camera_loop=4.0,
    segment_seconds=2,
    nucleus="lite",
    drop_local_messages=False,
)
RECORDING_S_MAX = 30.0


def wait_for(what: str, is_so: Callable[[], bool], within_s: float) -> None:
    """Wait until something is so, failing by name when it takes too long."""
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.1)


def closed(data: Path) -> int:
    """Closed segments so far."""
    try:
        with closing(CaptureReader.open(data)) as reader:
            return reader.last_sequence()
    except Transient:
        return 0


def waiting(data: Path) -> int:
    """Uploads that wait."""
    with closing(SyncReader.open(data)) as reader:
        return reader.backlog()[0]


def test_second_start_without_the_cloud(tmp_path: Path) -> None:
    """With the last good configuration and secrets recording begins at once; an edit is in force before the cloud is
    there, and reaches the shadow when it is; what was recorded meanwhile is uploaded then.
    """
    scene_cache(tmp_path)
    layout = Layout(tmp_path / "data")
    OPTIONS.data = layout.data
    first = Site(layout)
    try:
        cloud, _ = bring_up(first, OPTIONS, print)
        wait_for("the first start records", lambda: closed(layout.data) >= 2, 60)
    finally:
        first.stop()

    deployed = json.loads((layout.local / "deployment.json").read_text())
    before = closed(layout.data)
    second = Site(layout)
    try:
        second.start_cameras(stand_in_specs(OPTIONS.cameras, OPTIONS))
        built = artifacts.build(ROOT, ROOT / "greengrass-build")
        provide_packages(layout.data, built.packages)
        second.start_core(built.folder, deployed, "lite", drop_local_messages=False)
        wait_for("recording without the cloud", lambda: closed(layout.data) >= before + 4, RECORDING_S_MAX)

        proposal = {"document": "site", "changes": {"recording": {"segment_s": 3}}, "base_version": None}
        folder = layout.data / "config" / "proposals"
        write_durably(folder / "edit-1.json", json.dumps(proposal).encode())
        wait_for("an answer to the edit", (folder / "edit-1.answer.json").exists, 15)
        answer = json.loads((folder / "edit-1.answer.json").read_text())
        assert answer["state"] in {"in_force", "pending"}
        in_force = json.loads((layout.data / "config" / "site.json").read_text())["raw"]
        assert in_force["recording"]["segment_s"] == 3
        assert waiting(layout.data) > 0

        again = second.start_cloud(ROOT / "cloud" / "template.yaml")
        back = LocalCloud(again.addresses["endpoint_url"], again.addresses["resources"], THING)
        assert back.endpoint_url == cloud.endpoint_url, "the embedded AWS keeps its address between runs"
        wait_for("the edit in the shadow", lambda: back.desired("site")["recording"]["segment_s"] == 3, 90)
        wait_for("the backlog to go", lambda: waiting(layout.data) <= OPTIONS.cameras * 2, 120)
    finally:
        second.stop()

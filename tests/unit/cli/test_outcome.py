"""A site that is watched while it runs."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from cli.local_cloud import LocalCloud
from cli.outcome import Watch
from components.shared.errors import Transient
from local.site import Layout, free_port
from tests.fakes.archive import START_NS, Archive

INDEXED = 7


def test_cloud_that_cannot_be_reached_ends_nothing(tmp_path: Path) -> None:
    """Without a line the site is looked at as before, and what was counted stays."""
    cloud = LocalCloud(f"http://127.0.0.1:{free_port()}/", {"MediaTable": "media"}, "site-1")
    with pytest.raises(Transient):
        cloud.count_indexed()
    with closing(Archive(tmp_path)) as archive:
        archive.record(START_NS)
        watch = Watch(Layout(tmp_path), cloud, 0, ["cam-1"])
        watch.indexed = INDEXED
        assert watch.look().segments_closed == 1
    assert watch.indexed == INDEXED

"""What `./nvr up` shows while a site runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.live_table import LiveTable
from cli.observe import CameraView, ComponentView, SiteView


def view(cause: str) -> SiteView:
    """A site with a camera that is offline for this cause."""
    camera = CameraView("yard", "offline", cause, "h264", "64x48", 10.0, 1e6, 100, 90, 3, 1.5, 2)
    component = ComponentView("Capture", "RUNNING", 1, 30_000_000, 2.5)
    return SiteView((camera,), (component,), 3, 2, 1, 4_000, (), 12_000, 10**9, 0)


@pytest.mark.parametrize("interactive", [True, False])
def test_cause_is_shown_as_it_is(capsys: pytest.CaptureFixture[str], interactive: bool) -> None:
    """What a camera's library says may hold brackets: it is no markup, and stops nothing."""
    table = LiveTable(Path("[/data]"), interactive=interactive)
    table.step("waiting for [/yard]")
    table.show(view("[/rtsp] gone"), 2)
    table.close()
    told = capsys.readouterr().err
    assert "waiting for [/yard]" in told
    assert "all in [/data]" in told
    assert not interactive or "[/rtsp]" in told


def test_summary_counts(capsys: pytest.CaptureFixture[str]) -> None:
    """Where nobody watches a terminal one line tells the whole site, not more than once in ten seconds."""
    table = LiveTable(Path("data"), interactive=False)
    table.show(view(""), 2)
    table.show(view(""), 2)
    lines = capsys.readouterr().err.splitlines()
    told = " ".join(lines)
    assert "0 of 1 cameras recording; segments 3 closed, 2 uploaded, 2 indexed; waiting 1 (4.0 kB)" in told
    assert told.count("cameras recording") == 1

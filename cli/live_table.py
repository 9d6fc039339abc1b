"""The table that `./nvr up` shows while a site runs; plain lines where nobody watches a terminal."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cli.observe import SiteView
from cli.output import WIDTH_OF_A_PIPE, format_size

PLAIN_LINE_S = 10.0
"""How often a line is printed where there is no terminal."""

_STATE_STYLES = {"recording": "green", "connecting": "yellow", "frozen": "red", "offline": "red", "RUNNING": "green"}


class LiveTable:
    """Shows steps while a site starts, then its state once a second."""

    def __init__(self, data: Path, *, interactive: bool) -> None:
        self._data = data
        # What cameras and components say is no markup.
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        if not interactive:
            self._console.width = WIDTH_OF_A_PIPE
        self._live = Live(console=self._console, refresh_per_second=2, transient=False) if interactive else None
        self._is_live = False
        self._begun = time.monotonic()
        self._line_due = 0.0

    def step(self, text: str) -> None:
        """Tell what is being done."""
        self._console.print(f"{time.monotonic() - self._begun:5.1f} s  {text}")

    def show(self, view: SiteView, indexed: int) -> None:
        """Show the site as it is now."""
        if self._live is None:
            if time.monotonic() >= self._line_due:
                self._line_due = time.monotonic() + PLAIN_LINE_S
                self.step(self._summary(view, indexed))
            return
        if not self._is_live:
            self._live.start()
            self._is_live = True
        self._live.update(Group(_cameras(view), Text(), _components(view), Text(), self._summary(view, indexed)))

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._live is not None and self._is_live:
            self._live.stop()
            self._is_live = False

    def _summary(self, view: SiteView, indexed: int) -> str:
        recording = sum(1 for camera in view.cameras if camera.state == "recording")
        return (
            f"{recording} of {len(view.cameras)} cameras recording; segments {view.segments_closed} closed, "
            f"{view.segments_uploaded} uploaded, {indexed} indexed; waiting {view.uploads_waiting} "
            f"({format_size(view.uploads_waiting_bytes)}); footage {format_size(view.media_bytes)}, "
            f"free {format_size(view.disk_free_bytes)}; all in {self._data}"
        )


def _cameras(view: SiteView) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("camera", "state", "video", "fps", "Mbit/s", "segments", "gaps s", "events", "cause"):
        table.add_column(title)
    for camera in view.cameras:
        table.add_row(
            camera.id,
            Text(camera.state, style=_STATE_STYLES.get(camera.state, "")),
            f"{camera.codec} {camera.picture}",
            f"{camera.fps:.1f}",
            f"{camera.bitrate_bits_per_s / 1e6:.2f}",
            str(camera.segments),
            f"{camera.gap_seconds:.1f}",
            str(camera.motion_events),
            camera.cause,
        )
    return table


def _components(view: SiteView) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("component", "state", "restarts", "memory", "CPU s"):
        table.add_column(title)
    for part in view.components:
        table.add_row(
            part.name,
            Text(part.state, style=_STATE_STYLES.get(part.state, "red")),
            str(part.worker_restarts),
            format_size(part.pss_bytes),
            f"{part.cpu_seconds:.1f}",
        )
    return table

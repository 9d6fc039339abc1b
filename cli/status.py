"""What a site is doing: cameras, components, uploads and disk, at one moment."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from cli.cameras import print_cameras
from cli.observe import SiteView, gather, is_running
from cli.output import (
    add_data_argument,
    add_json_argument,
    format_size,
    print_json,
    print_table,
    require_data,
)
from local.site import Layout


@dataclass(frozen=True, slots=True)
class Status:
    """A site at one moment, and whether it runs."""

    running: bool
    site: SiteView


ANSWER = Status
HELP = "what the site is doing"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_data_argument(parser)
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the site's state."""
    data = require_data(arguments.data)
    view = gather(data)
    running = is_running(Layout(data))
    if arguments.json:
        print_json(Status(running, view))
        return 0
    print("The site is running." if running else "The site is not running: this is what it left.")
    print_cameras(view.cameras)
    print()
    print_table(
        ("component", "state", "restarts", "memory", "CPU s"),
        [
            (part.name, part.state, str(part.worker_restarts), format_size(part.pss_bytes), f"{part.cpu_seconds:.1f}")
            for part in view.components
        ],
        "No core has run here.",
    )
    print()
    print(
        f"segments: {view.segments_closed} closed, {view.segments_uploaded} uploaded; waiting: {view.uploads_waiting} "
        f"({format_size(view.uploads_waiting_bytes)}); footage: {format_size(view.media_bytes)}; "
        f"free: {format_size(view.disk_free_bytes)}"
    )
    for refused in view.uploads_refused:
        print(f"refused: {refused}")
    return 0

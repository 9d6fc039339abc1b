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
from components.shared.catalogue.forecast import Forecast
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
        ("component", "state", "restarts", "memory", "CPU s", "since", "last progress", "waits"),
        [
            (
                *(part.name, part.state, str(part.worker_restarts)),
                *(format_size(part.pss_bytes), f"{part.cpu_seconds:.1f}"),
                *(part.since or "-", part.last_progress or "-", "-" if part.backlog is None else str(part.backlog)),
            )
            for part in view.components
        ],
        "No core has run here.",
    )
    for part in view.components:
        if part.last_error:
            print(f"{part.name}, last error ({part.last_error_at}): {part.last_error}")
    print()
    print(
        f"segments: {view.segments_closed} closed, {view.segments_uploaded} uploaded; waiting: {view.uploads_waiting} "
        f"({format_size(view.uploads_waiting_bytes)}); footage: {format_size(view.media_bytes)}; "
        f"free: {format_size(view.disk_free_bytes)}"
    )
    if view.uploads_left_out:
        size = format_size(view.uploads_left_out_bytes)
        print(f"left out by the cameras' upload policies: {view.uploads_left_out} ({size})")
    for volume in view.volumes:
        print(describe_volume(volume))
    if view.lost_segments:
        print(f"lost: {view.lost_segments} segments were deleted for want of room before their upload")
    for refused in view.uploads_refused:
        print(f"refused: {refused}")
    return 0


def describe_volume(volume: Forecast) -> str:
    """A volume's room and how long it lasts, in a line."""
    rate = f"{format_size(volume.bytes_per_day)} a day" if volume.bytes_per_day else "too little recorded to tell"
    if volume.days_held is None:
        lasts = ""
    elif volume.days_until_full is None:
        lasts = f"; {volume.days_held:g} days fit, {volume.days_max} are kept"
    else:
        lasts = f"; full in {volume.days_until_full:g} days: {volume.days_held:g} fit, {volume.days_max} should be kept"
    room = f"{format_size(volume.free_bytes)} of {format_size(volume.total_bytes)} free"
    return f"volume {volume.volume}: {room}, {format_size(volume.footage_bytes)} of footage, {rate}{lasts}"

"""What becomes of a site if things go on as lately: disks, uploads, cameras; each with what it follows from."""

from __future__ import annotations

import argparse
import time

from cli.output import add_data_argument, add_json_argument, format_size, print_json, print_table, require_data
from components.shared.catalogue.camera_risk import CameraRisk
from components.shared.catalogue.class_forecast import VolumeForecast
from components.shared.catalogue.site_forecast import SiteForecast, read_site_forecast
from components.shared.catalogue.upload_forecast import UploadForecast
from components.shared.runtime.config import read_snapshot
from components.shared.wire.recording_config import RetentionSection

ANSWER = SiteForecast
HELP = "how long disks last, when uploads are done, which cameras are about to fail"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_data_argument(parser)
    add_json_argument(parser)
    parser.epilog = "The formulas are in docs/design/forecasts.md."


def run(arguments: argparse.Namespace) -> int:
    """Print the forecasts under the settings in force."""
    data = require_data(arguments.data)
    snapshot = read_snapshot(data)
    retention = RetentionSection() if snapshot is None else snapshot.site.document.retention
    made = read_site_forecast(data, retention, time.time_ns())
    if arguments.json:
        print_json(made)
        return 0
    for volume in made.volumes:
        print(describe_volume(volume))
        print_table(
            ("class", "footage", "a day", "oldest", "kept", "grows for"),
            [
                (
                    *(one.footage_class, format_size(one.footage_bytes), format_size(one.bytes_per_day)),
                    *(_days(one.oldest_days), _days(one.days_kept), _days(one.grows_days)),
                )
                for one in volume.classes
            ],
            "no footage",
        )
        print()
    print(describe_uploads(made.uploads))
    print()
    print_table(
        ("camera", "risk", "failures in 24 h", "usual", "chance", "of what", "before that"),
        [_camera(one) for one in made.cameras],
        "No camera is to be recorded.",
    )
    return 0


def describe_volume(volume: VolumeForecast) -> str:
    """When a volume is full, in a line."""
    room = f"{format_size(volume.room_bytes)} may be filled of {format_size(volume.free_bytes)} free"
    if volume.days_until_full is None:
        return f"volume {volume.volume}: {room}; footage goes for its age before that is used up"
    return f"volume {volume.volume}: {room}; full in {_days(volume.days_until_full)}, then footage goes early"


def describe_uploads(uploads: UploadForecast | None) -> str:
    """When the uploads are done, in a line."""
    if uploads is None:
        return "uploads: nothing is known of them yet"
    waiting = f"uploads: {uploads.waiting} wait ({format_size(uploads.waiting_bytes)}"
    waiting += f", the oldest for {uploads.oldest_waits_s} s)" if uploads.waiting else ")"
    link = (
        f"in the last hour {format_size(uploads.uploaded_bytes_per_s)}/s went up and "
        f"{format_size(uploads.queued_bytes_per_s)}/s came new"
    )
    left = f"; {uploads.left_out} ({format_size(uploads.left_out_bytes)}) are left out by the cameras' upload policies"
    left = left if uploads.left_out else ""
    if uploads.hours_until_done is None:
        return f"{waiting}; {link}: never done at this rate{left}"
    return f"{waiting}; {link}: done in {uploads.hours_until_done:g} h{left}"


def _camera(one: CameraRisk) -> tuple[str, ...]:
    name = one.camera if one.stream == "main" else f"{one.camera} {one.stream}"
    causes = ", ".join(f"{cause} {count}" for cause, count in one.causes.items())
    before = f"{one.failures_before} in {_days(one.days_before)}"
    return (name, one.risk, str(one.failures), f"{one.expected:g}", f"{one.chance:g}", causes or "-", before)


def _days(days: float) -> str:
    return f"{days:g} d"

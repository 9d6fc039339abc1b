"""The cameras of a site: their state and cause, what they send, what was recorded of them, their last picture."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from cli.observe import CameraView, gather
from cli.output import add_data_argument, add_json_argument, print_json, print_table, require_data

ANSWER = list[CameraView]
HELP = "the cameras and their state"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_data_argument(parser)
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the cameras."""
    cameras = gather(require_data(arguments.data)).cameras
    if arguments.json:
        print_json(cameras)
    else:
        print_cameras(cameras)
    return 0


def print_cameras(cameras: Sequence[CameraView]) -> None:
    """Print cameras as a table."""
    print_table(
        (
            "camera",
            "state",
            "cause",
            "video",
            "fps",
            "Mbit/s",
            "segments",
            "frames",
            "gaps s",
            "events",
            "sub",
            "last picture",
        ),
        [
            (
                view.id,
                view.state,
                view.cause,
                f"{view.codec} {view.picture}".strip(),
                f"{view.fps:.1f}",
                f"{view.bitrate_bits_per_s / 1e6:.2f}",
                str(view.segments),
                str(view.frames_recorded),
                f"{view.gap_seconds:.1f}",
                str(view.motion_events),
                view.sub,
                view.snapshot and f"{view.snapshot_taken} {view.snapshot}",
            )
            for view in cameras
        ],
        "No camera is configured yet.",
    )

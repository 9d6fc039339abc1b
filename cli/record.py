"""Start or stop the recording of a camera by hand, for a while or for good; or leave it to its mode again.

A start or stop by hand counts more than the camera's mode and schedule. It is a change of the camera's document like
any other (`./nvr config set camera-ID manual ...`), and is followed within a second or two, without a break for others.

    ./nvr record start cam-1                    record from now on, whatever its mode
    ./nvr record start cam-1 --for 10m          for ten minutes; also 90s, 2h, 1d
    ./nvr record stop cam-1 --until 2026-11-21T18:00Z
    ./nvr record auto cam-1                     undo: by its mode and schedule again
"""

from __future__ import annotations

import argparse
import re
import time
from dataclasses import dataclass
from datetime import datetime

from cli.config import Change, propose, read_in_force, tell_change
from cli.output import add_data_argument, add_json_argument, parse_time, print_json
from components.shared.errors import Rejected
from components.shared.wire.object_keys import check_id
from components.shared.wire.recording_config import parse_moment
from components.shared.wire.site_config import camera_shadow
from components.shared.wire.units import NS_PER_S, WallNs, to_datetime

HELP = "start or stop a camera's recording by hand"

DURATION_S_MAX = 366 * 86_400
"""A year and a day; what should last longer is for good."""

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION = re.compile(r"(\d{1,8})([smhd])")


@dataclass(frozen=True, slots=True)
class Recording:
    """What `record` prints: the camera, what was asked for it, until when (None: for good), and what became of it."""

    camera: str
    manual: str
    until: str | None
    change: Change


ANSWER = Recording


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="start|stop|auto")
    starting = actions.add_parser("start", help="record, whatever its mode")
    stopping = actions.add_parser("stop", help="do not record, whatever its mode")
    automatic = actions.add_parser("auto", help="record by its mode and schedule again")
    for sub in (starting, stopping, automatic):
        sub.add_argument("camera", help="the camera's id")
        add_data_argument(sub)
        add_json_argument(sub)
    for sub in (starting, stopping):
        limits = sub.add_mutually_exclusive_group()
        limits.add_argument("--for", dest="duration", metavar="10m", help="so long: 90s, 10m, 2h, 1d")
        limits.add_argument("--until", metavar="TIME", help="until then: ISO 8601, UTC unless it says otherwise")


def run(arguments: argparse.Namespace) -> int:
    """Propose the change and tell what became of it."""
    camera = check_id(arguments.camera, "camera id")
    document = camera_shadow(camera)
    if read_in_force(arguments.data, document) is None:
        raise Rejected(f"there is no camera {camera}: `./nvr cameras` lists those there are")
    until = None if arguments.action == "auto" else _until(arguments, WallNs(time.time_ns()))
    change = propose(arguments.data, document, {"manual": manual_section(arguments.action, until)})
    if arguments.json:
        print_json(Recording(camera, arguments.action, until, change))
        return 1 if change.state == "refused" else 0
    if change.state in ("in_force", "pending"):
        print(_told(camera, arguments.action, until))
    return tell_change(document, change, False)


def manual_section(action: str, until: str | None) -> dict[str, object] | None:
    """The member `manual` of a camera's document; None takes it away. A former `until` never stays."""
    return None if action == "auto" else {"recording": action == "start", "until": until}


def _until(arguments: argparse.Namespace, now_ns: WallNs) -> str | None:
    """Until when, as documents say it; None for good."""
    if arguments.duration is not None:
        end_ns = now_ns + parse_duration_s(arguments.duration) * NS_PER_S
    elif arguments.until is not None:
        end_ns = parse_time(arguments.until)
        if end_ns <= now_ns:
            raise Rejected(f"--until {arguments.until} has passed: `auto` takes a start or stop back")
    else:
        return None
    moment = _whole_seconds(to_datetime(end_ns))
    parse_moment(moment)
    return moment


def _whole_seconds(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}Z"


def parse_duration_s(text: str) -> int:
    """Seconds of a duration such as 90s, 10m, 2h, 1d; anything else is Rejected."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise Rejected(f"--for {text!r} is no duration such as 90s, 10m, 2h or 1d")
    duration_s = int(found[1]) * _UNITS[found[2]]
    if not 1 <= duration_s <= DURATION_S_MAX:
        raise Rejected(f"--for {text} is not between a second and a year: without --for it is for good")
    return duration_s


def _told(camera: str, action: str, until: str | None) -> str:
    if action == "auto":
        return f"camera {camera} is recorded by its mode and schedule again"
    what = "is recorded" if action == "start" else "is not recorded"
    undo = f"`./nvr record auto {camera}` takes it back"
    return f"camera {camera} {what} {f'until {until}' if until else 'until somebody changes it'}; {undo}"

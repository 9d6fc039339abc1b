"""What uploads may take of the link, what waits for it, and how to hold it back for a while.

`pause`, `resume` and `cap` change the site's document like `./nvr config set site sync...`; the worker follows within
seconds, without a restart, also in the middle of an object. What is queued stays queued.

    ./nvr sync status                 the cap in force, until when, and the backlog
    ./nvr sync pause                  nothing is uploaded any more
    ./nvr sync resume                 undo: by cap and schedule again
    ./nvr sync cap 2000               at most 2 Mbit/s, all uploads together
    ./nvr sync cap none               as fast as the link is
    ./nvr config set site sync.schedule.mon "08:00-18:00 2000, 18:00-24:00 none"
"""

from __future__ import annotations

import argparse
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from cli.config import Change, propose, read_in_force, tell_change
from cli.output import add_data_argument, add_json_argument, format_size, format_time, print_json, require_data
from components.cloud_sync.core.bandwidth import Limit, Source, limit_at, next_minute_ns
from components.shared.catalogue.sync import SyncReader, UploadState
from components.shared.errors import Rejected, Transient
from components.shared.wire.site_config import SITE, SiteDocument, parse_site
from components.shared.wire.sync_config import CAP_KBIT_S_MAX, CAP_KBIT_S_MIN
from components.shared.wire.units import NS_PER_S, WallNs

HELP = "how uploads use the link: status, pause, resume, cap"

LOOK_AHEAD_MINUTES = 8 * 24 * 60
"""A week and a day: a schedule that changes nothing within that changes nothing."""


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """What is in force by the box's clock: `cap_kbit_s` None is no cap, 0 lets nothing out; `source` is why.

    `until` is when the schedule changes that (None: never), `waiting` what is queued.
    """

    cap_kbit_s: float | None
    source: Source
    until: str | None
    waiting: int
    waiting_bytes: int
    uploaded: int
    refused: int
    last_uploaded: str | None


ANSWER = SyncStatus | Change


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="status|pause|resume|cap")
    looking = actions.add_parser("status", help="what is in force, and what waits")
    pausing = actions.add_parser("pause", help="upload nothing until `resume`")
    resuming = actions.add_parser("resume", help="upload by cap and schedule again")
    capping = actions.add_parser("cap", help="bound all uploads together")
    capping.add_argument("kbit_s", metavar="KBIT_S", help=f"{CAP_KBIT_S_MIN} to {CAP_KBIT_S_MAX}, or none")
    for sub in (looking, pausing, resuming, capping):
        add_data_argument(sub)
        add_json_argument(sub)


def run(arguments: argparse.Namespace) -> int:
    """Look, or propose the change and tell what became of it."""
    data = require_data(arguments.data)
    if arguments.action == "status":
        status = read_status(data, WallNs(time.time_ns()))
        if arguments.json:
            print_json(status)
        else:
            for line in status_lines(status):
                print(line)
        return 0
    return tell_change(SITE, propose(data, SITE, {"sync": _change(arguments)}), arguments.json)


def _change(arguments: argparse.Namespace) -> dict[str, int | bool | None]:
    if arguments.action in {"pause", "resume"}:
        return {"paused": True if arguments.action == "pause" else None}
    if arguments.kbit_s == "none":
        return {"cap_kbit_s": None}
    if not arguments.kbit_s.isascii() or not arguments.kbit_s.isdecimal():
        raise Rejected(f"a cap is a number of kbit/s or none, not {arguments.kbit_s!r}")
    return {"cap_kbit_s": int(arguments.kbit_s)}


def read_status(data: Path, now_ns: WallNs) -> SyncStatus:
    """What is in force at that time, and what the queue holds."""
    raw = read_in_force(data, SITE)
    document = SiteDocument() if raw is None else parse_site(raw).document
    limit, until_ns = in_force(document, now_ns)
    waiting, waiting_bytes, counts, last_ns = _queue(data)
    return SyncStatus(
        cap_kbit_s=None if limit.bytes_per_s is None else limit.bytes_per_s * 8 / 1_000,
        source=limit.source,
        until=None if until_ns is None else format_time(until_ns),
        waiting=waiting,
        waiting_bytes=waiting_bytes,
        uploaded=counts.get("uploaded", 0),
        refused=counts.get("refused", 0),
        last_uploaded=format_time(last_ns) if last_ns else None,
    )


def in_force(document: SiteDocument, now_ns: WallNs) -> tuple[Limit, WallNs | None]:
    """The limit at that time, and when the schedule changes it."""
    zone = ZoneInfo(document.time_zone)
    limit = limit_at(document.sync, zone, now_ns)
    first_ns = now_ns + next_minute_ns(now_ns)
    for minute in range(LOOK_AHEAD_MINUTES):
        at_ns = WallNs(first_ns + minute * 60 * NS_PER_S)
        if limit_at(document.sync, zone, at_ns).bytes_per_s != limit.bytes_per_s:
            return limit, at_ns
    return limit, None


def _queue(data: Path) -> tuple[int, int, dict[UploadState, int], WallNs]:
    try:
        with closing(SyncReader.open(data)) as reader:
            return (*reader.backlog(), reader.counts(), WallNs(reader.last_uploaded_ns()))
    except Transient:
        return 0, 0, {}, WallNs(0)  # CloudSync has not run here yet


def status_lines(status: SyncStatus) -> list[str]:
    """The same for people."""
    if status.source == "paused":
        told = "paused: nothing is uploaded until `./nvr sync resume`"
    elif status.cap_kbit_s == 0:
        told = "held back by the schedule"
    elif status.cap_kbit_s is None:
        told = "no cap"
    else:
        told = f"at most {status.cap_kbit_s:g} kbit/s, by the site's {status.source}"
    return [
        told + (f", until {status.until}" if status.until else ""),
        f"waiting: {status.waiting} ({format_size(status.waiting_bytes)}); uploaded: {status.uploaded}; "
        f"refused: {status.refused}; last upload: {status.last_uploaded or '-'}",
    ]

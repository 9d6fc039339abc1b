"""Bookmarks: spans of a camera's footage that are deleted last, when even what is not uploaded has gone.

`add` and `remove` ask Capture, which takes it in within seconds, or at its next start when it does not run. A bookmark
may span what is not recorded yet.

    ./nvr bookmark add cam-1 2026-11-21T10:00:00Z 2026-11-21T10:05:00Z --note "the blue car"
    ./nvr bookmark list
    ./nvr bookmark remove 3f0c4c1d...
"""

from __future__ import annotations

import argparse
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cli.observe import is_running
from cli.output import (
    add_data_argument,
    add_json_argument,
    format_time,
    parse_time,
    print_json,
    print_table,
    require_data,
)
from components.shared.catalogue.bookmarks import bookmarks
from components.shared.catalogue.capture import CaptureReader
from components.shared.errors import Rejected, Transient
from components.shared.runtime.requests import RequestFolder
from components.shared.wire.bookmark_request import FOLDER, parse_bookmark_request
from local.site import Layout

HELP = "keep a span of footage: add, list, remove"

ANSWER_S_MAX = 10.0
"""Capture looks every two seconds."""
ANSWER_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class BookmarkView:
    """A bookmark for people: times in ISO 8601, UTC."""

    bookmark: str
    camera: str
    start: str
    end: str
    note: str
    created: str


@dataclass(frozen=True, slots=True)
class BookmarkChange:
    """What became of `add` or `remove`: `kept` until Capture runs."""

    state: Literal["done", "refused", "kept"]
    bookmark: str
    error: str | None = None


ANSWER = list[BookmarkView] | BookmarkChange


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="add|list|remove")
    adding = actions.add_parser("add", help="keep a span of a camera")
    adding.add_argument("camera", help="the camera's id")
    adding.add_argument("start", metavar="FROM", help="when it begins (ISO 8601, UTC)")
    adding.add_argument("end", metavar="TO", help="when it ends")
    adding.add_argument("--note", default="", metavar="TEXT", help="why, at most 200 characters")
    listing = actions.add_parser("list", help="all bookmarks by time")
    listing.add_argument("--camera", metavar="ID", help="only this camera")
    removing = actions.add_parser("remove", help="keep it no longer than other footage")
    removing.add_argument("bookmark", help="its id, as `list` and `add` tell it")
    for sub in (adding, listing, removing):
        add_data_argument(sub)
        add_json_argument(sub)


def run(arguments: argparse.Namespace) -> int:
    """Add, list or remove."""
    data = require_data(arguments.data)
    if arguments.action == "list":
        return _list(data, arguments.camera, arguments.json)
    if arguments.action == "remove":
        _check_known(data, arguments.bookmark)
        body: dict[str, object] = {"action": "remove", "bookmark": arguments.bookmark}
    else:
        span = {"start_ns": parse_time(arguments.start), "end_ns": parse_time(arguments.end)}
        body = {"action": "add", "camera": arguments.camera, **span, "note": arguments.note}
    change = ask(data, body)
    if arguments.json:
        print_json(change)
    elif change.state == "refused":
        print(f"refused, nothing was changed: {change.error}")
    elif change.state == "kept":
        print(f"the site is not running: it is kept and taken in at its next start ({change.bookmark})")
    else:
        print(f"bookmark {change.bookmark} is {'set' if arguments.action == 'add' else 'removed'}")
    return 1 if change.state == "refused" else 0


def ask(data: Path, body: dict[str, object], answer_s_max: float = ANSWER_S_MAX) -> BookmarkChange:
    """Hand a request to Capture; Transient when the site runs and Capture does not answer in time."""
    parse_bookmark_request(RequestFolder.encode(body))  # a bad one is refused before it is written
    folder = RequestFolder(data, FOLDER)
    request = folder.submit(body)
    bookmark = str(body.get("bookmark", request))
    if not is_running(Layout(data)):
        return BookmarkChange("kept", bookmark)
    deadline = time.monotonic() + answer_s_max
    while (answer := folder.fetch_answer(request)) is None:
        if time.monotonic() > deadline:
            raise Transient(
                "Capture does not answer; the request is kept and taken in when it does: `./nvr logs Capture` tells why"
            )
        time.sleep(ANSWER_POLL_S)
    return BookmarkChange(answer.state, bookmark, answer.error)


def _list(data: Path, camera: str | None, as_json: bool) -> int:
    with closing(CaptureReader.open(data)) as reader:
        views = [
            BookmarkView(
                *(row.bookmark, row.camera, format_time(row.start_ns), format_time(row.end_ns), row.note),
                format_time(row.created_ns),
            )
            for row in bookmarks(reader, camera)
        ]
    if as_json:
        print_json(views)
        return 0
    print_table(
        ("bookmark", "camera", "from", "to", "note"),
        [(view.bookmark, view.camera, view.start, view.end, view.note) for view in views],
        "There are no bookmarks: ./nvr bookmark add CAMERA FROM TO",
    )
    return 0


def _check_known(data: Path, bookmark: str) -> None:
    with closing(CaptureReader.open(data)) as reader:
        if all(row.bookmark != bookmark for row in bookmarks(reader)):
            raise Rejected(f"there is no bookmark {bookmark!r}: `./nvr bookmark list` tells those there are")

"""The site's configuration: what is in force, what is pending, what was refused and why; and changes to it.

`set` hands a change to the site's configuration component, which validates it, puts it in force at once and sends it to
the shadow when the network is there. A change that is refused changes nothing.

    ./nvr config get                                      all documents and their state
    ./nvr config get site recording.segment_s
    ./nvr config set site recording.segment_s 60
    ./nvr config set camera-cam-1 name '"Front door"'
    ./nvr config set camera-cam-9 . '{"schema": 1, "name": "Yard", "source": {"url": "rtsp://192.0.2.9/1"}}'
    ./nvr config set site cameras.cam-9 null              remove a camera; its footage stays
"""

from __future__ import annotations

import argparse
import json
import time
import uuid
from pathlib import Path
from typing import Any

from cli.observe import is_running
from cli.output import add_data_argument, add_json_argument, print_json, print_table
from components.shared.errors import Rejected, Transient
from components.shared.runtime.files import write_durably
from local.site import Layout

HELP = "look at and change the configuration"

ANSWER_S_MAX = 10.0
"""SiteConfig answers within a second or two when it runs; a proposal that is not answered stays and is taken later."""
ANSWER_POLL_S = 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="get|set")
    getting = actions.add_parser("get", help="what is in force, pending or refused")
    getting.add_argument("shadow", nargs="?", help="site or camera-ID (default: all)")
    getting.add_argument("path", nargs="?", help="a member, such as recording.segment_s")
    setting = actions.add_parser("set", help="change one member")
    setting.add_argument("shadow", help="site or camera-ID")
    setting.add_argument("path", help="a member, such as recording.segment_s; `.` for the whole document")
    setting.add_argument("value", help="JSON, or plain text; `null` removes the member")
    for sub in (getting, setting):
        add_data_argument(sub)
        add_json_argument(sub)


def run(arguments: argparse.Namespace) -> int:
    """Get or set."""
    return _get(arguments) if arguments.action == "get" else _set(arguments)


def _get(arguments: argparse.Namespace) -> int:
    states = report(arguments.data)
    if arguments.shadow is None:
        return _print_states(states, arguments.json)
    document = in_force(arguments.data, arguments.shadow)
    state = states.get(arguments.shadow, {})
    value = _member(document, arguments.path, arguments.shadow) if document is not None else None
    if arguments.json:
        print_json({"document": arguments.shadow, "in_force": value, "state": state})
        return 0
    if document is None and not state:
        raise Rejected(f"there is no document {arguments.shadow}; `./nvr config get` lists them")
    print(json.dumps(value, indent=1, ensure_ascii=False))
    if state:
        error = f": {state['error']}" if state.get("error") else ""
        print(f"# version {state.get('version')}: {state.get('state')}{error}")
    return 0


def _print_states(states: dict[str, Any], as_json: bool) -> int:
    if as_json:
        print_json(states)
        return 0
    print_table(
        ("document", "version", "state", "reason"),
        [
            (name, str(state.get("version", "")), str(state.get("state", "")), str(state.get("error") or ""))
            for name, state in sorted(states.items())
        ],
        "No document has reached this site yet.",
    )
    return 0


def _set(arguments: argparse.Namespace) -> int:
    proposal = uuid.uuid4().hex
    folder = arguments.data / "config" / "proposals"
    if not folder.is_dir():
        raise Rejected(f"no site has run in {arguments.data} yet: start one with `./nvr up`")
    changes = merge_patch(arguments.path, _parsed(arguments.value))
    body = {"document": arguments.shadow, "changes": changes, "base_version": None}
    write_durably(folder / f"{proposal}.json", json.dumps(body).encode())
    if not is_running(Layout(arguments.data)):
        print("the site is not running: the change is kept and taken at its next start")
        return 0
    answer = _answer(folder / f"{proposal}.answer.json")
    if arguments.json:
        print_json(answer)
    elif answer["state"] == "refused":
        print(f"refused, nothing was changed: {answer['error']}")
    else:
        pending = " (the shadow follows when the network is there)" if answer["state"] == "pending" else ""
        print(f"{arguments.shadow} version {answer.get('version')} is in force{pending}")
    return 1 if answer["state"] == "refused" else 0


def _answer(path: Path) -> dict[str, Any]:
    deadline = time.monotonic() + ANSWER_S_MAX
    while not path.exists():
        if time.monotonic() > deadline:
            raise Transient("the configuration component does not answer; the change is kept and taken when it runs")
        time.sleep(ANSWER_POLL_S)
    answer: dict[str, Any] = json.loads(path.read_text())
    path.unlink()
    return answer


def merge_patch(path: str, value: Any) -> Any:
    """The JSON merge patch (RFC 7386) that sets one member."""
    if path == ".":
        return value
    patch = value
    for part in reversed(path.split(".")):
        patch = {part: patch}
    return patch


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def in_force(data: Path, document: str) -> Any:
    """The document that components use, or None."""
    path = data / "config" / f"{document}.json"
    return json.loads(path.read_text())["raw"] if path.exists() else None


def report(data: Path) -> dict[str, Any]:
    """What SiteConfig last reported of all documents, by name."""
    path = data / "config" / "report.json"
    states: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return states


def _member(document: Any, path: str | None, shadow: str) -> Any:
    for part in path.split(".") if path not in (None, ".") and path else []:
        if not isinstance(document, dict) or part not in document:
            raise Rejected(f"document {shadow} has no member {path}; what is not there has its default")
        document = document[part]
    return document

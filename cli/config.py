"""The site's configuration: what is in force, what is pending, what was refused and why; and changes to it.

`set` hands a change to the site's configuration component, which validates it, puts it in force at once and sends it to
the shadow when the network is there. A change that is refused changes nothing. While the site does not run the change
is kept, and taken at its next start.

    ./nvr config get                                      all documents and their state
    ./nvr config get site recording.segment_s
    ./nvr config set site recording.segment_s 60
    ./nvr config set camera-cam-1 name '"Front door"'
    ./nvr config set camera-cam-9 . '{"schema": 1, "name": "Yard", "source": {"url": "rtsp://192.0.2.9/1"}}'
    ./nvr config set site cameras.cam-9 null              remove a camera; its footage stays
    ./nvr config history camera-cam-1                     who changed what when, and what became of it
    ./nvr config diff camera-cam-1 3                      what has changed since version 3 of its history
    ./nvr config undo camera-cam-1                        put the version before the present one in force again

A camera whose `source` is changed goes on with the old one until the new one shows a picture; `--force` (which sets
`source.trial` to false) has it followed at once.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

from cli.config_history import (
    Difference,
    HistoryRow,
    Undo,
    change_lines,
    difference,
    history_lines,
    plan_undo,
    rows_of,
)
from cli.observe import is_running
from cli.output import add_data_argument, add_json_argument, no_site, print_json, print_table
from components.shared.errors import Rejected, Transient
from components.shared.runtime.config import config_folder
from components.shared.runtime.files import write_durably
from components.shared.wire.json_patch import apply_patch
from components.shared.wire.object_keys import check_id
from components.shared.wire.site_config import SITE, camera_of_shadow
from local.site import Layout

HELP = "look at and change the configuration"

ANSWER_S_MAX = 10.0
"""SiteConfig answers within a second or two when it runs; a proposal that is not answered stays and is taken later."""
ANSWER_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class DocumentInForce:
    """What `config get DOCUMENT` prints: the document or its member, and how it stands."""

    document: str
    in_force: Any
    state: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """What became of `config set`. `kept` until the site runs; `version` is None when nothing is in force yet."""

    state: Literal["in_force", "pending", "refused", "kept"]
    version: int | None = None
    error: str | None = None


ANSWER = dict[str, dict[str, Any]] | DocumentInForce | Change | list[HistoryRow] | Difference


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="get|set|diff|history|undo")
    getting = actions.add_parser("get", help="what is in force, pending or refused")
    getting.add_argument("shadow", nargs="?", help="site or camera-ID (default: all)")
    getting.add_argument("path", nargs="?", default=".", help="a member, such as recording.segment_s")
    setting = actions.add_parser("set", help="change one member")
    setting.add_argument("shadow", help="site or camera-ID")
    setting.add_argument("path", help="a member, such as recording.segment_s; `.` for the whole document")
    setting.add_argument("value", help="JSON, or plain text; `null` removes the member")
    setting.add_argument("--force", action="store_true", help="follow a camera's new source at once, without a trial")
    history = actions.add_parser("history", help="every version: who made it, when, what it changed, what became of it")
    history.add_argument("shadow", nargs="?", help="site or camera-ID (default: all)")
    differing = actions.add_parser("diff", help="what differs between two versions of a document")
    differing.add_argument("shadow", help="site or camera-ID")
    differing.add_argument("old", nargs="?", help="a number of the history, in-force, wanted (by the cloud) or waiting")
    differing.add_argument("new", nargs="?", help="the same (default: in-force)")
    undoing = actions.add_parser("undo", help="put a former version in force again, as a new edit")
    undoing.add_argument("shadow", help="site or camera-ID")
    undoing.add_argument("--to", type=int, metavar="NUMBER", help="of the history (default: the version before)")
    undoing.add_argument("--yes", action="store_true", help="do not ask")
    for sub in (getting, setting, history, differing, undoing):
        add_data_argument(sub)
        add_json_argument(sub)


def run(arguments: argparse.Namespace) -> int:
    """Do what the action says."""
    folder = config_folder(arguments.data)
    if not folder.is_dir():
        raise no_site(arguments.data)
    if arguments.shadow not in (None, SITE):
        camera = camera_of_shadow(arguments.shadow)
        if camera is None:
            raise Rejected(f"{arguments.shadow!r} is no document: `site` or `camera-ID` was due")
        check_id(camera, "camera id")
    return _ACTIONS[arguments.action](arguments)


def _get(arguments: argparse.Namespace) -> int:
    folder = config_folder(arguments.data)
    states = _read(folder / "report.json") or {}
    if arguments.shadow is None:
        return _print_states(states, arguments.json)
    return _print_document(arguments, states.get(arguments.shadow, {}))


def _set(arguments: argparse.Namespace) -> int:
    changes = merge_patch(arguments.path, _parsed(arguments.value))
    is_source = arguments.shadow != SITE and isinstance(changes, dict) and bool(changes.keys() & {"source", "sub"})
    if arguments.force:
        if not is_source:
            raise Rejected("--force is for a camera's source: everything else is in force at once anyway")
        changes = apply_patch(changes, {"source": {"trial": False}})
    change = propose(arguments.data, arguments.shadow, changes)
    code = tell_change(arguments.shadow, change, arguments.json)
    if is_source and code == 0 and not (arguments.force or arguments.json):
        print(f"a new source is tried before the old one is left: `./nvr config get {arguments.shadow}` tells")
    return code


def _history(arguments: argparse.Namespace) -> int:
    rows = rows_of(arguments.data, arguments.shadow)
    if arguments.json:
        print_json(rows)
    else:
        titles = ("document", "number", "when", "by", "state", "version", "changed")
        print_table(titles, history_lines(rows), "No document has been in force here yet.")
    return 0


def _diff(arguments: argparse.Namespace) -> int:
    found = difference(arguments.data, arguments.shadow, arguments.old, arguments.new)
    if arguments.json:
        print_json(found)
        return 0
    print(f"{found.document}, {found.old} to {found.new}:" + ("" if found.changes else " no difference"))
    for line in change_lines(found.changes):
        print(line)
    return 0


def _undo(arguments: argparse.Namespace) -> int:
    undo = plan_undo(arguments.data, arguments.shadow, arguments.to)
    if not (arguments.yes or _is_confirmed(undo)):
        print("nothing was changed")
        return 1
    change = propose(arguments.data, undo.document, undo.patch, base_version=undo.base_version)
    return tell_change(undo.document, change, arguments.json)


def _is_confirmed(undo: Undo) -> bool:
    """Show what an undo changes and ask; Rejected when there is nobody to ask."""
    if not sys.stdin.isatty():
        raise Rejected("an undo changes what is in force: say --yes, or run it in a terminal")
    print(f"version {undo.number} of {undo.document} is put back:")
    for line in change_lines(undo.changes):
        print(line)
    return input("Go on? [y/N] ").strip().lower() in {"y", "yes"}


_ACTIONS = {"get": _get, "set": _set, "diff": _diff, "history": _history, "undo": _undo}


def _print_document(arguments: argparse.Namespace, state: Mapping[str, Any]) -> int:
    name = arguments.shadow
    held = _read(config_folder(arguments.data) / f"{name}.json")
    if held is None and not state:
        raise Rejected(f"there is no document {name}: `./nvr config get` lists those there are")
    value = None if held is None else member(held["raw"], arguments.path, name)
    if arguments.json:
        print_json(DocumentInForce(name, value, dict(state)))
        return 0
    print(json.dumps(value, indent=1, ensure_ascii=False))
    if state:
        print(f"# version {state.get('version')}: {state.get('state')}{_because(state)}")
    return 0


def _print_states(states: Mapping[str, Any], as_json: bool) -> int:
    if as_json:
        print_json(dict(states))
        return 0
    print_table(
        ("document", "version", "state", "in force", "reason"),
        [
            (
                name,
                str(state.get("version", "")),
                str(state.get("state", "")),
                str(state.get("version" if state.get("state") == "in_force" else "in_force_version") or "-"),
                _because(state).removeprefix(": "),
            )
            for name, state in sorted(states.items())
        ],
        "No document has reached this site yet.",
    )
    return 0


def _because(state: Mapping[str, Any]) -> str:
    """What is to be said of a document beside its state: why it was refused, what was lost, what was not understood."""
    ignored = ", ".join(state.get("ignored") or ())
    reasons = (state.get("error"), state.get("lost"), ignored and f"not understood by this release: {ignored}")
    return "".join(f": {reason}" for reason in reasons if reason)


def propose(
    data: Path, document: str, changes: Any, answer_s_max: float = ANSWER_S_MAX, base_version: int | None = None
) -> Change:
    """Hand a change to the site's configuration component; Transient when it runs and does not answer in time."""
    proposal = uuid.uuid4().hex
    folder = config_folder(data) / "proposals"
    if not folder.is_dir():
        raise no_site(data)
    body = {"document": document, "changes": changes, "base_version": base_version}
    write_durably(folder / f"{proposal}.json", json.dumps(body).encode())
    if not is_running(Layout(data)):
        return Change("kept")
    answer_file = folder / f"{proposal}.answer.json"
    deadline = time.monotonic() + answer_s_max
    while (answer := _read(answer_file)) is None:
        if time.monotonic() > deadline:
            raise Transient(
                "the configuration component does not answer; the change is kept and taken when it does: "
                "`./nvr logs SiteConfig` tells why"
            )
        time.sleep(ANSWER_POLL_S)
    answer_file.unlink()
    return Change(answer["state"], answer.get("version"), answer.get("error"))


def read_in_force(data: Path, document: str) -> dict[str, Any] | None:
    """A document in force; None when there is none of that name. Rejected where no site has run."""
    folder = config_folder(data)
    if not folder.is_dir():
        raise no_site(data)
    held = _read(folder / f"{document}.json")
    return None if held is None else held["raw"]


def tell_change(document: str, change: Change, as_json: bool) -> int:
    """Tell what became of a change; 1 when it was refused."""
    if as_json:
        print_json(change)
    elif change.state == "refused":
        print(f"refused, nothing was changed: {change.error}")
    elif change.state == "kept":
        print("the site is not running: the change is kept and taken at its next start")
    else:
        pending = " (the shadow follows when the network is there)" if change.state == "pending" else ""
        print(f"{document} version {change.version} is in force{pending}")
    return 1 if change.state == "refused" else 0


def merge_patch(path: str, value: Any) -> Any:
    """The JSON merge patch (RFC 7386) that sets one member; the whole document's is the document."""
    if path == "." and not isinstance(value, dict):
        raise Rejected(f"a whole document is a JSON object, not {json.dumps(value)}")
    patch = value
    for part in reversed(_parts(path)):
        patch = {part: patch}
    return patch


def member(document: Any, path: str, name: str) -> Any:
    """One member of a document; Rejected when it is not in it."""
    for part in _parts(path):
        if not isinstance(document, dict) or part not in document:
            raise Rejected(f"document {name} has no member {path}: what is not there has its default")
        document = document[part]
    return document


def _parts(path: str) -> list[str]:
    if path == ".":
        return []
    parts = path.split(".")
    if not all(parts):
        raise Rejected(
            f"path {path!r} has an empty part: names with dots between were due, such as recording.segment_s"
        )
    return parts


def _parsed(text: str) -> Any:
    """JSON, or plain text when it is none; NaN and Infinity are none."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        return text


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(constant)


def _read(path: Path) -> dict[str, Any] | None:
    """A file that SiteConfig wrote, complete or not at all; None when it is not there."""
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except json.JSONDecodeError as error:
        raise Rejected(f"{path} is damaged ({error}): a restart of the site writes it anew") from error
    return content

"""Hold a site's catalogues against its files, make a lost one again from them, accept a disk that was replaced.

`check` tells every disagreement and changes nothing. `rebuild` makes capture.db anew from the trailers of all segment
files; the old one is set aside, gaps of before are in that one only. `accept` makes the disk at a volume's place the
volume.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from cli.output import add_data_argument, add_json_argument, format_size, print_json, print_table, require_data
from components.shared.catalogue.capture import CaptureReader, Volume
from components.shared.catalogue.check import Finding, check
from components.shared.catalogue.rebuild import Rebuilt, default_processes, known_volumes, rebuild
from components.shared.catalogue.volumes import accept_volume
from components.shared.errors import Rejected

ANSWER = list[Finding] | Rebuilt
HELP = "check the catalogues against the files, or rebuild them"

MAIN = "main"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    checking = actions.add_parser("check", help="tell every disagreement; exit 1 when there is one")
    checking.add_argument("--with-hash", action="store_true", help="also read every file and compare its hash (slow)")
    building = actions.add_parser("rebuild", help="make capture.db again from the files; Capture must not run")
    building.add_argument(
        "--volume",
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="use these volumes (default: those of the catalogue that is there, and `main` in the data root)",
    )
    building.add_argument(
        "--take-over", action="store_true", help="also use volumes that belong to another or a lost data root"
    )
    accepting = actions.add_parser("accept", help="make the disk at a volume's place the volume: the old one is gone")
    accepting.add_argument("volume", metavar="VOLUME", help="the volume's name")
    for action in (checking, building, accepting):
        add_data_argument(action)
    for action in (checking, building):
        add_json_argument(action)


def run(arguments: argparse.Namespace) -> int:
    """Carry the action out; 1 when something is wrong."""
    actions: dict[str, Callable[[argparse.Namespace], int]] = {
        "check": _check,
        "rebuild": _rebuild,
        "accept": _accept,
    }
    return actions[arguments.action](arguments)


def _check(arguments: argparse.Namespace) -> int:
    findings = check(require_data(arguments.data), with_hash=arguments.with_hash)
    if arguments.json:
        print_json(findings)
    else:
        print_table(
            ("what", "where", "detail"),
            [(finding.what, finding.where, finding.detail) for finding in findings],
            "The catalogues and the files agree.",
        )
    return 1 if findings else 0


def _rebuild(arguments: argparse.Namespace) -> int:
    data = arguments.data
    if not data.is_dir():
        raise Rejected(f"{data} is not there: name the site's data root with --data")
    volumes = _named(arguments.volume) if arguments.volume else _usual(data)
    told = rebuild(data, volumes, _say, default_processes(), arguments.take_over)
    failed = [repair for repair in told.repairs if repair.what == "failed"]
    if arguments.json:
        print_json(told)
        return 1 if failed else 0
    print(
        f"{told.segments} segments ({format_size(told.size_bytes)}) of {told.streams} streams, {told.gaps} gaps, "
        f"from {', '.join(told.volumes)}; their hashes are compared later, by Capture"
    )
    for repair in told.repairs:
        print(f"{repair.what}: {repair.where}: {repair.detail}")
    if told.set_aside is not None:
        print(f"what was there before is {told.set_aside}")
    return 1 if failed else 0


def _accept(arguments: argparse.Namespace) -> int:
    with closing(CaptureReader.open(require_data(arguments.data))) as reader:
        volume = accept_volume(reader, arguments.volume)
    print(f"{volume.root} is volume {volume.volume} now")
    return 0


def _usual(data: Path) -> list[Volume]:
    known = {volume.volume: volume for volume in known_volumes(data)}
    root = data / "media" / MAIN
    if root.is_dir():
        known.setdefault(MAIN, Volume(MAIN, root))
    if not known:
        raise Rejected(f"{data} has no volumes: name them with --volume NAME=DIR")
    return list(known.values())


def _named(texts: list[str]) -> list[Volume]:
    volumes: dict[str, Volume] = {}
    for text in texts:
        name, equals, folder = text.partition("=")
        if not (name and equals and folder):
            raise Rejected(f"volume {text!r} is not of the form NAME=DIR")
        if name in volumes:
            raise Rejected(f"volume {name!r} is named twice")
        volumes[name] = Volume(name, Path(folder))
    return list(volumes.values())


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)

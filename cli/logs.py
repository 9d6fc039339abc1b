"""What the components and stand-ins say: their log lines, one per line, newest last, or followed as they come."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

from cli.output import add_data_argument
from components.shared.errors import Rejected
from fleet.artifacts import PUBLISHER_PREFIX
from local.site import Layout

HELP = "what a component says"

FOLLOW_POLL_S = 0.3
LINES_DEFAULT = 50
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("component", nargs="?", help="Capture, CloudSync, ..., core, cloud or cameras (default: all)")
    parser.add_argument("-f", "--follow", action="store_true", help="go on printing what comes")
    parser.add_argument("-n", "--lines", type=int, default=LINES_DEFAULT, help="how many lines of the past per log")
    parser.add_argument("--level", choices=_LEVELS, default="DEBUG", type=str.upper, help="this level and above")
    parser.add_argument("--json", action="store_true", help="print the lines as they are, unformatted")
    add_data_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print log lines."""
    files = log_files(arguments.data, arguments.component)
    width = max(len(file.stem.removeprefix(PUBLISHER_PREFIX)) for file in files)
    positions = {}
    for file in files:
        lines = file.read_text(errors="replace").splitlines()
        positions[file] = file.stat().st_size
        for line in lines[-arguments.lines :]:
            show(file, line, arguments, width)
    while arguments.follow:
        for file in files:
            for line in _new_lines(file, positions):
                show(file, line, arguments, width)
        time.sleep(FOLLOW_POLL_S)
    return 0


def log_files(data: Path, component: str | None) -> list[Path]:
    """The log files of one component, or of all; Rejected, naming those there are, when there is none of that name."""
    files = sorted(Layout(data).logs.glob("*.log"))
    names = {file.stem.removeprefix(PUBLISHER_PREFIX).lower(): file for file in files}
    if component is None and files:
        return files
    found = names.get((component or "").lower())
    if found is None:
        there = ", ".join(sorted(file.stem.removeprefix(PUBLISHER_PREFIX) for file in files)) or "none"
        raise Rejected(f"no log of {component or 'anything'} in {Layout(data).logs}; there are: {there}")
    return [found]


def show(file: Path, line: str, arguments: argparse.Namespace, width: int) -> None:
    """Print one line, for people or as it is."""
    try:
        record = json.loads(line)
    except json.JSONDecodeError:
        record = None
    level = record.get("level", "INFO") if isinstance(record, dict) else "INFO"
    if level in _LEVELS and _LEVELS.index(level) < _LEVELS.index(arguments.level):
        return
    if arguments.json:
        print(line, flush=True)
        return
    name = file.stem.removeprefix(PUBLISHER_PREFIX)
    if not isinstance(record, dict):
        print(f"{name:{width}}  {line}", flush=True)
        return
    fields = {key: value for key, value in record.items() if key not in {"time", "level", "component", "event"}}
    told = " ".join(f"{key}={value}" for key, value in fields.items())
    print(f"{name:{width}}  {record.get('time', '')} {level:7} {record.get('event', '')} {told}".rstrip(), flush=True)


def _new_lines(file: Path, positions: dict[Path, int]) -> Iterator[str]:
    """The whole lines that were added to a file since last time; a rotated file is read from its start."""
    size = file.stat().st_size if file.exists() else 0
    if size < positions[file]:
        positions[file] = 0
    if size == positions[file]:
        return
    with file.open("rb") as opened:
        opened.seek(positions[file])
        added = opened.read()
    whole, newline, _rest = added.rpartition(b"\n")
    positions[file] += len(whole) + len(newline)
    yield from whole.decode(errors="replace").splitlines()

"""What the components and stand-ins say: their log lines, one per line, newest last, or followed as they come.

The newest lines of several logs are told log by log, those that come later as they come. A line that is still being
written is told when it is whole. A line without a level of its own counts as INFO.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from cli.output import add_data_argument
from components.shared.errors import Rejected
from fleet.artifacts import PUBLISHER_PREFIX
from local.site import Layout

HELP = "what a component says"

FOLLOW_POLL_S = 0.3
LINES_DEFAULT = 50
NAME_CHARS = 14
"""The longest name, VideoProcessor: a column for all."""

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("component", nargs="?", help="Capture, CloudSync, ..., core, cloud or cameras (default: all)")
    parser.add_argument("-f", "--follow", action="store_true", help="go on printing what comes, until Ctrl-C")
    parser.add_argument(
        "-n", "--lines", type=int, default=LINES_DEFAULT, help=f"how many past lines per log (default: {LINES_DEFAULT})"
    )
    parser.add_argument("--level", choices=LEVELS, default="DEBUG", type=str.upper, help="this level and above")
    parser.add_argument("--json", action="store_true", help="print the lines as they are, unformatted")
    add_data_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print log lines."""
    if arguments.lines < 0:
        raise Rejected(f"--lines {arguments.lines}: 0 or more was due")
    tails = {file: Tail(file) for file in log_files(arguments.data, arguments.component)}
    for file, tail in tails.items():
        for line in deque(_at_level(tail.lines(), arguments.level), arguments.lines):
            _print(file, line, arguments.json)
        if not arguments.follow:
            for line in _at_level(tail.unfinished(), arguments.level):
                _print(file, line, arguments.json)
    while arguments.follow:
        time.sleep(FOLLOW_POLL_S)
        for file in log_files(arguments.data, arguments.component):
            for line in _at_level(tails.setdefault(file, Tail(file)).lines(), arguments.level):
                _print(file, line, arguments.json)
    return 0


def log_files(data: Path, component: str | None) -> list[Path]:
    """The log files of one component, or of all; Rejected, naming those there are, when there is none of that name."""
    files = sorted(Layout(data).logs.glob("*.log"))
    if not files:
        raise Rejected(f"nothing has logged in {data} yet: start a site with `./nvr up`, or name another --data")
    if component is None:
        return files
    found = [file for file in files if name_of(file).lower() == component.lower()]
    if not found:
        raise Rejected(f"there is no log of {component}; there are: {', '.join(map(name_of, files))}")
    return found


def name_of(file: Path) -> str:
    """Whose log it is, as an operator says it."""
    return file.stem.removeprefix(PUBLISHER_PREFIX)


def level_of(line: str) -> str:
    """The level of a line; INFO for one of another form."""
    record = _record(line)
    level = record.get("level") if record else None
    return level if level in LEVELS else "INFO"


def formatted(name: str, line: str) -> str:
    """A line for people: who, when, level, event and fields; one of another form as it is."""
    record = _record(line)
    if record is None:
        return f"{name}  {line}"
    fields = {key: value for key, value in record.items() if key not in {"time", "level", "component", "event"}}
    told = " ".join(f"{key}={value}" for key, value in fields.items())
    head = f"{record.get('time', '')} {record.get('level', ''):7} {record.get('event', '')}"
    return f"{name}  {head} {told}".rstrip()


class Tail:
    """The lines of a log file as they come, across its rotations. Each line is given once, when it is whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._rest = b""

    def lines(self) -> Iterator[str]:
        """The whole lines since last time."""
        yield from self._added()
        while self._is_rotated():
            # What was written to the old file between the reading above and the rotation.
            yield from self._added()
            yield from self.unfinished()
            self._close()
            yield from self._added()

    def unfinished(self) -> list[str]:
        """The line that is not whole yet, if there is one."""
        rest, self._rest = self._rest, b""
        return [rest.decode(errors="replace")] if rest else []

    def _added(self) -> list[str]:
        if self._file is None:
            try:
                self._file = self._path.open("rb")
            except FileNotFoundError:
                return []
        whole, newline, self._rest = (self._rest + self._file.read()).rpartition(b"\n")
        return whole.decode(errors="replace").split("\n") if newline else []

    def _is_rotated(self) -> bool:
        if self._file is None:
            return False
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return False
        return status.st_ino != os.fstat(self._file.fileno()).st_ino or status.st_size < self._file.tell()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _at_level(lines: Iterable[str], level: str) -> Iterator[str]:
    least = LEVELS.index(level)
    return (line for line in lines if LEVELS.index(level_of(line)) >= least)


def _record(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except json.JSONDecodeError:
        return None
    return record if isinstance(record, dict) else None


def _print(file: Path, line: str, as_it_is: bool) -> None:
    print(line if as_it_is else formatted(f"{name_of(file):{NAME_CHARS}}", line), flush=True)

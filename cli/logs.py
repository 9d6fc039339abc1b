"""What the components, the cloud's functions and the stand-ins say, newest last, or followed as it comes.

    ./nvr logs Capture -f                        one component, as it comes
    ./nvr logs --camera yard --level WARNING     what went wrong with a camera
    ./nvr logs --trace ID                        one segment, event or change, from the camera to the cloud's function
    ./nvr logs --since 10m --until 5m            a span: so long ago, or times in ISO 8601

The newest lines of several logs are told log by log, those of one trace by their time, those that come later as they
come. A line that is still being written is told when it is whole. A line without a level of its own counts as INFO; one
that names no camera, trace or time is left out where these are asked for.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from cli.log_lines import LEVELS, Line, Wanted, moment, read_line, shown
from cli.output import add_data_argument
from components.shared.errors import Rejected
from components.shared.wire.units import WallNs
from fleet.artifacts import PUBLISHER_PREFIX
from local.site import Layout

HELP = "what a component says"

FOLLOW_POLL_S = 0.3
LINES_DEFAULT = 50
FUNCTION_LOGS = Path("cloud") / "logs"
"""Where the embedded AWS keeps what functions say, below what belongs to the stand-ins."""

NAME_CHARS = 14
"""The longest name, VideoProcessor: a column for all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("component", nargs="?", help="Capture, ..., IndexObject, core or cameras (default: all)")
    parser.add_argument("-f", "--follow", action="store_true", help="go on printing what comes, until Ctrl-C")
    parser.add_argument(
        "-n", "--lines", type=int, default=LINES_DEFAULT, help=f"how many past lines per log (default: {LINES_DEFAULT})"
    )
    parser.add_argument("--level", choices=LEVELS, default="DEBUG", type=str.upper, help="this level and above")
    parser.add_argument("--camera", metavar="ID", help="what names this camera")
    parser.add_argument("--trace", metavar="TRACE_ID", help="what belongs to this trace, wherever it was said")
    parser.add_argument("--since", metavar="WHEN", help="from then on: 90s, 10m, 2h or 1d ago, or 2026-11-27T17:00:00Z")
    parser.add_argument("--until", metavar="WHEN", help="before then")
    parser.add_argument("--json", action="store_true", help="print the lines as they are, unformatted")
    add_data_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print log lines."""
    if arguments.lines < 0:
        raise Rejected(f"--lines {arguments.lines}: 0 or more was due")
    wanted = wanted_lines(arguments, WallNs(time.time_ns()))
    tails = {file: Tail(file) for file in log_files(arguments.data, arguments.component)}
    past = [(file, line) for file, tail in tails.items() for line in _past(tail, wanted, arguments)]
    if wanted.trace is not None:
        past.sort(key=lambda told: told[1].time_ns or 0)
    for file, line in past:
        _print(file, line, arguments.json)
    while arguments.follow:
        time.sleep(FOLLOW_POLL_S)
        for file in log_files(arguments.data, arguments.component):
            for line in _wanted(tails.setdefault(file, Tail(file)).lines(), wanted):
                _print(file, line, arguments.json)
    return 0


def wanted_lines(arguments: argparse.Namespace, now_ns: WallNs) -> Wanted:
    """What the options ask for; Rejected, naming it, for one that nobody understands."""
    since, until = (moment(text, now_ns) if text else None for text in (arguments.since, arguments.until))
    if since is not None and until is not None and since >= until:
        raise Rejected(f"--since {arguments.since} is not before --until {arguments.until}")
    return Wanted(arguments.level, arguments.camera, arguments.trace, since, until)


def log_files(data: Path, component: str | None) -> list[Path]:
    """The log files of one component, or of all; Rejected, naming those there are, when there is none of that name."""
    layout = Layout(data)
    files = [*sorted(layout.logs.glob("*.log")), *sorted((layout.local / FUNCTION_LOGS).glob("*.log"))]
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


def _past(tail: Tail, wanted: Wanted, arguments: argparse.Namespace) -> list[Line]:
    """The newest of the lines that are there already."""
    lines = list(deque(_wanted(tail.lines(), wanted), arguments.lines))
    return lines if arguments.follow else [*lines, *_wanted(tail.unfinished(), wanted)]


def _wanted(texts: Iterable[str], wanted: Wanted) -> Iterator[Line]:
    return (line for line in map(read_line, texts) if wanted.takes(line))


def _print(file: Path, line: Line, as_it_is: bool) -> None:
    print(line.text if as_it_is else shown(f"{name_of(file):{NAME_CHARS}}", line), flush=True)

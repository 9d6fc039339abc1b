"""What all commands that look share: the data root, JSON or a table, sizes and times for people."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cli.observe import DEFAULT_DATA
from components.shared.errors import Rejected
from components.shared.wire.units import WallNs, format_iso, from_datetime

_UNITS = ("B", "kB", "MB", "GB", "TB")
_KILO = 1000
WIDTH_OF_A_PIPE = 10_000
"""Nobody folds lines for a pipe: a row is a line there, whatever `grep` looks for."""


def add_data_argument(parser: argparse.ArgumentParser) -> None:
    """The option `--data` of every command that works on a site."""
    parser.add_argument(
        "--data", type=Path, default=DEFAULT_DATA, metavar="DIR", help="the site's data root (default: .nvr)"
    )


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """The option `--json` of every command with an answer."""
    parser.add_argument("--json", action="store_true", help="print the answer as JSON (docs/commands.md has its form)")


def require_data(data: Path) -> Path:
    """`data` when a site has run there, else Rejected with what to do."""
    if not (data / "catalogue").is_dir():
        raise no_site(data)
    return data


def no_site(data: Path) -> Rejected:
    """What is said where no site has run."""
    return Rejected(f"no site has run in {data} yet: start one with `./nvr up`, or name another --data")


def print_json(value: Any) -> None:
    """Print a dataclass, or whatever JSON holds."""
    print(json.dumps(plain(value), indent=1, ensure_ascii=False))


def plain(value: Any) -> Any:
    """Dataclasses as mappings, sequences as lists, at any depth."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(member) for member in value]
    return value


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> None:
    """Print a table, or the sentence `empty` when it has no rows."""
    if not rows:
        print(empty)
        return
    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*row)
    # What cameras and components say is no markup.
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = WIDTH_OF_A_PIPE
    console.print(table)


def format_size(size_bytes: float) -> str:
    """Bytes for people: `12.3 MB`."""
    value = float(size_bytes)
    for unit in _UNITS[:-1]:
        if round(value, 1) < _KILO:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= _KILO
    return f"{value:.1f} {_UNITS[-1]}"


def parse_time(text: str) -> WallNs:
    """A wall time from ISO 8601 text; without a zone it is UTC, as everything here."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Rejected(f"time {text!r} is not ISO 8601, such as 2026-11-21T10:00:00Z") from error
    return from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def format_time(wall_ns: int | None) -> str:
    """A wall time for people, to the millisecond; a dash for none."""
    return "-" if wall_ns is None else format_iso(wall_ns)

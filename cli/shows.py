"""What `./nvr bench` and `./nvr lab` have in common: choosing a show, telling how long it takes, its figures."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from components.shared.errors import Rejected, Transient
from lab.running_site import SiteFailedError
from lab.show import Show, perform


def add_show_arguments(parser: argparse.ArgumentParser, shows: Mapping[str, Show]) -> None:
    """Declare the options."""
    listed = "\n".join(f"  {show.name:12} {show.purpose} ({show.takes_s} s)" for show in shows.values())
    parser.epilog = f"names:\n{listed}"
    parser.add_argument("name", choices=tuple(shows), metavar="NAME", help="one of the names below")
    parser.add_argument("--quick", action="store_true", help="a form that takes a few minutes at most")
    if any(show.for_days for show in shows.values()):
        parser.add_argument("--days", type=int, metavar="N", help="simulate so many days, where days are simulated")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work in this folder and leave it")


def run_show(arguments: argparse.Namespace, shows: Mapping[str, Show]) -> int:
    """Run a show; 1 when a limit is broken."""
    show = _over_days(shows[arguments.name], getattr(arguments, "days", None))
    takes_s = show.quick_takes_s if arguments.quick else show.takes_s
    print(f"{show.name}: {show.purpose}; takes about {takes_s} s", file=sys.stderr, flush=True)
    try:
        if arguments.keep:
            arguments.keep.mkdir(parents=True, exist_ok=True)
            told = perform(show, arguments.quick, arguments.keep.resolve(), _say)
        else:
            with tempfile.TemporaryDirectory(prefix="nvr-") as work:
                told = perform(show, arguments.quick, Path(work), _say)
    except SiteFailedError as error:
        raise Transient(f"{show.name}: {error}") from error
    if arguments.json:
        print(json.dumps(told, indent=1))
        return 0 if told["pass"] else 1
    for name, figure in told["figures"].items():
        limit = told["limits"].get(name)
        bound = "" if limit is None else "  (" + ", ".join(f"{kind} {value:g}" for kind, value in limit.items()) + ")"
        print(f"{name} {figure:g}{bound}")
    print(f"on {told['machine']}, {told['seconds']} s: {'all limits kept' if told['pass'] else 'A LIMIT IS BROKEN'}")
    return 0 if told["pass"] else 1


def _over_days(show: Show, days: int | None) -> Show:
    if days is None:
        return show
    if show.for_days is None:
        raise Rejected(f"{show.name} simulates no days: leave --days out")
    if days < 1:
        raise Rejected(f"--days {days}: at least 1")
    return show.for_days(days)


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)

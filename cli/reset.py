"""Forget a site: its recordings, catalogues, configuration, secrets, and what its stand-ins keep."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from cli.observe import is_running
from cli.output import add_data_argument
from cli.site_lock import holding
from components.shared.errors import Rejected
from local.site import Layout

HELP = "forget everything and start anew"

OF_A_SITE = {"catalogue", "config", "live", "local", "logs", "media", "requests", "run", "runtime", "secrets"}
"""All that lies in a data root. Anything else in it is somebody's, and a mistyped --data must cost nobody his files."""

SIGNS_OF_A_SITE = {"catalogue", "local", "secrets"}
"""One of these is there from the first step on; the other names are usual ones."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_data_argument(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(arguments: argparse.Namespace) -> int:
    """Remove the data root; the cameras' encoded scenes are kept, since they are the same in every site."""
    data = arguments.data
    if not data.exists():
        print(f"nothing to forget: {data} does not exist")
        return 0
    layout = Layout(data)
    require_site(data)
    if is_running(layout):
        raise Rejected(f"the site in {data} is running: stop it first (Ctrl-C in its terminal)")
    if not arguments.yes:
        if not sys.stdin.isatty():
            raise Rejected(f"this removes {data} and all its recordings: say --yes")
        if input(f"Remove {data} and all its recordings? [y/N] ").strip().lower() not in {"y", "yes"}:
            print("nothing was removed")
            return 1
    with holding(layout):
        forget(layout)
    print(f"{data} is forgotten")
    return 0


def require_site(data: Path) -> None:
    """Rejected when `data` is no data root, or holds anything that is not of a site: it would be lost."""
    if not data.is_dir():
        raise Rejected(f"{data} is not a folder: nothing was removed")
    there = {path.name for path in data.iterdir()}
    foreign = sorted(there - OF_A_SITE)
    if foreign:
        raise Rejected(f"{data} holds {foreign[0]}, which is not of a site: nothing was removed")
    if there and not there & SIGNS_OF_A_SITE:
        raise Rejected(f"{data} is not the data root of a site on this machine: nothing was removed")


def forget(layout: Layout) -> None:
    """Remove everything of a site but its scenes; Rejected, with nothing removed, when it is not a site's alone.

    What tells that it is a site goes last, so that one that is broken off can be repeated.
    """
    require_site(layout.data)
    for path in sorted(layout.data.iterdir(), key=lambda path: path.name in SIGNS_OF_A_SITE):
        if path != layout.local:
            _remove(path)
    for path in layout.local.iterdir() if layout.local.is_dir() else ():
        if path.name not in {"scenes", "lock"}:
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()

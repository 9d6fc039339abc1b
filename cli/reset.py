"""Forget a site: its recordings, catalogues, configuration, secrets, and what its stand-ins keep."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from cli.observe import is_running
from cli.output import add_data_argument
from components.shared.errors import Rejected
from local.site import Layout

HELP = "forget everything and start anew"


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
    if not (data / "local").is_dir():
        raise Rejected(f"{data} is not the data root of a site on this machine: nothing was removed")
    if is_running(Layout(data)):
        raise Rejected(f"the site in {data} is running: stop it first (Ctrl-C in its terminal)")
    if not arguments.yes:
        if not sys.stdin.isatty():
            raise Rejected(f"this removes {data} and all its recordings: say --yes")
        if input(f"Remove {data} and all its recordings? [y/N] ").strip().lower() not in {"y", "yes"}:
            print("nothing was removed")
            return 1
    forget(Layout(data))
    print(f"{data} is forgotten")
    return 0


def forget(layout: Layout) -> None:
    """Remove everything of a site but its scenes."""
    for path in layout.data.iterdir():
        if path != layout.local:
            _remove(path)
    for path in layout.local.iterdir():
        if path.name != "scenes":
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()

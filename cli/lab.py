"""Hurt a whole site on purpose and see what is lost, in figures with their limits."""

from __future__ import annotations

import argparse

from cli.shows import add_show_arguments, run_show
from lab import alerts, kills, power_cut, silent, soak, stalls
from lab.show import ShowDocument

ANSWER = ShowDocument
HELP = "faults on purpose, and what is lost by them"

SHOWS = {show.name: show for show in (alerts.SHOW, kills.SHOW, power_cut.SHOW, silent.SHOW, soak.SHOW, stalls.SHOW)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_show_arguments(parser, SHOWS)


def run(arguments: argparse.Namespace) -> int:
    """Run one; 1 when a limit is broken."""
    return run_show(arguments, SHOWS)

"""Measure what the product costs and how well it does, on this machine, in figures with their limits."""

from __future__ import annotations

import argparse

from cli.shows import add_show_arguments, run_show
from lab import bench_hls, bench_rebuild, bench_record, bench_site, bench_sync, bench_telemetry, bench_timeline
from lab.show import ShowDocument

ANSWER = ShowDocument
HELP = "benchmarks, each with its limits"

_ALL = (
    bench_hls.SHOW,
    bench_rebuild.SHOW,
    bench_record.SHOW,
    bench_site.SHOW,
    bench_sync.SHOW,
    bench_telemetry.SHOW,
    bench_timeline.SHOW,
)
SHOWS = {show.name: show for show in _ALL}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_show_arguments(parser, SHOWS)


def run(arguments: argparse.Namespace) -> int:
    """Run one; 1 when a limit is broken."""
    return run_show(arguments, SHOWS)

"""The recorded segments of a site, oldest first, with the gaps between them."""

from __future__ import annotations

import argparse
from contextlib import closing

from cli.output import (
    add_data_argument,
    add_json_argument,
    format_size,
    format_time,
    parse_time,
    print_json,
    print_table,
    require_data,
)
from components.shared.catalogue.capture import CaptureReader
from components.shared.wire.units import NS_PER_S

HELP = "recorded segments and gaps"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--camera", metavar="ID", help="only this camera")
    parser.add_argument("--since", metavar="T", help="only what ends after this time (ISO 8601, UTC)")
    parser.add_argument("--until", metavar="T", help="only what starts before this time")
    add_data_argument(parser)
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print segments and gaps in the order of time."""
    since_ns = parse_time(arguments.since) if arguments.since else None
    until_ns = parse_time(arguments.until) if arguments.until else None
    with closing(CaptureReader.open(require_data(arguments.data))) as reader:
        segments = reader.segments(camera=arguments.camera, since_ns=since_ns, until_ns=until_ns)
        gaps = reader.gaps(camera=arguments.camera, since_ns=since_ns, until_ns=until_ns)
    rows: list[dict[str, object]] = [
        {
            "camera": row.camera,
            "start": format_time(row.start_ns),
            "end": format_time(row.end_ns),
            "kind": f"segment, {row.state}",
            "seconds": None if row.end_ns is None else round((row.end_ns - row.start_ns) / NS_PER_S, 3),
            "frames": row.frames,
            "size_bytes": row.size_bytes,
            "path": row.path,
        }
        for row in segments
    ]
    rows += [
        {
            "camera": gap.camera,
            "start": format_time(gap.start_ns),
            "end": format_time(gap.end_ns),
            "kind": f"gap, {gap.cause}",
            "seconds": None if gap.end_ns is None else round((gap.end_ns - gap.start_ns) / NS_PER_S, 3),
            "frames": 0,
            "size_bytes": 0,
            "path": gap.detail,
        }
        for gap in gaps
    ]
    rows.sort(key=lambda row: (str(row["start"]), str(row["camera"])))
    if arguments.json:
        print_json(rows)
        return 0
    print_table(
        ("camera", "start", "end", "what", "seconds", "frames", "size", "file or detail"),
        [
            (
                str(row["camera"]),
                str(row["start"]),
                str(row["end"]),
                str(row["kind"]),
                str(row["seconds"] if row["seconds"] is not None else "-"),
                str(row["frames"]),
                format_size(float(str(row["size_bytes"]))),
                str(row["path"]),
            )
            for row in rows
        ],
        "Nothing was recorded in that time.",
    )
    return 0

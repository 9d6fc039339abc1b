"""The recorded segments of a site, oldest first, with the gaps between them."""

from __future__ import annotations

import argparse
from contextlib import closing
from dataclasses import dataclass
from typing import Literal

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
from components.shared.catalogue.capture import CaptureReader, GapRow, SegmentRow
from components.shared.wire.units import NS_PER_S

HELP = "recorded segments and gaps"


@dataclass(frozen=True, slots=True)
class TimelineSpan:
    """A segment or a gap. `state` is open or closed for a segment, the cause for a gap; no end means it goes on.

    `detail` is the path under the volume for a segment, what is known of the cause for a gap.
    """

    camera: str
    stream: str
    kind: Literal["segment", "gap"]
    state: str
    start: str
    end: str | None
    seconds: float | None
    frames: int
    size_bytes: int
    detail: str


ANSWER = list[TimelineSpan]


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
    spans = [*map(segment_span, segments), *map(gap_span, gaps)]
    spans.sort(key=lambda span: (span.start, span.camera))
    if arguments.json:
        print_json(spans)
        return 0
    print_table(
        ("camera", "start", "end", "what", "seconds", "frames", "size", "file or detail"),
        [
            (
                span.camera,
                span.start,
                span.end or "-",
                f"{span.kind}, {span.state}",
                "-" if span.seconds is None else str(span.seconds),
                str(span.frames),
                format_size(span.size_bytes),
                span.detail,
            )
            for span in spans
        ],
        "Nothing was recorded in that time.",
    )
    return 0


def segment_span(row: SegmentRow) -> TimelineSpan:
    """A segment as a span of the timeline."""
    seconds = None if row.end_ns is None else round((row.end_ns - row.start_ns) / NS_PER_S, 3)
    end = None if row.end_ns is None else format_time(row.end_ns)
    start = format_time(row.start_ns)
    return TimelineSpan(
        row.camera, row.stream, "segment", row.state, start, end, seconds, row.frames, row.size_bytes, row.path
    )


def gap_span(gap: GapRow) -> TimelineSpan:
    """A gap as a span of the timeline."""
    seconds = None if gap.end_ns is None else round((gap.end_ns - gap.start_ns) / NS_PER_S, 3)
    end = None if gap.end_ns is None else format_time(gap.end_ns)
    return TimelineSpan(
        gap.camera, gap.stream, "gap", gap.cause, format_time(gap.start_ns), end, seconds, 0, 0, gap.detail
    )

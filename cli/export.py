"""Export a span of one camera's footage as one MP4, stream copied: nothing is re-encoded.

The file starts at the last keyframe before --from, since video cannot be shown from elsewhere. Gaps in the footage are
left out and told, and so is sound that cannot follow in one track. Footage that is still being written can be exported
too, as far as it is written.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError

from cli.output import (
    add_data_argument,
    add_json_argument,
    format_size,
    format_time,
    parse_time,
    print_json,
    require_data,
)
from components.shared.catalogue.capture import CaptureReader, SegmentRow
from components.shared.errors import Rejected
from components.shared.wire.units import NS_PER_S

HELP = "export a span as one MP4"

GAP_TOLD_NS = NS_PER_S
"""Shorter holes between segments are frame times, not gaps."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A span that the file does not hold."""

    start: str
    end: str


@dataclass(frozen=True, slots=True)
class Exported:
    """What the exported file holds; `frames` are of video, `gaps` without footage, `silent` with footage alone."""

    file: str
    frames: int
    size_bytes: int
    gaps: tuple[LeftOut, ...]
    silent: tuple[LeftOut, ...]


ANSWER = Exported


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--camera", required=True, metavar="ID", help="whose footage")
    parser.add_argument("--from", dest="begin", required=True, metavar="T", help="ISO 8601, UTC")
    parser.add_argument("--to", dest="end", required=True, metavar="T", help="ISO 8601, UTC")
    parser.add_argument("output", type=Path, metavar="OUT.mp4", help="the file to write; must not exist")
    add_data_argument(parser)
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Export and tell what the file holds."""
    begin_ns, end_ns = parse_time(arguments.begin), parse_time(arguments.end)
    if begin_ns >= end_ns:
        raise Rejected(f"--from {arguments.begin} is not before --to {arguments.end}")
    output: Path = arguments.output
    if output.exists():
        raise Rejected(f"{output} exists already: nothing was written")
    if not output.parent.is_dir():
        raise Rejected(f"folder {output.parent} does not exist: nothing was written")
    with closing(CaptureReader.open(require_data(arguments.data))) as reader:
        found = reader.segments(camera=arguments.camera, since_ns=begin_ns, until_ns=end_ns)
        files = [(row, reader.file_path(row)) for row in found if row.stream == "main"]
    partial = output.with_name(output.name + ".partial")
    try:
        written = write(files, (begin_ns, end_ns), partial)
        if written.frames == 0:
            raise Rejected(
                f"camera {arguments.camera} has no footage from {arguments.begin} to {arguments.end}: "
                f"`./nvr segments --camera {arguments.camera}` shows what there is"
            )
        partial.rename(output)
    finally:
        partial.unlink(missing_ok=True)
    gaps = list(holes([row for row, _ in files], begin_ns, end_ns))
    _tell(output, written, gaps, as_json=arguments.json)
    return 0


def _tell(output: Path, written: Written, gaps: Sequence[tuple[int, int]], *, as_json: bool) -> None:
    size_bytes = output.stat().st_size
    left_out = tuple(LeftOut(format_time(start), format_time(end)) for start, end in gaps)
    if as_json:
        print_json(Exported(str(output), written.frames, size_bytes, left_out, tuple(written.silent)))
        return
    print(f"{output}: {written.frames} frames, {format_size(size_bytes)}")
    for span in left_out:
        print(f"not recorded, left out: {span.start} to {span.end}")
    for span in written.silent:
        print(f"without its sound, which cannot follow in one track: {span.start} to {span.end}")


def holes(rows: Sequence[SegmentRow], begin_ns: int, end_ns: int) -> Iterator[tuple[int, int]]:
    """The spans of the asked one that no segment covers; footage that is still written covers all after its start."""
    covered_ns: int | None = begin_ns
    for row in rows:
        if covered_ns is not None and row.start_ns - covered_ns >= GAP_TOLD_NS:
            yield covered_ns, row.start_ns
        covered_ns = row.end_ns
    if covered_ns is not None and end_ns - covered_ns >= GAP_TOLD_NS:
        yield covered_ns, end_ns


@dataclass
class Written:
    """What has been written so far. `next_at` is where in the file the next segment starts, in seconds."""

    frames: int = 0
    next_at: Fraction = Fraction(0)
    sound_at: Fraction = Fraction(-1)
    silent: list[LeftOut] = field(default_factory=list)


def write(files: Sequence[tuple[SegmentRow, Path]], span: tuple[int, int], target: Path) -> Written:
    """Copy the packets of all files that lie in the span into one MP4. Rejected when the video changes on the way."""
    written = Written()
    with av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as output:
        tracks: dict[str, Track] = {}
        for row, path in files:
            start = _start(row, path, span[0])
            if start is None:
                continue
            with _opened(path) as source:
                wanted = _wanted(tracks, source, output, row)
                if "audio" not in wanted and ("audio" in tracks or source.streams.audio):
                    written.silent.append(LeftOut(format_time(row.start_ns), format_time(row.end_ns or span[1])))
                end = start.first + Fraction(span[1] - row.start_ns, NS_PER_S)
                _copy(source, wanted, output, (start.begin, end), written)
    return written


@dataclass(frozen=True, slots=True)
class Start:
    """Where a segment's video starts, and where the export begins in it, both in seconds of its stream."""

    first: Fraction
    begin: Fraction


def _start(row: SegmentRow, path: Path, begin_ns: int) -> Start | None:
    """The last keyframe at or before the begin of the span; None for a segment in which nothing is written yet."""
    first: Fraction | None = None
    begin = Fraction(0)
    try:
        with _opened(path) as source:
            for packet in source.demux(video=0) if source.streams.video else ():
                if packet.dts is None:
                    continue
                if first is None:
                    first = begin = _time(packet)
                elif _time(packet) - first > Fraction(begin_ns - row.start_ns, NS_PER_S):
                    break
                elif packet.is_keyframe:
                    begin = _time(packet)
    except Rejected:
        if row.state != "open":
            raise
    return None if first is None else Start(first, begin)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A segment file for reading; Rejected, naming it, when it cannot be opened or read."""
    try:
        with av.open(str(path)) as source:
            yield source
    except FileNotFoundError as error:
        raise Rejected(f"segment file {path} is gone: `./nvr catalogue check` tells more") from error
    except FFmpegError as error:
        raise Rejected(f"segment file {path} cannot be copied: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class Track:
    """A track of the exported file, and what its packets are encoded as."""

    stream: Any
    name: str
    form: str
    extradata: bytes


def _wanted(tracks: dict[str, Track], source: Any, output: Any, row: SegmentRow) -> dict[str, Track]:
    """The tracks that a segment's packets go to; the first segment makes them.

    Video that changes is Rejected, since a track has one set of parameters. Sound that changes is left out.
    """
    is_first = not tracks
    found = {}
    for stream in (*source.streams.video[:1], *source.streams.audio[:1]):
        context = stream.codec_context
        form = f"{context.width}x{context.height}" if stream.type == "video" else f"{context.sample_rate} Hz"
        comes = (context.name, form, bytes(context.extradata or b""))
        if is_first:
            tracks[stream.type] = Track(output.add_stream_from_template(stream), *comes)
        have = tracks.get(stream.type)
        if have is not None and (have.name, have.form, have.extradata) == comes:
            found[stream.type] = have
        elif have is not None and stream.type == "video":
            now = f"{context.name} {form}" if (have.name, have.form) != comes[:2] else "the same with other parameters"
            raise Rejected(
                f"the video of camera {row.camera} changes at {format_time(row.start_ns)} from {have.name} {have.form} "
                f"to {now}: export up to there, and from there, apart"
            )
    return found


def _copy(
    source: Any, wanted: dict[str, Track], output: Any, span: tuple[Fraction, Fraction], written: Written
) -> None:
    """Copy one segment's packets from `span[0]` up to `span[1]`, in seconds of its stream."""
    begin, end = span
    shift, duration = written.next_at - begin, Fraction(0)
    before: Fraction | None = None
    streams = (*source.streams.video[:1], *source.streams.audio[:1])
    for packet in source.demux([stream for stream in streams if stream.type in wanted]):
        if packet.dts is None or not begin <= _time(packet) < end:
            continue
        kind, at = packet.stream.type, _time(packet)
        if kind == "video":
            duration = (packet.duration or 0) * packet.time_base or (duration if before is None else at - before)
            before = at
            written.frames += 1
            written.next_at = at + shift + duration
        elif at + shift <= written.sound_at:
            # The sound of a segment may end after its video, and so after that of the next one begins.
            continue
        else:
            written.sound_at = at + shift
        ticks = round(shift / packet.time_base)
        packet.stream, packet.dts = wanted[kind].stream, packet.dts + ticks
        packet.pts = packet.pts + ticks if packet.pts is not None else packet.dts
        output.mux(packet)


def _time(packet: Any) -> Fraction:
    time: Fraction = packet.dts * packet.time_base
    return time

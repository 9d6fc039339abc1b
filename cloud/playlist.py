"""Decides how footage is played over HTTP: an HLS playlist whose media segments are byte ranges of the stored files.

Nothing is remuxed: each media segment is one GOP or several neighbouring ones, named by the GOP index that travels with
a file, after the header (`EXT-X-MAP`) of that file.

- Decode times run on within a run, so that `EXT-X-DISCONTINUITY` stands between runs and nowhere else.
- Every file says when it happened (`EXT-X-PROGRAM-DATE-TIME`), so that a player can show wall time, and what is missing
  between runs.
- Footage that is missing within a run is `EXT-X-GAP` for as long as it lasts by the decode times.
- What two files hold both (a clip of an event inside of a file) is played once, but for the part of a GOP where they
  do not agree on its bounds: showing a second twice is better than not at all.
- A playlist has at most `PLAYLIST_BYTES_MAX`: its media segments are as short as that allows, for a player fetches a
  whole one before it shows a picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from components.shared.errors import Rejected
from components.shared.wire.segment_metadata import Gop
from components.shared.wire.units import NS_PER_MS, NS_PER_S, Span, TimeBase, WallNs, format_iso

PLAYLIST_BYTES_MAX = 200_000
"""A phone reads it in a second or two, and API Gateway passes on up to 6 MB."""

PART_S_CHOICES = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""How long a media segment is at least, the shortest that fits. 2 s is the keyframe interval of most cameras."""

HOLE_NS_MIN = 500 * NS_PER_MS
"""What is missing for less is stepped over by every player: hls.js (1.7, `maxBufferHole`) by 0.5 s."""

_NO_ADDRESS = "gap.mp4"
"""A media segment must have an address, also one that is not there (RFC 8216bis, 4.4.4.7); ffmpeg (8.1) refuses a
playlist with one that does not end as those of media do."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A segment file in the bucket, and of its facts what playing it needs. `gops` touch each other."""

    object_key: str
    run: str
    start_ns: WallNs
    time_base: TimeBase
    start_ticks: int
    init_bytes: int
    gops: tuple[Gop, ...]

    @property
    def end_ticks(self) -> int:
        """The decode time at which its video ends."""
        return self.start_ticks + sum(gop.duration_ticks for gop in self.gops)

    def wall_ns(self, ticks: int) -> WallNs:
        """When the picture with that decode time happened."""
        return WallNs(self.start_ns + self.time_base.to_ns(ticks - self.start_ticks))


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is played of one file: neighbouring GOPs, the first of which has the decode time `start_ticks`."""

    file: StoredFile
    start_ticks: int
    gops: tuple[Gop, ...]
    hole_ns: int
    """What is missing in its run before it; 0 at the beginning of a run."""

    begins_run: bool

    @property
    def end_ticks(self) -> int:
        """The decode time at which it ends."""
        return self.start_ticks + sum(gop.duration_ticks for gop in self.gops)


def playlist(files: Iterable[StoredFile], span: Span, address_of: Callable[[str], str] = "/{}".format) -> str:
    """The playlist of what these files hold of a span, from the first GOP to the last that touch it.

    `address_of` makes a URL, or a part of one, of an object's key. Rejected when there is nothing to play, or when the
    span is too long for one playlist.
    """
    found = stretches(files, span)
    if not found:
        raise Rejected("there is no footage that can be played")
    for part_s in PART_S_CHOICES:
        text = _rendered(found, part_s, address_of)
        if len(text.encode()) <= PLAYLIST_BYTES_MAX:
            return text
    raise Rejected(f"the span is too long for a playlist of {PLAYLIST_BYTES_MAX} bytes: ask for a shorter one")


def stretches(files: Iterable[StoredFile], span: Span) -> list[Stretch]:
    """What is to be played of a span, in order, each moment of a run once."""
    found: list[Stretch] = []
    last: Stretch | None = None
    for file in sorted(files, key=lambda one: (one.start_ns, one.start_ticks, -one.end_ticks)):
        same_run = last is not None and (last.file.run, last.file.time_base) == (file.run, file.time_base)
        shown_ticks = last.end_ticks if last is not None and same_run else None
        start_ticks, gops = _gops_to_play(file, span, shown_ticks)
        if not gops:
            continue
        missing_ns = 0 if shown_ticks is None else file.time_base.to_ns(start_ticks - shown_ticks)
        hole_ns = missing_ns if missing_ns >= HOLE_NS_MIN else 0
        last = Stretch(file, start_ticks, gops, hole_ns, begins_run=not same_run)
        found.append(last)
    return found


def _gops_to_play(file: StoredFile, span: Span, shown_ticks: int | None) -> tuple[int, tuple[Gop, ...]]:
    """The GOPs that touch the span and hold what was not shown yet, with the decode time of the first."""
    taken: list[Gop] = []
    first_ticks = ticks = file.start_ticks
    for gop in file.gops:
        end_ticks = ticks + gop.duration_ticks
        is_new = shown_ticks is None or end_ticks > shown_ticks
        if is_new and file.wall_ns(ticks) < span.end_ns and file.wall_ns(end_ticks) > span.start_ns:
            if not taken:
                first_ticks = ticks
            taken.append(gop)
        ticks = end_ticks
    return first_ticks, tuple(taken)


def _rendered(found: Sequence[Stretch], part_s: int, address_of: Callable[[str], str]) -> str:
    joined = [(stretch, _parts(stretch, part_s)) for stretch in found]
    longest_ns = max(stretch.file.time_base.to_ns(part.duration_ticks) for stretch, parts in joined for part in parts)
    target_s = max(1, -(-longest_ns // NS_PER_S))
    has_gaps = any(stretch.hole_ns for stretch in found)
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{8 if has_gaps else 7}",
        f"#EXT-X-TARGETDURATION:{target_s}",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
    for number, (stretch, parts) in enumerate(joined):
        if stretch.begins_run and number:
            lines.append("#EXT-X-DISCONTINUITY")
        lines += _gap_lines(stretch.hole_ns, target_s)
        lines += _stretch_lines(stretch, parts, address_of)
    lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def _parts(stretch: Stretch, part_s: int) -> list[Gop]:
    """Neighbouring GOPs joined until each has `part_s` at least."""
    # A camera's keyframes come a little early now and then: a GOP that lacks a twentieth is long enough.
    wanted_ticks = stretch.file.time_base.from_ns(part_s * NS_PER_S * 19 // 20)
    parts: list[Gop] = []
    for gop in stretch.gops:
        if parts and parts[-1].duration_ticks < wanted_ticks:
            last = parts.pop()
            gop = Gop(  # noqa: PLW2901 - the joined one takes its place
                last.offset_bytes, last.size_bytes + gop.size_bytes, last.duration_ticks + gop.duration_ticks
            )
        parts.append(gop)
    return parts


def _gap_lines(hole_ns: int, target_s: int) -> list[str]:
    """Nothing, for so long: in pieces, because no media segment may be longer than the target."""
    lines = []
    while hole_ns > 0:
        piece_ns = min(hole_ns, target_s * NS_PER_S)
        hole_ns -= piece_ns
        lines += ["#EXT-X-GAP", f"#EXTINF:{_seconds(piece_ns)},", _NO_ADDRESS]
    return lines


def _stretch_lines(stretch: Stretch, parts: Sequence[Gop], address_of: Callable[[str], str]) -> list[str]:
    file = stretch.file
    address = quote(address_of(file.object_key), safe="/:~")
    lines = [
        f'#EXT-X-MAP:URI="{address}",BYTERANGE="{file.init_bytes}@0"',
        f"#EXT-X-PROGRAM-DATE-TIME:{format_iso(file.wall_ns(stretch.start_ticks))}",
    ]
    for number, part in enumerate(parts):
        duration = _seconds(file.time_base.to_ns(part.duration_ticks))
        place = "" if number else f"@{part.offset_bytes}"
        lines += [f"#EXTINF:{duration},", f"#EXT-X-BYTERANGE:{part.size_bytes}{place}", address]
    return lines


def _seconds(duration_ns: int) -> str:
    milliseconds = (duration_ns + NS_PER_MS // 2) // NS_PER_MS
    return f"{milliseconds // 1000}.{milliseconds % 1000:03d}"

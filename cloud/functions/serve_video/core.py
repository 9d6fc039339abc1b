"""Answers what people ask: decides what to look up and what to say, on the index that it is given.

    GET  /api/sites                                             the sites that the viewer sees
    GET  /api/sites/{site}/cameras                              their cameras and streams
    GET  /api/sites/{site}/footage                              files of a span, of one camera or of all
    GET  /api/sites/{site}/events                               events of a span, by camera, label or id
    GET  /api/sites/{site}/cameras/{camera}/coverage            when was recorded, when not
    GET  /api/sites/{site}/cameras/{camera}/playlist.m3u8       how a span is played
    POST /api/sites/{site}/cookies                              lets this browser read the site's media

Lists are answered in pages: an answer with `next` goes on with that as its parameter `next`. Times are ISO 8601 in UTC.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Protocol, TypeVar

from cloud.functions.serve_video.request import Asked, Refused, next_token
from cloud.index_items import IndexedEvent, IndexedSegment, IndexedStream
from cloud.playlist import StoredFile, playlist
from components.shared.errors import Rejected
from components.shared.wire.object_keys import StreamName
from components.shared.wire.units import NS_PER_MS, NS_PER_S, Span, WallNs, format_iso, format_stamp, parse_stamp

PLAYLIST_S_MAX = 6 * 3600
"""120 files of 180 s: a second for the index, and below the 6 MB of an answer by far."""

COVERAGE_S_MAX = 31 * 86_400
SEARCH_S_MAX = 31 * 86_400

BREAK_NS_MIN = NS_PER_S
"""What is missing for less is no gap: ends are rounded, and a reconnect that takes less does not exist."""

FILES_PER_ANSWER = 5_000
"""Files read for one answer: about 4 s of queries of 1 MB each, of the 29 s that API Gateway waits."""


class Index(Protocol):
    """The questions that are asked of the index of footage."""

    def streams(self, thing: str | None = None) -> list[IndexedStream]:
        """All streams of a site, or of all."""

    def segments(self, thing: str, camera: str, stream: StreamName, span: Span) -> Iterator[IndexedSegment]:
        """A stream's segments of a span, by start, with their facts."""

    def footage(self, thing: str, span: Span, camera: str | None = None) -> Iterator[IndexedSegment]:
        """A site's segments of a span, by start, without facts."""

    def events(
        self, thing: str, span: Span, *, camera: str | None = None, label: str | None = None, event: str | None = None
    ) -> Iterator[IndexedEvent]:
        """A site's events of a span, by start."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back."""

    status: int
    body: str
    kind: str = "application/json"
    cookies: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


MakeCookies = Callable[[str, str], tuple[str, ...]]
"""Cookies for a site's media on a host."""


def answer(asked: Asked, index: Index, make_cookies: MakeCookies) -> Answer:
    """The answer to a request. Refused when there is something wrong with it."""
    found = _ROUTES.get(asked.route)
    if found is None:
        raise Refused(404, f"{asked.route} is not known here")
    return found(asked, index, make_cookies)


def refusal(refused: Refused) -> Answer:
    """What is said when a request is refused."""
    said: dict[str, Any] = {"message": refused.message}
    if refused.parameter is not None:
        said["parameter"] = refused.parameter
    return _json({"error": said}, refused.status)


def _sites(asked: Asked, index: Index, _cookies: MakeCookies) -> Answer:
    asked.only("limit", "next")
    limit, after = asked.limit(), asked.after()
    visible = asked.viewer.sites
    streams = index.streams() if visible is None else [one for site in sorted(visible) for one in index.streams(site)]
    cameras: dict[str, set[str]] = {site: set() for site in visible or ()}
    for stream in streams:
        cameras.setdefault(stream.thing, set()).add(stream.camera)
    names = [site for site in sorted(cameras) if site > after]
    rows = [{"site": site, "cameras": len(cameras[site])} for site in names[:limit]]
    return _page("sites", rows, names[limit - 1] if len(names) > limit else None)


def _cameras(asked: Asked, index: Index, _cookies: MakeCookies) -> Answer:
    asked.only()
    cameras: dict[str, list[str]] = {}
    for one in index.streams(asked.site()):
        cameras.setdefault(one.camera, []).append(one.stream)
    return _json({"cameras": [{"camera": name, "streams": streams} for name, streams in cameras.items()]})


def _footage(asked: Asked, index: Index, _cookies: MakeCookies) -> Answer:
    asked.only("start", "end", "camera", "limit", "next")
    site, span, camera, limit, after = (
        asked.site(),
        asked.span(SEARCH_S_MAX),
        asked.camera_if_any(),
        asked.limit(),
        asked.after(),
    )
    found = index.footage(site, _from(span, after), camera)
    rows, place = _rows_after(found, after, limit)
    return _page("footage", [_file_row(row) for row in rows], place)


def _events(asked: Asked, index: Index, _cookies: MakeCookies) -> Answer:
    asked.only("start", "end", "camera", "label", "event", "limit", "next")
    site, span, limit, after = asked.site(), asked.span(SEARCH_S_MAX), asked.limit(), asked.after()
    found = index.events(
        site, _from(span, after), camera=asked.camera_if_any(), label=asked.label(), event=asked.event()
    )
    rows, place = _rows_after(found, after, limit)
    return _page("events", [_event_row(row) for row in rows], place)


def _coverage(asked: Asked, index: Index, _cookies: MakeCookies) -> Answer:
    asked.only("start", "end", "stream")
    site, camera, stream, span = asked.site(), asked.camera(), asked.stream(), asked.span(COVERAGE_S_MAX)
    files = (one for one in index.footage(site, span, camera) if one.stream == stream)
    taken = [one for _, one in zip(range(FILES_PER_ANSWER), files, strict=False)]
    is_all = len(taken) < FILES_PER_ANSWER
    looked = span if is_all else Span(span.start_ns, max(span.start_ns, taken[-1].start_ns))
    recorded = covered(taken, looked)
    said: dict[str, Any] = {
        "recorded": [_span_row(one) for one in recorded],
        "gaps": [_span_row(one) for one in gaps_between(recorded, looked)],
        "recorded_s": sum(one.duration_ns for one in recorded) / NS_PER_S,
    }
    if not is_all:
        said["next_start"] = format_iso(looked.end_ns)
    return _json(said)


def covered(files: Iterable[IndexedSegment], span: Span) -> list[Span]:
    """The unbroken spans that these files, which come by start, cover of a span.

    A file that did not say when it ends counts until the next begins, and for nothing if there is none.
    """
    spans: list[Span] = []
    listed = list(files)
    for number, one in enumerate(listed):
        end_ns = one.end_ns
        if end_ns is None:
            end_ns = listed[number + 1].start_ns if number + 1 < len(listed) else one.start_ns
        start_ns, end_ns = max(one.start_ns, span.start_ns), min(end_ns, span.end_ns)
        if end_ns <= start_ns:
            continue
        if spans and start_ns - spans[-1].end_ns < BREAK_NS_MIN:
            start_ns = spans[-1].start_ns
            end_ns = max(end_ns, spans.pop().end_ns)
        spans.append(Span(start_ns, WallNs(end_ns)))
    return spans


def gaps_between(recorded: Iterable[Span], span: Span) -> list[Span]:
    """What of a span is in none of these, which come in order."""
    gaps, at_ns = [], span.start_ns
    for one in [*recorded, Span(span.end_ns, span.end_ns)]:
        if one.start_ns - at_ns >= BREAK_NS_MIN:
            gaps.append(Span(at_ns, one.start_ns))
        at_ns = max(at_ns, one.end_ns)
    return gaps


def _playlist(asked: Asked, index: Index, _cookies: MakeCookies) -> Answer:
    asked.only("start", "end", "stream")
    site, camera, stream, span = asked.site(), asked.camera(), asked.stream(), asked.span(PLAYLIST_S_MAX)
    files = list(index.segments(site, camera, stream, span))
    playable = [file for file in map(stored_file, files) if file is not None]
    left_out = len(files) - len(playable)
    if not playable:
        why = "" if not left_out else f"; {left_out} files are not ours or damaged: see footage for their addresses"
        raise Refused(
            404, f"there is no footage of camera {camera}, stream {stream}, in this span that can be played{why}"
        )
    try:
        text = playlist(playable, span)
    except Rejected as error:
        raise Refused(404, f"camera {camera}, stream {stream}: {error}") from error
    return Answer(200, text, "application/vnd.apple.mpegurl", headers={"x-nvr-left-out": str(left_out)})


def stored_file(segment: IndexedSegment) -> StoredFile | None:
    """A file that can be played by its ranges; None when it says nothing of them, as foreign uploads, or nonsense."""
    try:
        base, gops = segment.time_base, segment.gops
    except (Rejected, ValueError):
        return None
    if base is None or not gops:
        return None
    facts = segment.facts
    return StoredFile(
        segment.object_key,
        str(facts["run"]),
        segment.start_ns,
        base,
        int(facts["start_ticks"]),
        int(facts["init_bytes"]),
        gops,
    )


def _grant(asked: Asked, _index: Index, make_cookies: MakeCookies) -> Answer:
    asked.only()
    site = asked.site()
    if not asked.host:
        raise Refused(400, "ask by the address of the page: cookies are for its domain only", "host")
    return Answer(204, "", cookies=make_cookies(asked.host, site))


_ROUTES: Mapping[str, Callable[[Asked, Index, MakeCookies], Answer]] = {
    "GET /api/sites": _sites,
    "GET /api/sites/{site}/cameras": _cameras,
    "GET /api/sites/{site}/footage": _footage,
    "GET /api/sites/{site}/events": _events,
    "GET /api/sites/{site}/cameras/{camera}/coverage": _coverage,
    "GET /api/sites/{site}/cameras/{camera}/playlist.m3u8": _playlist,
    "POST /api/sites/{site}/cookies": _grant,
}

ROUTES = frozenset(_ROUTES)
"""All routes, as the template must name them."""


# ---------------------------------------------------------------------------------------------- pages

Row = IndexedSegment | IndexedEvent
AnyRow = TypeVar("AnyRow", IndexedSegment, IndexedEvent)


def _place(row: Row) -> str:
    """Where a row stands in its list: text that sorts as the list does."""
    return f"{format_stamp(row.start_ns)}#{row.camera}#{row.stream}#{row.object_key}"


def _rows_after(rows: Iterable[AnyRow], after: str, limit: int) -> tuple[list[AnyRow], str | None]:
    """The first rows behind a place, and the place of the last if there are more. Rows come by their start."""
    taken: list[AnyRow] = []
    for _, tied in groupby(rows, key=lambda row: format_stamp(row.start_ns)):
        for row in sorted(tied, key=_place):
            if _place(row) <= after:
                continue
            if len(taken) == limit:
                return taken, _place(taken[-1])
            taken.append(row)
    return taken, None


def _from(span: Span, after: str) -> Span:
    """The span without what earlier pages had: what begins later ends later."""
    if not after:
        return span
    try:
        moment_ns = parse_stamp(after.partition("#")[0])
    except Rejected as error:
        raise Refused(400, "next is not what an earlier answer gave as next", "next") from error
    return Span(min(max(span.start_ns, WallNs(moment_ns - NS_PER_MS)), span.end_ns), span.end_ns)


def _page(name: str, rows: list[dict[str, Any]], place: str | None) -> Answer:
    return _json({name: rows} if place is None else {name: rows, "next": next_token(place)})


def _file_row(row: IndexedSegment) -> dict[str, Any]:
    return {**_times(row), "size_bytes": row.size_bytes, **_media(object=row.object_key, thumbnail=row.thumbnail_key)}


def _event_row(row: IndexedEvent) -> dict[str, Any]:
    said = {**_times(row), "event": row.event, "kind": row.kind, "labels": list(row.labels)}
    return {**said, **_media(object=row.object_key)}


def _times(row: Row) -> dict[str, Any]:
    end = None if row.end_ns is None else format_iso(row.end_ns)
    return {"camera": row.camera, "stream": row.stream, "start": format_iso(row.start_ns), "end": end}


def _media(**keys: str | None) -> dict[str, str]:
    return {name: f"/{key}" for name, key in keys.items() if key is not None}


def _span_row(span: Span) -> dict[str, str]:
    return {"start": format_iso(span.start_ns), "end": format_iso(span.end_ns)}


def _json(said: Mapping[str, Any], status: int = 200) -> Answer:
    return Answer(status, json.dumps(said, separators=(",", ":")))

"""When the uploads that wait will be done, by what the link has carried in the last hour.

    waits only since shortly:   hours = waiting / uploaded per second
    waits for longer:           hours = waiting / (uploaded per second - new per second), never when that is not above 0

The second, because what comes meanwhile must be carried too; the first, because a link that keeps up carries just what
comes, and its measure says nothing of what it could. What was carried is measured over the whole hour, idle minutes
included: the link may be faster, never slower.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from components.shared.catalogue.sync import SyncReader
from components.shared.wire.units import NS_PER_S

SPAN_NS = 3_600 * NS_PER_S
"""Long enough that single objects do not count, short enough to follow the link of now."""

BEHIND_NS = 600 * NS_PER_S
"""Uploads that wait for longer than the longest segment lasts are behind."""

QUEUED_ROWS_MAX = 20_000
"""Of the last hour: 32 cameras queue some 1 300. More come at once only when a lost sync.db is swept anew."""


@dataclass(frozen=True, slots=True)
class UploadForecast:
    """What waits, what was carried and what came new within the last hour; `hours_until_done` is None for never.

    `left_out` is what the cameras' policies leave out: it waits for nothing and takes nothing of the link.
    """

    waiting: int
    waiting_bytes: int
    oldest_waits_s: int
    uploaded_bytes_per_s: int
    queued_bytes_per_s: int
    hours_until_done: float | None
    left_out: int = 0
    left_out_bytes: int = 0


def forecast_uploads(
    waiting: int, waiting_bytes: int, oldest_waits_ns: int, uploaded_bytes: int, queued_bytes: int
) -> UploadForecast:
    """When it will be done if the link goes on as in the last hour; the bytes are those of the hour."""
    span_s = SPAN_NS // NS_PER_S
    # What came new counts only for what is behind.
    net_bytes = uploaded_bytes - (queued_bytes if oldest_waits_ns > BEHIND_NS else 0)
    hours = 0.0 if waiting == 0 else None
    if waiting and net_bytes > 0:
        hours = round(waiting_bytes / net_bytes, 2)
    rates = (uploaded_bytes // span_s, queued_bytes // span_s)
    return UploadForecast(waiting, waiting_bytes, max(0, oldest_waits_ns) // NS_PER_S, *rates, hours)


def read_upload_forecast(reader: SyncReader, now_ns: int) -> UploadForecast:
    """The forecast from a sync.db."""
    waiting, waiting_bytes = reader.backlog()
    read = reader.database.read
    since_ns = now_ns - SPAN_NS
    uploaded = (
        "SELECT coalesce(sum(size_bytes), 0) FROM upload WHERE state = 'uploaded' AND uploaded_ns > ? "
        "AND uploaded_ns <= ?"
    )
    # Numbers grow with every row that is queued.
    queued = (
        "SELECT coalesce(sum(size_bytes), 0) FROM (SELECT size_bytes, enqueued_ns, state, hold FROM upload "
        "ORDER BY number DESC LIMIT ?) WHERE enqueued_ns > ? AND (state <> 'queued' OR hold = '')"
    )
    oldest_ns = read("SELECT min(enqueued_ns) FROM upload WHERE state = 'queued' AND hold = ''")[0][0]
    forecast = forecast_uploads(
        *(waiting, waiting_bytes, 0 if oldest_ns is None else now_ns - oldest_ns),
        *(read(uploaded, since_ns, now_ns)[0][0], read(queued, QUEUED_ROWS_MAX, since_ns)[0][0]),
    )
    left_out, left_out_bytes = reader.held("left_out")
    return replace(forecast, left_out=left_out, left_out_bytes=left_out_bytes)

"""Names that other people's cameras and recorders give their files: Amcrest/Dahua FTP uploads and Dahua NVR exports.

These names carry local time without a zone. The caller says which zone the site is in; a time that the zone has twice
or never (daylight saving) is resolved to the first reading and marked, so that it can be told, never guessed silently.

Forms understood (seen on Amcrest IP8M and Dahua NVR4xxx FTP drops):

    2025-10-20/001/dav/14/14.03.00-14.06.00[M][0@0][0].mp4     span, date from the folder
    2025-10-20/001/jpg/14/03/05[M][0@0][0].jpg                 snapshot, hour and minute from folders
    NVR_ch1_main_20251020140300_20251020140600.mp4             span, date in the name
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from components.shared.errors import Rejected
from components.shared.wire.object_keys import Kind
from components.shared.wire.units import Span, from_datetime

_FTP_SPAN = re.compile(
    r"(?:^|/)(?P<date>\d{4}-\d{2}-\d{2})/(?P<channel>\d{1,3})/(?:dav|mp4)/\d{2}/"
    r"(?P<start>\d{2}\.\d{2}\.\d{2})-(?P<end>\d{2}\.\d{2}\.\d{2})"
    r"(?P<flags>(?:\[[^\]/]*\])*)\.(?P<ending>mp4|dav)$"
)
_FTP_PICTURE = re.compile(
    r"(?:^|/)(?P<date>\d{4}-\d{2}-\d{2})/(?P<channel>\d{1,3})/jpg/(?P<hour>\d{2})/(?P<minute>\d{2})/"
    r"(?P<second>\d{2})(?P<flags>(?:\[[^\]/]*\])*)\.(?P<ending>jpg)$"
)
_EXPORT = re.compile(
    r"(?:^|/)[A-Za-z0-9 -]*_?ch(?P<channel>\d{1,3})_(?:main|sub|extra\d?)_"
    r"(?P<start>\d{14})_(?P<end>\d{14})(?P<flags>)\.(?P<ending>mp4|dav)$"
)
_TRIGGERS = {"M": "motion", "A": "alarm", "R": "regular"}


@dataclass(frozen=True, slots=True)
class ForeignName:
    """What a foreign file name says. `zone_was_ambiguous` marks a time that the zone has twice or never."""

    span: Span
    channel: int
    trigger: str
    kind: Kind
    ending: str
    zone_was_ambiguous: bool


def parse_foreign_path(path: str, zone: tzinfo) -> ForeignName:
    """What the path of a foreign upload says, its local times read in `zone`; an unknown form is Rejected."""
    for pattern, read in ((_FTP_SPAN, _ftp_span), (_FTP_PICTURE, _ftp_picture), (_EXPORT, _export)):
        found = pattern.search(path)
        if found is None:
            continue
        try:
            start, end = read(found)
        except ValueError as error:
            raise Rejected(f"file name {path!r} names no real time: {error}") from error
        start_utc, start_ambiguous = _to_utc(start, zone)
        end_utc, end_ambiguous = _to_utc(end, zone)
        return ForeignName(
            span=Span(from_datetime(start_utc), from_datetime(max(start_utc, end_utc))),
            channel=int(found["channel"]),
            trigger=_TRIGGERS.get(found["flags"][1:2], "unknown"),
            kind="jpg" if found["ending"] == "jpg" else "mp4",
            ending=found["ending"],
            zone_was_ambiguous=start_ambiguous or end_ambiguous,
        )
    raise Rejected(f"file name {path!r} is of no form that we know (Amcrest/Dahua FTP, Dahua export)")


def _ftp_span(found: re.Match[str]) -> tuple[datetime, datetime]:
    start = _naive(f"{found['date']} {found['start']}", "%Y-%m-%d %H.%M.%S")
    end = _naive(f"{found['date']} {found['end']}", "%Y-%m-%d %H.%M.%S")
    # A file that runs over midnight lies in the folder of the day on which it began.
    return start, end if end >= start else end + timedelta(days=1)


def _ftp_picture(found: re.Match[str]) -> tuple[datetime, datetime]:
    text = f"{found['date']} {found['hour']}.{found['minute']}.{found['second']}"
    moment = _naive(text, "%Y-%m-%d %H.%M.%S")
    return moment, moment


def _export(found: re.Match[str]) -> tuple[datetime, datetime]:
    start = _naive(found["start"], "%Y%m%d%H%M%S")
    end = _naive(found["end"], "%Y%m%d%H%M%S")
    if end < start:
        raise ValueError(f"it ends at {end} before it starts at {start}")
    return start, end


def _naive(text: str, form: str) -> datetime:
    return datetime.strptime(text, form)  # noqa: DTZ007 - local time by nature; _to_utc gives it its zone


def _to_utc(local: datetime, zone: tzinfo) -> tuple[datetime, bool]:
    first = local.replace(tzinfo=zone, fold=0)
    second = local.replace(tzinfo=zone, fold=1)
    return first.astimezone(UTC), first.utcoffset() != second.utcoffset()

"""Names that other people's cameras and recorders give their files: Amcrest/Dahua FTP uploads and disks, NVR exports.

These names carry local time without a zone, in whole seconds. The caller says which zone the site is in. A time that
the zone has twice (the clock is set back) has several readings, earliest first: whoever knows more than the name, such
as how long the footage lasts, chooses among them; who does not takes the first. A time that the zone never has (the
clock is set forward) is read as if it had not been set. Both are marked, so that they can be told.

Forms understood (seen on Amcrest IP8M and Dahua IPC and NVR4xxx, FTP drops, disks and exports):

    2025-10-20/001/dav/14/14.03.00-14.06.00[M][0@0][0].mp4          span, date from the folder
    2025-10-20/0/dav/14/0/1/98673/14.03.00-14.06.00[R][0@0][0].dav  the same on the disk of a recorder
    2025-10-20/001/jpg/14/03/05[M][0@0][0].jpg                      snapshot, hour and minute from folders
    2025-10-20/001/jpg/14/03.05[M][0@0][0].jpg                      snapshot, hour from a folder
    NVR_ch1_main_20251020140300_20251020140600.mp4                  span, dates in the name

While a file is being written its name ends with `_`; `.idx` files beside are the recorder's own index.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from components.shared.errors import Rejected
from components.shared.wire.object_keys import Kind
from components.shared.wire.units import Span, from_datetime

_FLAGS = r"(?P<flags>(?:\[[^\]/]*\])*)"
_DAY = r"(?:^|/)(?P<date>\d{4}-\d{2}-\d{2})/(?P<channel>\d{1,3})/"
_FTP_SPAN = re.compile(
    rf"{_DAY}(?:dav|mp4)/\d{{2}}/(?:\d+/){{0,4}}"
    rf"(?P<start>\d{{2}}\.\d{{2}}\.\d{{2}})-(?P<end>\d{{2}}\.\d{{2}}\.\d{{2}}){_FLAGS}\.(?P<ending>mp4|dav)\Z",
    re.ASCII,
)
_FTP_PICTURE = re.compile(
    rf"{_DAY}jpg/(?P<hour>\d{{2}})/(?P<minute>\d{{2}})[/.](?P<second>\d{{2}}){_FLAGS}\.(?P<ending>jpg)\Z", re.ASCII
)
_EXPORT = re.compile(
    r"(?:^|/)(?:[A-Za-z0-9 ._-]*_)?ch(?P<channel>\d{1,3})_(?:main|sub|extra\d?)_"
    r"(?P<start>\d{14})_(?P<end>\d{14})(?P<flags>)\.(?P<ending>mp4|dav)\Z",
    re.ASCII,
)
_TRIGGERS = {"M": "motion", "A": "alarm", "R": "regular", "I": "intelligence"}
_UNFINISHED = re.compile(r"(?:^|/)\.[^/]*\Z|_\Z|\.(?:part|tmp|temp|filepart|crdownload)\Z", re.IGNORECASE)
_BESIDE = re.compile(r"\.(?:idx|jpg|jpeg)\Z|(?:^|/)DVRWorkDirectory\Z", re.IGNORECASE)
_DAY_LENGTH = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class LocalName:
    """What a foreign file name says by itself. `end` has a date of its own only with `has_end_date`."""

    start: datetime
    end: datetime
    has_end_date: bool
    channel: int
    trigger: str
    kind: Kind
    ending: str


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
    name = read_foreign_path(path)
    first = readings(path, name, zone)[0]
    ambiguous = _is_ambiguous(name.start, zone) or _is_ambiguous(name.end, zone)
    return ForeignName(first, name.channel, name.trigger, name.kind, name.ending, ambiguous)


def read_foreign_path(path: str) -> LocalName:
    """What the path of a foreign file says in local time; an unknown form, or no real time, is Rejected."""
    for pattern, read in ((_FTP_SPAN, _ftp_span), (_FTP_PICTURE, _ftp_picture), (_EXPORT, _export)):
        found = pattern.search(path)
        if found is None:
            continue
        try:
            start, end = read(found)
        except (ValueError, OverflowError) as error:
            raise Rejected(f"file name {path!r} names no real time: {error}") from error
        return LocalName(
            start=start,
            end=end,
            has_end_date=pattern is _EXPORT,
            channel=int(found["channel"]),
            trigger=_TRIGGERS.get(found["flags"][1:2], "unknown"),
            kind="jpg" if found["ending"] == "jpg" else "mp4",
            ending=found["ending"],
        )
    raise Rejected(f"file name {path!r} is of no form that we know (Amcrest/Dahua FTP, Dahua export)")


def readings(path: str, name: LocalName, zone: tzinfo) -> tuple[Span, ...]:
    """All that the times of a name can mean in `zone`, by start and then by end; Rejected when it can mean nothing."""
    try:
        spans = [Span(from_datetime(start), from_datetime(end)) for start, end in _spans(name, zone)]
    except OverflowError as error:  # at the very ends of the calendar
        raise Rejected(f"file name {path!r} names no real time: {error}") from error
    if not spans:
        raise Rejected(f"file name {path!r} names no real time: it ends at {name.end} before it starts at {name.start}")
    return tuple(sorted(set(spans)))


def is_unfinished(path: str) -> bool:
    """Whether the name says that somebody is still writing the file."""
    return _UNFINISHED.search(path) is not None


def is_beside(path: str) -> bool:
    """Whether the name is that of what recorders put beside their footage: an index, a snapshot."""
    return _BESIDE.search(path) is not None


def _spans(name: LocalName, zone: tzinfo) -> Iterator[tuple[datetime, datetime]]:
    for start in _to_utc(name.start, zone):
        ends = [end for end in _to_utc(name.end, zone) if end >= start]
        if not ends and not name.has_end_date:
            # A file that runs over midnight lies in the folder of the day on which it began.
            ends = _to_utc(name.end + _DAY_LENGTH, zone)
        yield from ((start, end) for end in ends)


def _ftp_span(found: re.Match[str]) -> tuple[datetime, datetime]:
    return _moment(found["date"], found["start"]), _moment(found["date"], found["end"])


def _ftp_picture(found: re.Match[str]) -> tuple[datetime, datetime]:
    moment = _moment(found["date"], f"{found['hour']}.{found['minute']}.{found['second']}")
    return moment, moment


def _export(found: re.Match[str]) -> tuple[datetime, datetime]:
    start, end = (_moment(found[part][:8], found[part][8:]) for part in ("start", "end"))
    return start, end


def _moment(date: str, time: str) -> datetime:
    """Local time, by nature without a zone."""
    digits = time.replace(".", "")
    # Dahua NVRs write the end of a day as second 60.
    is_day_end = digits.endswith("60")
    text = date.replace("-", "") + (digits[:4] + "59" if is_day_end else digits)
    moment = datetime.strptime(text, "%Y%m%d%H%M%S")  # noqa: DTZ007 - `_to_utc` gives it its zone
    return moment + timedelta(seconds=int(is_day_end))


def _to_utc(local: datetime, zone: tzinfo) -> list[datetime]:
    """What a local time is in UTC: twice where the clock is set back, once else."""
    first = local.replace(tzinfo=zone, fold=0)
    found = [first.astimezone(UTC)]
    is_real = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == local
    if is_real and _is_ambiguous(local, zone):
        found.append(local.replace(tzinfo=zone, fold=1).astimezone(UTC))
    return found


def _is_ambiguous(local: datetime, zone: tzinfo) -> bool:
    return local.replace(tzinfo=zone, fold=0).utcoffset() != local.replace(tzinfo=zone, fold=1).utcoffset()

"""Names of things on disk and in S3: segment files, thumbnails, metadata, foreign uploads.

A file's path under a volume and its key under the site's prefix are the same text, so that either is found from the
other without a table. Names are in UTC, unique, sortable and parseable; daylight saving never matters.

    {stream}/{yyyy}/{mm}/{dd}/{hh}/{stream}_{start}.mp4        under a volume
    {stream}/.../{stream}_{start}_{duration}ms.clip.mp4        a part of a segment, only in the media bucket
    sites/{thing}/cameras/<the same path>                      in the media bucket
    drop/{site}/{camera}/<foreign path>                        foreign uploads, which a function moves

`{stream}` is the camera's id for its main stream and `{camera}~sub` for its sub stream.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from components.shared.errors import Rejected
from components.shared.wire.units import WallNs, format_stamp, parse_stamp, to_datetime

StreamName = Literal["main", "sub"]
Kind = Literal["mp4", "jpg", "json", "clip"]

_ID = re.compile(r"[a-z0-9-]{1,32}")
_THING = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
_SUB_SUFFIX = "~sub"
_NAME = re.compile(
    r"(?P<stem>[a-z0-9-]{1,32}(?:~sub)?)_(?P<stamp>[0-9TZ.]+)"
    r"(?:\.(?P<kind>mp4|jpg|json)|_(?P<duration>[1-9][0-9]{0,9})ms\.clip\.mp4)"
)
_KINDS: Mapping[str | None, Kind] = {"mp4": "mp4", "jpg": "jpg", "json": "json", None: "clip"}


@dataclass(frozen=True, slots=True, order=True)
class ObjectName:
    """What a path or key tells: whose it is, when it starts, what kind of thing it is.

    A clip starts where its first picture does, not where its segment does, and has its duration in its name: so two
    clips of a segment have one name only if they are the same.
    """

    camera: str
    stream: StreamName
    start_ns: WallNs
    kind: Kind
    duration_ms: int = 0

    @property
    def segment(self) -> str:
        """The segment's id, `{stream}_{start}`: the file's name without its ending. That of a clip names no segment."""
        return segment_id(self.camera, self.stream, self.start_ns)


@dataclass(frozen=True, slots=True)
class DropName:
    """A foreign upload: which site and camera it was dropped for, and the uploader's own path."""

    site: str
    camera: str
    foreign_path: str


def check_id(value: str, what: str = "id") -> str:
    """`value` when it is a legal id (`[a-z0-9-]{1,32}`), else Rejected."""
    if not _ID.fullmatch(value):
        raise Rejected(f"{what} {value!r} is not 1 to 32 of a-z, 0-9 and -")
    return value


def check_thing(value: str) -> str:
    """`value` when it is a legal thing name, else Rejected."""
    if not _THING.fullmatch(value):
        raise Rejected(f"thing name {value!r} is not 1 to 128 of a-z, A-Z, 0-9, :, _ and -")
    return value


def stream_stem(camera: str, stream: StreamName) -> str:
    """The folder and file stem of a stream."""
    check_id(camera, "camera id")
    return camera if stream == "main" else camera + _SUB_SUFFIX


def split_stem(stem: str) -> tuple[str, StreamName]:
    """The inverse of `stream_stem`; what is none is Rejected."""
    camera = check_id(stem.removesuffix(_SUB_SUFFIX), "camera id")
    return camera, "sub" if stem.endswith(_SUB_SUFFIX) else "main"


def segment_id(camera: str, stream: StreamName, start_ns: int) -> str:
    """The id of the segment of that stream which starts at `start_ns` (to the millisecond)."""
    return f"{stream_stem(camera, stream)}_{format_stamp(start_ns)}"


def relative_path(name: ObjectName) -> str:
    """The path under a volume, or under the site's prefix in S3."""
    moment = to_datetime(name.start_ns)
    stem = stream_stem(name.camera, name.stream)
    ending = f"_{name.duration_ms}ms.clip.mp4" if name.kind == "clip" else f".{name.kind}"
    return f"{stem}/{moment:%Y/%m/%d/%H}/{name.segment}{ending}"


def parse_relative_path(path: str) -> ObjectName:
    """The inverse of `relative_path` for a file of a volume; one whose folders disagree with its name is Rejected."""
    name = _parse_path(path)
    if name.kind == "clip":
        raise Rejected(f"path {path!r}: clips have no files on a volume")
    return name


def _parse_path(path: str) -> ObjectName:
    file_name = path.rsplit("/", 1)[-1]
    found = _NAME.fullmatch(file_name)
    if found is None:
        raise Rejected(f"path {path!r}: the file name is not of the form camera_start.mp4")
    stem = found["stem"]
    stream: StreamName = "sub" if stem.endswith(_SUB_SUFFIX) else "main"
    start_ns, duration_ms = parse_stamp(found["stamp"]), int(found["duration"] or 0)
    name = ObjectName(stem.removesuffix(_SUB_SUFFIX), stream, start_ns, _KINDS[found["kind"]], duration_ms)
    if relative_path(name) != path:
        raise Rejected(f"path {path!r}: its folders are not those of its name, {relative_path(name)}")
    return name


def site_prefix(thing: str) -> str:
    """Everything that a site may write in the media bucket begins with this."""
    return f"sites/{check_thing(thing)}/"


def object_key(thing: str, name: ObjectName) -> str:
    """The canonical S3 key of a segment, thumbnail, metadata file or clip."""
    return f"{site_prefix(thing)}cameras/{relative_path(name)}"


def parse_object_key(key: str) -> tuple[str, ObjectName]:
    """The thing and name of a canonical key, else Rejected."""
    parts = key.split("/", 3)
    if len(parts) != 4 or parts[0] != "sites" or parts[2] != "cameras":
        raise Rejected(f"key {key!r} is not of the form sites/THING/cameras/...")
    return check_thing(parts[1]), _parse_path(parts[3])


def parse_drop_key(key: str) -> DropName:
    """What a `drop/{site}/{camera}/...` key says, else Rejected."""
    parts = key.split("/", 3)
    if len(parts) != 4 or parts[0] != "drop" or not parts[3]:
        raise Rejected(f"key {key!r} is not of the form drop/SITE/CAMERA/PATH")
    return DropName(check_thing(parts[1]), check_id(parts[2], "camera id"), parts[3])

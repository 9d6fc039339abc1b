"""Decides where a foreign upload belongs: which canonical key, and what its metadata say of where it came from.

Forms understood: Amcrest and Dahua FTP drops and exports (times local, read in the site's zone, or in UTC with a flag
where the site has none), and names of our own (always UTC).

What is not understood stays where it was dropped: the message fails, is tried again, and ends in the dead-letter queue
with the key in it. After the reason is gone (a new form is known, a zone was corrected) a redrive of that queue moves
the object. Nothing is deleted, hidden or guessed.

Two uploads that begin in the same second get keys a millisecond apart, in the order in which they are moved, so that
neither is lost; the key of an upload that was moved before is found again by its metadata.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from components.shared.errors import Rejected
from components.shared.wire.foreign_names import parse_foreign_path
from components.shared.wire.object_keys import (
    DropName,
    ObjectName,
    object_key,
    parse_drop_key,
    parse_object_key,
    parse_relative_path,
    relative_path,
)
from components.shared.wire.units import NS_PER_MS, WallNs, parse_stamp

SLOTS_MAX = 100  # uploads of one camera that begin in the same second; more is not a camera but a mistake
METADATA_BYTES_MAX = 2_048  # S3's own limit
SOURCE_LETTERS_MAX = 300  # of a source key in the metadata; a longer one is told by its hash


@dataclass(frozen=True, slots=True)
class Upload:
    """An object under `drop/` as S3 has it now."""

    key: str
    etag: str
    size_bytes: int
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Move:
    """Where an upload belongs and what is to be said of it."""

    site: str
    name: ObjectName
    metadata: Mapping[str, str]

    def key(self, slot: int) -> str:
        """The key at the given slot: that of its start, and one millisecond later for each that is taken."""
        start_ns = WallNs(self.name.start_ns + slot * NS_PER_MS)
        return object_key(self.site, ObjectName(self.name.camera, self.name.stream, start_ns, self.name.kind))


def is_canonical(key: str) -> bool:
    """Whether an object is where it belongs already."""
    try:
        parse_object_key(key)
    except Rejected:
        return False
    return True


def site_of(key: str) -> str:
    """The site that a drop key names; Rejected when it is no drop key."""
    return parse_drop_key(key).site


def plan(upload: Upload, time_zone: str | None) -> Move:
    """Where the upload belongs, its local times read in `time_zone` (UTC, flagged, when None); else Rejected."""
    drop = parse_drop_key(upload.key)
    name = _own_name(drop)
    if name is not None:
        return Move(drop.site, name, _metadata(upload, {}))
    flags = []
    if time_zone is None:
        flags.append("assumed")
    found = parse_foreign_path(drop.foreign_path, _zone(time_zone or "UTC", drop.site))
    if found.ending == "dav":
        raise Rejected(f"upload {upload.key}: a .dav file is not MP4, have the recorder upload MP4 or convert it")
    if found.zone_was_ambiguous:
        flags.append("ambiguous")
    told = {
        "nvr-start-ns": str(found.span.start_ns),
        "nvr-end-ns": str(found.span.end_ns),
        "nvr-time-zone": time_zone or "UTC",
        "nvr-trigger": found.trigger,
        "nvr-channel": str(found.channel),
    }
    if flags:
        told["nvr-time-zone-flags"] = ",".join(flags)
    return Move(drop.site, ObjectName(drop.camera, "main", found.span.start_ns, found.kind), _metadata(upload, told))


def was_moved(upload: Upload, metadata: Mapping[str, str]) -> bool:
    """Whether an object with these metadata is this upload, moved before."""
    return metadata.get("nvr-source") == _source(upload.key) and metadata.get("nvr-source-etag") == upload.etag


def is_whole_copy(upload: Upload, etag: str, size_bytes: int, metadata: Mapping[str, str]) -> bool:
    """Whether a copy can stand in for the upload.

    An ETag without `-` is the MD5 of all bytes, as a copy's always is. Of an upload in parts only sizes are compared.
    """
    same_bytes = "-" in upload.etag or etag == upload.etag
    return size_bytes == upload.size_bytes and same_bytes and was_moved(upload, metadata)


def _own_name(drop: DropName) -> ObjectName | None:
    """The name of a file that our own recorder named, with or without its folders; None when it is not of that form."""
    file_name = drop.foreign_path.rpartition("/")[2]
    stem, _, rest = file_name.partition("_")
    try:
        start_ns = parse_stamp(rest.rpartition(".")[0])
        guess = ObjectName(stem.removesuffix("~sub"), "sub" if stem.endswith("~sub") else "main", start_ns, "mp4")
        folder = relative_path(guess).rpartition("/")[0]
        name = parse_relative_path(f"{folder}/{file_name}")
    except Rejected:
        return None
    if name.camera != drop.camera:
        raise Rejected(f"upload {drop.foreign_path}: it names camera {name.camera} but was dropped for {drop.camera}")
    return name


def _zone(name: str, site: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Rejected(f"site {site}: its time zone {name!r} is not known") from error


def _metadata(upload: Upload, told: Mapping[str, str]) -> dict[str, str]:
    metadata = {
        **upload.metadata,
        **told,
        "nvr-source": _source(upload.key),
        "nvr-source-etag": upload.etag,
    }
    size_bytes = sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())
    if size_bytes > METADATA_BYTES_MAX:
        raise Rejected(
            f"upload {upload.key}: its own metadata and ours are {size_bytes} bytes, S3 takes {METADATA_BYTES_MAX}"
        )
    return metadata


def _source(key: str) -> str:
    """The source's key as metadata can hold it: ASCII, and not too long."""
    quoted = quote(key, safe="/[]@.-_~")
    return quoted if len(quoted) <= SOURCE_LETTERS_MAX else f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"

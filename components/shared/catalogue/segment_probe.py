"""Looks into a segment file on a disk: what of it is footage, whether its trailer proves it, what it is worth.

Also makes a file whole that a crash left without its trailer: cuts off what is no complete fragment, appends the
trailer, syncs. Both may be repeated without harm. It knows no rows and decides nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from components.shared.errors import Rejected
from components.shared.runtime.files import Step, disk_errors, no_step, sync_folder
from components.shared.wire.object_keys import StreamName
from components.shared.wire.segment_file import (
    Fragment,
    FragmentScanner,
    Scan,
    SegmentHasher,
    Trailer,
    encode_trailer,
    facts_from_file,
    facts_of,
    scan,
)
from components.shared.wire.segment_metadata import SegmentFacts
from components.shared.wire.units import WallNs

CHUNK_BYTES = 1024 * 1024
"""Read at a time: large enough to cost nothing per byte, small beside a recorder's memory."""


GLANCE_BYTES = 4096
"""Read at a time where only heads matter: a `moof` of a second fits, and it is a page."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A file whose trailer proves every byte of it."""

    facts: SegmentFacts
    part_sha256s: tuple[str, ...]
    trailer: Trailer


@dataclass(frozen=True, slots=True)
class Probed:
    """What a file holds; `whole` is None when it has no trailer, or one that does not fit its bytes."""

    scan: Scan
    whole: Whole | None = None

    @property
    def has_footage(self) -> bool:
        """Whether there is at least one complete fragment."""
        return bool(self.scan.fragments)


def probe(path: Path) -> Probed | None:
    """What a file holds, or None when it is not there. Transient when the disk cannot be read."""
    try:
        found = scan(chunks_of(path))
        if found.fault is not None and not found.fragments and _is_cut_off(path):
            found = replace(found, fault=None)
    except FileNotFoundError:
        return None
    if found.trailer is None:
        return Probed(found)
    try:
        return Probed(found, Whole(*facts_from_file(chunks_of(path))))
    except Rejected:
        # The trailer is not of these bytes: the fragments are there all the same, and are judged without it.
        return Probed(found)


def _is_cut_off(path: Path) -> bool:
    """Whether a file without footage is good up to where nothing but zeros follow: what a power cut leaves.

    Bytes that were added to a block which had been written before may be lost though the file's length is kept: ext4
    writes that at once (`ext4_da_write_end`), and the block later.
    """
    end = at = 0
    for chunk in chunks_of(path):
        kept = len(chunk.rstrip(b"\0"))
        end = at + kept if kept else end
        at += len(chunk)
    found = scan(_first(chunks_of(path), end))
    return found.fault is None and not found.fragments


def _first(chunks: Iterator[bytes], size_bytes: int) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk[:size_bytes]
        size_bytes -= min(size_bytes, len(chunk))


def glance(path: Path) -> Scan | None:
    """As a scan of the whole file, without reading its footage: heads, header and trailer only. None: not there."""
    scanner = FragmentScanner()
    fragments: list[Fragment] = []
    fault = None
    with disk_errors(path, "read"):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            size_bytes = os.fstat(descriptor).st_size
            while fault is None and (chunk := os.pread(descriptor, GLANCE_BYTES, scanner.fed_bytes)):
                try:
                    fragments += scanner.feed(chunk)
                    fragments += scanner.skip(min(scanner.skippable_bytes, size_bytes - scanner.fed_bytes))
                    scanner.feed(b"")
                except Rejected as error:
                    fault = str(error)
        finally:
            os.close(descriptor)
    return scanner.result(fragments, size_bytes, fault)


def chunks_of(path: Path) -> Iterator[bytes]:
    """The bytes of a file in pieces; FileNotFoundError when it is not there, else Transient for what the disk does."""
    with disk_errors(path, "open"):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            descriptor = -1
    if descriptor < 0:
        raise FileNotFoundError(path)
    try:
        while True:
            with disk_errors(path, "read"):
                chunk = os.read(descriptor, CHUNK_BYTES)
            if not chunk:
                return
            yield chunk
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a file is and when it happened: what a trailer says beyond the bytes."""

    camera: str
    stream: StreamName
    run: str
    start_ns: WallNs
    end_ns: WallNs


def make_whole(path: Path, found: Scan, owner: Owner, step: Step = no_step) -> tuple[SegmentFacts, tuple[str, ...]]:
    """Cuts a file to its complete fragments, gives it a trailer and syncs it and its folder; gives its facts.

    Where the trailer finds no room on the disk, the file stays without: its row tells the same.
    """
    if found.header is None:
        raise Rejected(f"segment {path.name}: it has no header")
    header, fragments, keep_bytes = found.header, found.fragments, found.complete_bytes
    draft = facts_of(header, fragments, owner.start_ns, owner.end_ns, owner.run, keep_bytes, "")
    with disk_errors(path, "make whole"):
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            step("before truncate")
            os.ftruncate(descriptor, keep_bytes)
            step("after truncate")
            hasher = _hashed(descriptor)
            trailer = Trailer(
                *(owner.camera, owner.stream, owner.run, owner.start_ns, owner.end_ns),
                *(draft.start_ticks, draft.time_base, draft.frames, keep_bytes, hasher.sha256),
            )
            step("before trailer")
            appended = _append(descriptor, encode_trailer(trailer), keep_bytes)
            step("after trailer")
            hasher.feed(appended)
            step("before sync")
            os.fsync(descriptor)
            step("after sync")
        finally:
            os.close(descriptor)
    sync_folder(path.parent, step)
    size_bytes = keep_bytes + len(appended)
    facts = facts_of(header, fragments, owner.start_ns, owner.end_ns, owner.run, size_bytes, hasher.sha256)
    return facts, hasher.part_sha256s


def _hashed(descriptor: int) -> SegmentHasher:
    hasher = SegmentHasher()
    os.lseek(descriptor, 0, os.SEEK_SET)
    while chunk := os.read(descriptor, CHUNK_BYTES):
        hasher.feed(chunk)
    return hasher


def _append(descriptor: int, trailer: bytes, at: int) -> bytes:
    """What was appended: the trailer, or nothing when the disk is full."""
    try:
        written = os.pwrite(descriptor, trailer, at)
    except OSError:
        written = 0
    if written == len(trailer):
        return trailer
    os.ftruncate(descriptor, at)
    return b""

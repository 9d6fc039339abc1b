"""The looks of `check` that compare files with rows: one thing at a time, each may be repeated.

Files may vanish and appear while they are looked at; a look says what it sees now.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from components.shared.catalogue.analysis import AnalysisReader
from components.shared.catalogue.capture import CaptureReader, SegmentRow, Volume
from components.shared.catalogue.segment_probe import chunks_of, glance
from components.shared.catalogue.strays import QUARANTINE
from components.shared.catalogue.volumes import absence_of
from components.shared.errors import Rejected
from components.shared.runtime.files import disk_errors
from components.shared.wire.object_keys import parse_relative_path
from components.shared.wire.segment_file import Scan, SegmentHasher, facts_from_file, facts_of

FOLDER_DEPTH_MAX = 8
"""A stream's files are five folders deep: below eight there is nothing of ours, perhaps a loop of mounts."""

_NOT_OURS = frozenset({QUARANTINE, "lost+found"})


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as promised: what kind, which row or file, and how one sees it."""

    what: str
    where: str
    detail: str


Look = Callable[[], list[Finding]]


def volume_look(capture: CaptureReader, volume: Volume) -> list[Finding]:
    """Whether a volume is there, and what waits in its quarantine."""
    absent = absence_of(capture, volume)
    if absent is not None:
        return [Finding("not_there", f"volume {volume.volume}", absent)]
    folder = volume.root / QUARANTINE
    with disk_errors(folder, "list"):
        names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return [Finding("in_quarantine", f"{QUARANTINE}/{name}", "look at it, then move it away") for name in names]


def files_of(root: Path, below: str = "", depth: int = 0) -> Iterator[str]:
    """All files under a volume's root, relative to it, but for quarantine and hidden ones."""
    if depth > FOLDER_DEPTH_MAX:
        return
    folders = []
    with disk_errors(root / below, "list"):
        try:
            with os.scandir(root / below) as entries:
                listed = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        except FileNotFoundError:
            return
    for name, is_folder in listed:
        if name.startswith(".") or (depth == 0 and name in _NOT_OURS):
            continue
        path = f"{below}/{name}" if below else name
        if is_folder:
            folders.append(path)
        else:
            yield path
    for path in folders:
        yield from files_of(root, path, depth + 1)


def file_look(capture: CaptureReader, analysis: AnalysisReader | None, volume: Volume, path: str) -> list[Finding]:
    """Whether a file has a row."""
    with disk_errors(volume.root / path, "look at"):
        if not (volume.root / path).exists():
            return []
    try:
        name = parse_relative_path(path)
    except Rejected as error:
        return [Finding("file_without_row", path, str(error))]
    row = capture.segment(name.segment)
    if name.kind == "mp4":
        known = (row is not None and (row.volume, row.path) == (volume.volume, path)) or capture.is_garbage(
            name.segment
        )
    elif name.kind == "jpg" and analysis is not None:
        # Its row follows it: until the segment is analysed a picture may be without one.
        coming = row is not None and analysis.analysis(name.segment) is None
        known = coming or analysis.thumbnail(name.segment) is not None
    else:
        known = row is not None
    return [] if known else [Finding("file_without_row", path, f"no row on volume {volume.volume} has this file")]


def segment_look(capture: CaptureReader, segment: str, with_hash: bool) -> list[Finding]:
    """Whether the file of a closed segment is what its row says."""
    row = capture.segment(segment)
    if row is None or row.facts is None:
        return []
    path = capture.file_path(row)
    found = glance(path)
    if found is None:
        return [Finding("row_without_file", row.path, f"{path} is not there")]
    findings = []
    if found.size_bytes != row.size_bytes:
        findings.append(Finding("size_differs", row.path, f"{found.size_bytes} bytes, its row says {row.size_bytes}"))
    fault = _parse_fault(found)
    if fault is not None:
        findings.append(Finding("does_not_parse", row.path, fault))
    elif different := _differences(row, found):
        findings.append(Finding("facts_differ", row.path, f"not as its row says: {', '.join(different)}"))
    if row.altered:
        findings.append(Finding("altered", row.path, "its bytes are not those that its trailer was made for"))
    if with_hash:
        findings += _hash_findings(row, path)
    return findings


def thumbnail_look(capture: CaptureReader, analysis: AnalysisReader, segment: str) -> list[Finding]:
    """Whether the thumbnail of a segment that is kept is there, and as long as its row says."""
    row = analysis.thumbnail(segment)
    if row is None or capture.segment(segment) is None:
        return []
    path = capture.file_path(row)
    with disk_errors(path, "look at"):
        try:
            size_bytes = path.stat().st_size
        except FileNotFoundError:
            return [Finding("thumbnail_without_file", row.path, f"{path} is not there")]
    if size_bytes != row.size_bytes:
        return [Finding("size_differs", row.path, f"{size_bytes} bytes, its row says {row.size_bytes}")]
    return []


def _parse_fault(found: Scan) -> str | None:
    """Why a file is no complete segment, or None."""
    if found.fault is not None:
        return found.fault
    if found.header is None or not found.fragments:
        return "it holds no complete fragment"
    return None if found.ends_whole else f"it is cut off: only {found.complete_bytes} of its bytes are whole fragments"


def _differences(row: SegmentRow, found: Scan) -> list[str]:
    """The names of what the bytes say otherwise than the row."""
    facts, trailer = row.facts, found.trailer
    assert facts is not None and found.header is not None, "only a closed row and a file that parses are compared"
    try:
        seen = facts_of(
            *(found.header, found.fragments, facts.start_ns, facts.end_ns, facts.run, facts.size_bytes, facts.sha256)
        )
    except Rejected as error:
        return [str(error)]
    fields = ("codec", "width", "height", "frames", "time_base", "start_ticks", "init_bytes", "gops")
    different = [field for field in fields if getattr(seen, field) != getattr(facts, field)]
    if trailer is not None:
        # Not its end: that of an adopted file may have given way to the next segment.
        said = replace(trailer, camera=row.camera, stream=row.stream, run=row.run, start_ns=row.start_ns)
        different += ["trailer"] if said != trailer or trailer.frames != row.frames else []
    return different


def _hash_findings(row: SegmentRow, path: Path) -> list[Finding]:
    if row.unverified:
        return _trailer_findings(row, path)
    hasher = SegmentHasher()
    try:
        for chunk in chunks_of(path):
            hasher.feed(chunk)
    except FileNotFoundError:
        return []
    assert row.facts is not None, "only closed rows have hashes"
    if hasher.sha256 != row.facts.sha256:
        return [Finding("hash_differs", row.path, f"SHA-256 is {hasher.sha256}, its row says {row.facts.sha256}")]
    if hasher.part_sha256s != row.part_sha256s:
        return [Finding("hash_differs", row.path, "the hashes of its parts are not those of its row")]
    return []


def _trailer_findings(row: SegmentRow, path: Path) -> list[Finding]:
    """Of an unverified row only the trailer's hash is known."""
    try:
        facts_from_file(chunks_of(path))
    except FileNotFoundError:
        return []
    except Rejected as error:
        return [Finding("hash_differs", row.path, str(error))]
    return []

"""What a copied disk holds after Capture's own start-up: what plays, what agrees, where each camera's footage ends.

Frames are named by their stamps, which the stand-in cameras put into them, so that the end of a file is known by what
was sent and not by what anybody's rows or file names say.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import av
import av.error

from components.shared.catalogue.capture import CaptureReader, CaptureWriter
from components.shared.catalogue.check import check
from components.shared.catalogue.reconcile import Repair, reconcile
from local.cameras import Stamp, read_stamp

ROWS_WITHOUT_BYTES = frozenset({"row_without_file", "size_differs", "does_not_parse", "facts_differ", "hash_differs"})
FILES_WITHOUT_ROWS = frozenset({"file_without_row", "in_quarantine"})
NOT_REPAIRED = frozenset({"quarantined", "failed"})


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found. `ends` are the newest frames by camera; None where no footage is left."""

    ends: Mapping[str, Stamp | None]
    last_sequence: int
    repairs: Mapping[str, int]
    unreadable: tuple[str, ...]
    rows_without_bytes: tuple[str, ...]
    files_without_rows: tuple[str, ...]
    other_findings: tuple[str, ...]


class Examiner:
    """Examines copies one after the other; what was found to play is not decoded again while its bytes are the same."""

    def __init__(self) -> None:
        self._plays: dict[str, int] = {}

    def examine(self, data: Path) -> Examined:
        """Run Capture's start-up on a data root, then look at every row and every file."""
        done = _start_up(data)
        repairs = Counter(str(repair.what) for repair in done)
        told = [f"{repair.what}: {repair.where}: {repair.detail}" for repair in done if repair.what in NOT_REPAIRED]
        findings: dict[str, list[str]] = {"rows": [], "files": [], "others": told}
        for finding in check(data, with_hash=True):
            kind = "others"
            if finding.what in ROWS_WITHOUT_BYTES:
                kind = "rows"
            elif finding.what in FILES_WITHOUT_ROWS:
                kind = "files"
            findings[kind].append(f"{finding.what}: {finding.where}: {finding.detail}")
        with closing(CaptureReader.open(data)) as reader:
            frames = {reader.file_path(row): row.frames for row in reader.segments(state="closed")}
            ends = {camera: self._end_of(reader, camera) for camera, _stream in reader.recorded_streams()}
            last_sequence = reader.last_sequence()
        unreadable = [fault for path in sorted((data / "media").rglob("*.mp4")) if (fault := self._fault(path, frames))]
        return Examined(
            *(ends, last_sequence, repairs, tuple(unreadable)),
            *(tuple(findings["rows"]), tuple(findings["files"]), tuple(findings["others"])),
        )

    def _end_of(self, reader: CaptureReader, camera: str) -> Stamp | None:
        closed = reader.segments(camera, state="closed")
        return newest_stamp(reader.file_path(closed[-1])) if closed else None

    def _fault(self, path: Path, frames: Mapping[Path, int]) -> str | None:
        """Why a file does not play as its row says, or None when it does."""
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        if sha256 not in self._plays:
            try:
                self._plays[sha256] = count_pictures(path)
            except av.error.FFmpegError as error:
                return f"{path.name}: {error}"
        shown, said = self._plays[sha256], frames.get(path)
        if shown == 0 or said not in (None, shown):
            return f"{path.name}: it shows {shown} pictures, its row says {said}"
        return None


def _start_up(data: Path) -> list[Repair]:
    """What Capture does before it records: what it repaired."""
    writer = CaptureWriter.open(data)
    try:
        return reconcile(writer)
    finally:
        writer.close()


def count_pictures(path: Path) -> int:
    """Decode a file to its end; FFmpegError when it does not open or what it holds cannot be decoded."""
    with av.open(str(path)) as container:
        # Without this a decoder hides damage under what it has seen before.
        container.streams.video[0].codec_context.options = {"err_detect": "explode"}
        return sum(1 for _picture in container.decode(video=0))


def newest_stamp(path: Path) -> Stamp | None:
    """The last frame of a file that can be read; None when there is none."""
    newest: Stamp | None = None
    try:
        with av.open(str(path)) as container:
            for packet in container.demux(video=0):
                if packet.size:
                    newest = read_stamp(bytes(packet)) or newest
    except (av.error.FFmpegError, IndexError):
        return newest
    return newest


def newest_plain_stamp(folder: Path) -> Stamp | None:
    """The newest frame that can be read in a folder of a plain writer, however many of its files cannot be."""
    for path in sorted(folder.glob("*.mp4"), reverse=True):
        stamp = newest_stamp(path)
        if stamp is not None:
            return stamp
    return None

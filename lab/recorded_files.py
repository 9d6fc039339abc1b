"""Which pictures are in each segment file, read when it was closed and kept in a text beside the catalogue.

A line is the segment's sequence, camera, start and end, and the numbers of its pictures in the order of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.shared.catalogue.capture import CaptureReader
from components.shared.wire.units import WallNs
from lab.simulated_cameras import GOP

_STAMP = re.compile(rb"edgenvr ([a-z0-9-]{1,32}) ([0-9]{10})/([0-9]{5})")


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """A segment and the numbers of the pictures in its file."""

    camera: str
    start_ns: WallNs
    end_ns: WallNs
    numbers: tuple[int, ...]


class RecordedFiles:
    """Writes one life's text; `look` takes in what was closed since the last time, in whichever life that was."""

    def __init__(self, data: Path, text: Path) -> None:
        self._reader = CaptureReader.open(data)
        self._sequence = max((_last_sequence(path) for path in data.glob("recorded-*.txt")), default=0)
        self._text = text

    def look(self) -> None:
        """Read the files that are new."""
        while rows := self._reader.closed_after(self._sequence, 500):
            with self._text.open("a") as text:
                for row in rows:
                    found = _STAMP.findall(self._reader.file_path(row).read_bytes())
                    numbers = [int(lap) * GOP + int(frame) for name, lap, frame in found if name == row.camera.encode()]
                    head = f"{row.sequence} {row.camera} {row.start_ns} {row.end_ns}"
                    text.write(f"{head} {' '.join(map(str, numbers))}\n")
            self._sequence = rows[-1].sequence or self._sequence


def read_recorded(text: Path) -> Iterator[RecordedFile]:
    """What a life has written down."""
    for line in text.read_text().splitlines():
        _sequence, camera, start_ns, end_ns, *numbers = line.split()
        yield RecordedFile(camera, WallNs(int(start_ns)), WallNs(int(end_ns)), tuple(map(int, numbers)))


def _last_sequence(text: Path) -> int:
    lines = text.read_text().splitlines()
    return int(lines[-1].split(maxsplit=1)[0]) if lines else 0

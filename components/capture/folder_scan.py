"""Looks through a folder that others fill, a bounded piece at a time, and never leaves it.

Folders are walked in the order of their names, so that older days come first. Links are not followed; names that are
not text, or hold what no log line should, are found with a reason and not opened by anybody. A pass through everything
takes as many looks as it takes; the next one begins after it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.shared.runtime.files import disk_errors

DEPTH_MAX = 12
"""Day, channel, kind, hour and the folders of a recorder's disk are eight; a camera's name and serial come before."""

PATH_BYTES_MAX = 1_024
"""A name that a message, a row and a log line can hold; the longest of a recorder has about 100."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """What is at a name below the folder. `fault` says why it is nothing to import, whatever it holds; else empty."""

    relative: str
    size_bytes: int
    mtime_ns: int
    fault: str = ""


class FolderScan:
    """A walk through one folder that goes on where it was left off."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._walk: Iterator[FoundFile | None] | None = None
        self.passes = 0
        """How often everything was looked at."""

    def look(self, entries_max: int) -> list[FoundFile]:
        """What the next entries are, at most so many. Transient when the folder itself cannot be listed."""
        if self._walk is None:
            with disk_errors(self.root, "list"), os.scandir(self.root):
                self._walk = self._entries(str(self.root), "", 0)
        found = []
        for _ in range(entries_max):
            try:
                entry = next(self._walk)
            except StopIteration:
                self._walk = None
                self.passes += 1
                break
            if entry is not None:
                found.append(entry)
        return found

    def _entries(self, folder: str, relative: str, depth: int) -> Iterator[FoundFile | None]:
        """Every entry below; None for one that is no file, so that it counts."""
        try:
            with os.scandir(folder) as entries:
                names = sorted(entry.name for entry in entries)
        except FileNotFoundError:
            return
        except OSError as error:
            yield FoundFile(readable(relative), 0, 0, f"the folder cannot be listed: {error.strerror}")
            return
        for name in names:
            path = f"{relative}/{name}" if relative else name
            try:
                found = os.lstat(f"{folder}/{name}")
            except OSError:  # gone since it was listed
                yield None
                continue
            if stat.S_ISDIR(found.st_mode):
                if depth >= DEPTH_MAX:
                    yield FoundFile(readable(path), 0, 0, f"it lies more than {DEPTH_MAX} folders deep")
                    continue
                yield None
                yield from self._entries(f"{folder}/{name}", path, depth + 1)
            else:
                fault = _fault(path, found.st_mode)
                yield FoundFile(readable(path) if fault else path, found.st_size, found.st_mtime_ns, fault)


def readable(path: str) -> str:
    """The path as a text of one line that can be stored and shown, whatever is in it."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def _fault(path: str, mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "it is a link, and links are not followed"
    if not stat.S_ISREG(mode):
        return "it is no regular file"
    if readable(path) != path:
        return "its name holds what is no readable text"
    if len(os.fsencode(path)) > PATH_BYTES_MAX:
        return f"its name has more than {PATH_BYTES_MAX} bytes"
    return ""

"""A process that ends at a chosen durable step: before it, or after it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.shared.catalogue.capture import CaptureWriter
from components.shared.catalogue.database import Database, Do

NEVER = -1


class Crash(BaseException):
    """What ends the process in the middle: nothing in the product catches it."""


class CrashAt:
    """A step callback that ends the process at the given call, the first being 1, and at whatever is tried after it.

    Around a write it raises nothing, because libav would keep that to itself: from then on `write` does nothing, and
    `check` ends the process for those who call libav.
    """

    def __init__(self, call: int = NEVER) -> None:
        self.call = call
        self.steps: list[str] = []
        self.kept: list[object] = []
        """What a crashed process no longer touches: libav would finish the file when its muxer is collected."""

    def __call__(self, step: str) -> None:
        if not self.is_over:
            self.steps.append(step)
        if not step.endswith(" write"):
            self.check()

    @property
    def is_over(self) -> bool:
        """Whether the process has ended."""
        return len(self.steps) == self.call

    def check(self) -> None:
        """End the process, if it has come to that."""
        if self.is_over:
            raise Crash(self.steps[-1])

    def write(self, descriptor: int, data: memoryview) -> int:
        """Write to a file, as a process that is there."""
        return len(data) if self.is_over else os.write(descriptor, data)

    @property
    def names(self) -> list[tuple[str, str]]:
        """Side and name of every step so far; rows by what is done, without whose they are."""
        return [_name_of(step) for step in self.steps]


class CrashingDatabase:
    """A catalogue's file, each of whose transactions is a durable step."""

    def __init__(self, inner: Database, crash: CrashAt) -> None:
        self._inner = inner
        self._crash = crash

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @contextmanager
    def transaction(self, step: str) -> Iterator[Do]:
        self._crash(f"before row: {step}")
        with self._inner.transaction(step) as do:
            yield do
        self._crash(f"after row: {step}")


def crashing_writer(data: Path, crash: CrashAt) -> CaptureWriter:
    """Capture's catalogue, each of whose transactions is a durable step."""
    inner = CaptureWriter.open(data)
    return CaptureWriter(CrashingDatabase(inner.database, crash), data)  # type: ignore[arg-type]  # stands for it


def _name_of(step: str) -> tuple[str, str]:
    side, _, name = step.partition(" ")
    if name.startswith("row: "):
        what = name.removeprefix("row: ").rpartition(", ")[2]
        name = " ".join(("row:", *what.split()[:2]))
    return side, name

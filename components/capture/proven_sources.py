"""The sources that each stream was last recorded from: `<data>/capture/sources.json`, written by the keeper alone.

A source is proven when pictures have come from it. The file is what a camera goes on with when Capture starts and finds
a document that names another source; without the file every document is simply followed. It holds no credentials: a
secret is a name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from components.capture.camera_plan import Source
from components.shared.errors import Transient
from components.shared.runtime.files import Step, disk_errors, make_folders, no_step, write_durably
from components.shared.runtime.log import Log
from components.shared.wire.codec import describe_faults

FILE_BYTES_MAX = 1_048_576
"""Hundreds of cameras make less; a longer file is none of ours."""


class ProvenSources:
    """See the module; used by one thread. What the disk does not take now is written with the next change or look."""

    def __init__(self, data: Path, log: Log, step: Step = no_step) -> None:
        self.path = data / "capture" / "sources.json"
        self._log = log
        self._step = step
        self._sources = self._load()
        self._is_written = True

    @property
    def stems(self) -> frozenset[str]:
        """The streams that have one."""
        return frozenset(self._sources)

    def get(self, stem: str) -> Source | None:
        """The stream's proven source; None when nothing was recorded yet."""
        return self._sources.get(stem)

    def prove(self, stem: str, source: Source) -> bool:
        """Pictures come from it; whether that is news."""
        if self._sources.get(stem) == source:
            return False
        self._sources[stem] = source
        self._is_written = False
        return True

    def forget(self, stem: str) -> None:
        """The stream is no longer configured."""
        if self._sources.pop(stem, None) is not None:
            self._is_written = False

    def keep(self) -> None:
        """Write what has changed, durably."""
        if self._is_written:
            return
        content = json.dumps({stem: asdict(source) for stem, source in sorted(self._sources.items())}, indent=1)
        try:
            make_folders(self.path.parent, step=self._step)
            write_durably(self.path, content.encode() + b"\n", step=self._step)
        except Transient as error:
            self._log.debug("proven_sources_not_kept", error=error)
        else:
            self._is_written = True

    def _load(self) -> dict[str, Source]:
        try:
            with disk_errors(self.path, "read"):
                content = self.path.read_bytes()[: FILE_BYTES_MAX + 1]
        except Transient as error:
            if self.path.exists():
                self._log.warning("proven_sources_not_read", error=error)
            return {}
        try:
            return dict(_ADAPTER.validate_json(content))
        except ValidationError as error:
            self._log.warning("proven_sources_damaged", error=describe_faults(error))
            return {}


_ADAPTER: TypeAdapter[Mapping[str, Source]] = TypeAdapter(Mapping[str, Source])

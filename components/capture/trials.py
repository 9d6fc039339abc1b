"""New sources of cameras, tried beside those that are recorded; the keeper asks it which one to read.

As long as a stream's document names a source that was never recorded, while another was, the proven one is read and the
new one tried, again and again by `core/trial`. Everything else in the document is followed at once. A stream that was
never recorded, or whose document wants no trial, is read as its document says.

It outlives restarts by what `ProvenSources` keeps. It does not know how a trial is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from components.capture.camera_plan import CameraPlan, Source
from components.capture.core.reconnect import StreamStatus
from components.capture.core.trial import TRIALS_MAX, Verdict, is_due_again
from components.capture.proven_sources import ProvenSources
from components.capture.source_trial import StartTrial, Trial
from components.capture.workshop import Board
from components.shared.errors import Rejected, Transient
from components.shared.runtime.clock import Clock
from components.shared.runtime.log import Log
from components.shared.runtime.secrets import secret_path
from components.shared.wire.object_keys import split_stem
from components.shared.wire.site_config import camera_shadow

Stamp = tuple[int, int] | None


@dataclass(slots=True)
class _Tried:
    """A new source: tried now, due to be tried, or with a verdict; one that has passed stays until it is proven."""

    source: Source
    trial: Trial | None = None
    verdict: Verdict | None = None
    failures: int = 0
    ended_ns: int = 0
    secret_stamp: Stamp = None


class Trials:
    """See the module; used by one thread."""

    def __init__(
        self, start: StartTrial, proven: ProvenSources, data: Path, board: Board, clock: Clock, log: Log
    ) -> None:
        self._start = start
        self._proven = proven
        self._data = data
        self._board = board
        self._clock = clock
        self._log = log
        self._tried: dict[str, _Tried] = {}

    def choose(self, stem: str, wanted: CameraPlan) -> CameraPlan:
        """How to read a stream whose document wants this: as it says, or from its proven source."""
        proven = self._proven.get(stem)
        if proven is None or proven == wanted.source or wanted.folder is not None or not wanted.is_tried:
            self._drop(stem)
            return wanted
        if not wanted.is_on:
            self._drop(stem)  # nothing is read, so there is nothing to lose; it is tried when it is switched on
            return wanted
        tried = self._tried.get(stem)
        if tried is None or tried.source != wanted.source:
            self._drop(stem)
            tried = self._tried[stem] = _Tried(wanted.source)
        has_passed = tried.verdict is not None and tried.verdict.failure is None
        return wanted if has_passed else wanted.reading(proven)

    def look(self, statuses: Mapping[str, StreamStatus]) -> bool:
        """Hear verdicts and begin what is due; whether there is a verdict. `statuses` are those of all streams."""
        heard = [self._hear(stem, tried) for stem, tried in self._tried.items() if tried.trial is not None]
        running = sum(tried.trial is not None for tried in self._tried.values())
        for stem, tried in self._tried.items():
            if tried.trial is None and running < TRIALS_MAX and self._is_due(tried, statuses.get(stem)):
                running += self._begin(stem, tried)
        self._proven.keep()
        return any(heard)

    def prove(self, stem: str, source: Source) -> bool:
        """Pictures of the stream come from this source; whether that is news."""
        return self._proven.prove(stem, source)

    def retain(self, stems: frozenset[str]) -> None:
        """Forget all other streams: they are no longer configured."""
        for stem in self._proven.stems - stems:
            self._proven.forget(stem)
        for stem in self._tried.keys() - stems:
            self._drop(stem)

    def pending(self) -> dict[str, str]:
        """Which documents wait for a trial of their source, and what for."""
        return {
            _document(stem): f"{_where(stem)}: its new source is tried, the one before is recorded meanwhile"
            for stem, tried in self._tried.items()
            if tried.verdict is None
        }

    def refused(self) -> dict[str, str]:
        """Which documents name a source that does not do, and why."""
        return {
            _document(stem): f"{_where(stem)} is recorded from the source before, the new one does not do "
            f"({tried.verdict.failure}): {tried.verdict.detail}"
            for stem, tried in self._tried.items()
            if tried.verdict is not None and tried.verdict.failure is not None
        }

    def end_all(self) -> None:
        """Nobody wants a verdict any more."""
        for stem in list(self._tried):
            self._drop(stem)

    def _drop(self, stem: str) -> None:
        tried = self._tried.pop(stem, None)
        if tried is not None and tried.trial is not None:
            tried.trial.end()

    def _hear(self, stem: str, tried: _Tried) -> bool:
        assert tried.trial is not None, "asked for what runs"
        verdict = tried.trial.look()
        if verdict is None:
            return False
        tried.trial.end()
        tried.trial = None
        tried.verdict = verdict
        tried.ended_ns = self._clock.monotonic_ns()
        if verdict.failure is None:
            self._log.info("source_trial_passed", stream=stem)
            return True
        tried.failures += 1
        self._log.warning(
            "source_trial_failed", stream=stem, failure=verdict.failure, failures=tried.failures, error=verdict.detail
        )
        self._board.failed(f"the new source of {stem} does not do ({verdict.failure}): {verdict.detail}")
        return True

    def _is_due(self, tried: _Tried, status: StreamStatus | None) -> bool:
        if tried.verdict is None:
            return True
        return is_due_again(
            tried.verdict,
            tried.failures,
            self._clock.monotonic_ns() - tried.ended_ns,
            is_recorded=status is not None and status.state in ("recording", "off"),
            has_new_secret=self._secret_stamp(tried.source) != tried.secret_stamp,
        )

    def _begin(self, stem: str, tried: _Tried) -> bool:
        tried.secret_stamp = self._secret_stamp(tried.source)
        try:
            tried.trial = self._start(stem, tried.source)
        except Transient as error:
            self._log.debug("source_trial_not_begun", stream=stem, error=error)
            return False
        self._log.info("source_trial_began", stream=stem, url=tried.source.url, failures=tried.failures)
        return True

    def _secret_stamp(self, source: Source) -> Stamp:
        if source.secret is None:
            return None
        try:
            found = secret_path(self._data, source.secret).stat()
        except (OSError, Rejected):
            return None
        return found.st_mtime_ns, found.st_ino


def _document(stem: str) -> str:
    return camera_shadow(split_stem(stem)[0])


def _where(stem: str) -> str:
    camera, stream = split_stem(stem)
    return f"camera {camera}" if stream == "main" else f"camera {camera}, stream {stream}"

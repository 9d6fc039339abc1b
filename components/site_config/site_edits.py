"""Takes proposals from their folder: decided, put in force and answered within a second or two, network or not.

The order of the durable steps: journal with the decision, documents in force, answer, removal of the proposal. After a
crash at any point the journal says what was decided, and the rest is done again to the same result.
"""

from __future__ import annotations

from pathlib import Path

from components.shared.errors import Rejected
from components.shared.runtime.clock import Clock
from components.shared.runtime.log import Log
from components.shared.wire.units import NS_PER_S
from components.site_config.configuration import Configuration
from components.site_config.proposals import ANSWERS_MAX, ProposalFolder

ANSWER_KEPT_NS = 3_600 * NS_PER_S
"""A proposer waits for seconds; an hour later nobody reads the answer any more."""


class SiteEdits:
    """One thread calls `look` every second."""

    def __init__(self, configuration: Configuration, folder: ProposalFolder, clock: Clock, log: Log) -> None:
        self._configuration = configuration
        self._folder = folder
        self._clock = clock
        self._log = log
        self._garbage: dict[Path, int] = {}
        self._answers_since_ns: dict[Path, int] = {}

    def look(self) -> bool:
        """Take what is there; whether anything was decided. Transient when the disk does not take it."""
        self._configuration.settle()
        self._tell()
        decided = False
        waiting = self._folder.waiting()
        self._garbage = {path: seen for path, seen in self._garbage.items() if path in waiting}
        for path in waiting:
            decided |= self._take(path)
        self._clean()
        return decided

    def _take(self, path: Path) -> bool:
        try:
            proposal = self._folder.read(path)
        except Rejected as error:
            self._refuse_garbage(path, error)
            return False
        self._configuration.propose(proposal)
        self._configuration.settle()
        self._tell()
        return True

    def _tell(self) -> None:
        """Answer what is decided; a proposal that is not there any more has its answer already."""
        for proposal_id, answer in self._configuration.answers().items():
            if self._folder.holds(proposal_id):
                self._folder.answer(proposal_id, answer)
            self._configuration.answered(proposal_id)

    def _refuse_garbage(self, path: Path, error: Rejected) -> None:
        """Refuse a file that is no proposal at the second look: it may still be being written at the first."""
        try:
            status = path.lstat()
        except FileNotFoundError:
            return
        seen = hash((status.st_ino, status.st_size, status.st_mtime_ns))
        if self._garbage.get(path) != seen:
            self._garbage[path] = seen
            return
        self._log.warning("proposal_not_readable", file=path.name, error=error)
        self._folder.refuse(path, str(error))
        del self._garbage[path]

    def _clean(self) -> None:
        now_ns = self._clock.monotonic_ns()
        answers = self._folder.answers()
        self._answers_since_ns = {path: self._answers_since_ns.get(path, now_ns) for path in answers}
        for number, path in enumerate(answers):
            is_one_too_many = len(answers) - number > ANSWERS_MAX
            if is_one_too_many or now_ns - self._answers_since_ns[path] >= ANSWER_KEPT_NS:
                self._folder.forget(path)

"""A trial of a source in a process of its own: started, asked, and killed when it is not wanted any more.

What is to be tried goes to its standard input and the verdict comes from its standard output, each as one line of JSON.
The secret goes neither way: the process reads its file by its name.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from components.capture.camera_plan import Source
from components.capture.core.trial import Verdict
from components.capture.source_trial import StartTrial, Trial
from components.shared.errors import Transient
from components.shared.runtime.clock import Clock
from components.shared.wire.units import NS_PER_S

TRIAL_COMMAND = (sys.executable, "-m", "components.capture.trial_inside")

TRIAL_NS_MAX = 90 * NS_PER_S
"""It ends by itself after 75 s and the start of Python; this one is for a process that hangs."""

ANSWER_BYTES_MAX = 8_192

_ADAPTER = TypeAdapter(Verdict)


def try_in_processes(data: Path, clock: Clock, command: Sequence[str] = TRIAL_COMMAND) -> StartTrial:
    """What tries sources, each in a process that `command` starts."""

    def start(stem: str, source: Source) -> Trial:
        return _TrialProcess(data, stem, source, clock, command)

    return start


class _TrialProcess:
    def __init__(self, data: Path, stem: str, source: Source, clock: Clock, command: Sequence[str]) -> None:
        self._stem = stem
        self._clock = clock
        self._began_ns = clock.monotonic_ns()
        search = os.pathsep.join(entry for entry in sys.path if entry)
        task = json.dumps({"data": str(data), "stem": stem, "source": asdict(source)})
        try:
            self._process = subprocess.Popen(
                command, env={**os.environ, "PYTHONPATH": search}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        except OSError as error:
            raise Transient(f"no process can be had to try a source: {error.strerror or error}") from error
        assert self._process.stdin is not None, "asked for"
        with suppress(BrokenPipeError), self._process.stdin as pipe:  # shorter than what a pipe holds: never waits
            pipe.write(task.encode() + b"\n")

    def look(self) -> Verdict | None:
        """See Trial."""
        if self._process.poll() is None:
            if self._clock.monotonic_ns() - self._began_ns < TRIAL_NS_MAX:
                return None
            self.end()
            return Verdict("no_video", f"camera {self._stem}: what tried it hung")
        code = self._process.returncode
        try:
            return _ADAPTER.validate_json(self._answer())
        except ValidationError:
            return Verdict("no_video", f"camera {self._stem}: what tried it ended without an answer (exit code {code})")

    def end(self) -> None:
        """See Trial."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _answer(self) -> bytes:
        assert self._process.stdout is not None, "asked for"
        with self._process.stdout as pipe:
            return pipe.read(ANSWER_BYTES_MAX)

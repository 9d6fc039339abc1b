"""One Lambda function as a process of its own: started at its first call, kept, killed when a call takes too long.

It calls and reports; what a failure means for a message is decided by its caller.
"""

from __future__ import annotations

import json
import logging
import os
import select
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

START_S_MAX = 60.0  # Lambda gives a function 10 s to load; a busy machine with two cores needs more
LOG_BYTES_MAX = 16 << 20  # a log above it is put aside (one is kept) when the function starts
_WORKER = Path(__file__).with_name("lambda_worker.py")


class FunctionFault(Exception):  # noqa: N818
    """A call did not end well: the handler raised, was killed for its time, or the process died."""


class FunctionProcess:
    """One function. Not for several threads at once, as one environment of Lambda is not."""

    def __init__(self, handler: str, folder: Path, environment: Mapping[str, str], arn: str, log_file: Path) -> None:
        self._handler = handler
        self._folder = folder
        self._environment = dict(environment)
        self._arn = arn
        self._log_file = log_file
        self._process: subprocess.Popen[bytes] | None = None
        self._unread = b""
        self.starts = 0

    @property
    def pid(self) -> int | None:
        """The process, None when there is none."""
        process = self._process  # another thread may stop it meanwhile
        return process.pid if process is not None and process.poll() is None else None

    def call(self, event: Any, timeout_s: float) -> Any:
        """The handler's result, else FunctionFault."""
        process = self._started()
        call = {"event": event, "request_id": str(uuid.uuid4()), "arn": self._arn, "left_s": timeout_s}
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(call).encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError as error:
            self.stop()
            raise FunctionFault(f"{self._handler}: the process died between calls") from error
        answer = self._answer(timeout_s, f"Task timed out after {timeout_s:.2f} seconds")
        if "fault" in answer:
            raise FunctionFault(f"{self._handler}: {_in_words(answer['fault'])}")
        return answer["result"]

    def stop(self) -> None:
        """Kills the process, as Lambda does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()
            self._process = None

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.stop()
        self._unread = b""
        self._log_file.parent.mkdir(parents=True, exist_ok=True)
        if self._log_file.exists() and self._log_file.stat().st_size > LOG_BYTES_MAX:
            self._log_file.replace(self._log_file.with_suffix(".old"))
        with self._log_file.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, str(_WORKER), self._handler],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                bufsize=0,
            )
        self.starts += 1
        answer = self._answer(START_S_MAX, f"did not load within {START_S_MAX:.0f} s")
        if "fault" in answer:
            self.stop()
            raise FunctionFault(f"{self._handler} cannot be loaded: {_in_words(answer['fault'])}")
        return self._process

    def _answer(self, timeout_s: float, when_late: str) -> dict[str, Any]:
        """The next line that the process writes."""
        assert self._process is not None
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._unread:
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not select.select([descriptor], [], [], left_s)[0]:
                self.stop()
                raise FunctionFault(f"{self._handler}: {when_late}")
            piece = os.read(descriptor, 65_536)
            if not piece:
                code = self._process.wait()
                self.stop()
                raise FunctionFault(f"{self._handler}: the process ended with {code} during a call")
            self._unread += piece
        line, _, self._unread = self._unread.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer


def environment_of(
    name: str, folder: Path, memory_mb: int, variables: Mapping[str, str], aws: Mapping[str, str]
) -> dict[str, str]:
    """The environment that Lambda gives a function; of this machine's own only what finds the interpreter."""
    kept = {key: os.environ[key] for key in ("PATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV") if key in os.environ}
    return {
        **kept,
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "LAMBDA_TASK_ROOT": str(folder),
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb),
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "local",
        "AWS_EC2_METADATA_DISABLED": "true",
        **aws,
        **variables,
    }


def _in_words(fault: Mapping[str, Any]) -> str:
    trace = "".join(fault["stackTrace"]).strip()
    return f"{fault['errorType']}: {fault['errorMessage']}\n{trace}"

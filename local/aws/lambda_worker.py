"""Runs one Lambda function's handler, call after call, as the Python runtime of Lambda does. Started by the runner:

    python lambda_worker.py MODULE.FUNCTION

Calls come as lines of JSON on standard input, answers go as lines of JSON to the descriptor that standard output was;
what the handler prints goes to standard error, which is the function's log. It ends when its input ends. It is a
script that imports nothing of this project, because the function's own folder is its whole world.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, TextIO


class Context:
    """What a handler is told of its call."""

    def __init__(self, call: dict[str, Any]) -> None:
        self.aws_request_id: str = call["request_id"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.invoked_function_arn: str = call["arn"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = None
        self.client_context = None
        self._deadline = time.monotonic() + call["left_s"]

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function is killed."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))


class JsonLines(logging.Formatter):
    """Lines of JSON, as Lambda's log format JSON makes them: what is told by `extra` stands beside time and level."""

    _OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "timestamp": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["errorType"] = record.exc_info[0].__name__
            line["errorMessage"] = str(record.exc_info[1])
            line["stackTrace"] = traceback.format_tb(record.exc_info[2])
        line |= {name: value for name, value in record.__dict__.items() if name not in self._OWN and name not in line}
        return json.dumps(line, ensure_ascii=False, default=str)


def load(name: str) -> Callable[[Any, Any], Any]:
    """The handler of that name."""
    module, _, function = name.rpartition(".")
    found: Callable[[Any, Any], Any] = getattr(importlib.import_module(module), function)
    return found


def fault(error: BaseException) -> dict[str, Any]:
    """An exception as Lambda reports it."""
    return {
        "errorType": type(error).__name__,
        "errorMessage": str(error),
        "stackTrace": traceback.format_exception(error),
    }


def serve(handler: Callable[[Any, Any], Any], calls: TextIO, answers: TextIO) -> None:
    """Answers calls until there are no more."""
    for line in calls:
        call = json.loads(line)
        try:
            answer = {"result": handler(call["event"], Context(call))}
            text = json.dumps(answer)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is an answer
            text = json.dumps({"fault": fault(error)})
        answers.write(text + "\n")
        answers.flush()


def main(arguments: list[str]) -> int:
    """Loads the handler and serves it."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    output = logging.StreamHandler()
    output.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[output])
    logging.getLogger("botocore").setLevel(logging.WARNING)
    try:
        handler = load(arguments[0])
    except Exception as error:  # noqa: BLE001 - told to the runner, which reports it
        answers.write(json.dumps({"fault": fault(error)}) + "\n")
        answers.flush()
        return 1
    answers.write(json.dumps({"ready": True}) + "\n")
    answers.flush()
    serve(handler, sys.stdin, answers)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What the core tells the world: a status file, and a line on standard output for each change of a state."""

import contextlib
import json
import os
import select
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from local.nucleus.component import Component
from local.nucleus.durable_file import replace_file
from local.nucleus.json_value import Json, JsonObject, compact

READY_STATES = {"RUNNING", "FINISHED"}


class Status:
    """Writes `status.json` and the lines."""

    def __init__(
        self,
        path: Path,
        fixed: JsonObject,
        components: Mapping[str, Component],
        live: Callable[[], JsonObject],
    ) -> None:
        self._path = path
        self._fixed = fixed
        self._components = components
        self._live = live
        self._deployment: JsonObject = {"result": None, "reason": None}

    def deployed(self, reason: str | None) -> None:
        """Tell that a deployment succeeded, or why it failed."""
        self._deployment = {"result": "FAILED" if reason else "SUCCEEDED", "reason": reason}
        _print_line({"time_ns": time.time_ns(), "deployment": self._deployment["result"], "reason": reason})
        self.write()

    def changed(self, component: Component) -> None:
        """Tell that a component entered another state."""
        _print_line(
            {
                "time_ns": component.since_wall_ns,
                "component": component.plan.name,
                "version": component.plan.version,
                "state": component.state,
                "pid": component.pid,
                "last_exit": component.last_exit,
            }
        )
        self.write()

    def write(self) -> None:
        """Replace the status file."""
        states = [component.state for component in self._components.values()]
        document: JsonObject = {
            **self._fixed,
            "components": {name: component.status() for name, component in self._components.items()},
            **self._live(),
            "deployment": self._deployment,
            "ready": self._deployment["result"] == "SUCCEEDED" and all(state in READY_STATES for state in states),
        }
        replace_file(self._path, json.dumps(document, indent=1).encode(), durable=False)


def _print_line(values: dict[str, Json]) -> None:
    """Write a line, unless nobody reads: the core must neither wait for its reader nor die with it."""
    line = compact(values) + b"\n"
    descriptor = sys.stdout.fileno()
    _, writable, _ = select.select([], [descriptor], [], 0)  # a pipe that is writable has room for 4 KB
    if writable and len(line) <= select.PIPE_BUF:
        with contextlib.suppress(BrokenPipeError):
            os.write(descriptor, line)

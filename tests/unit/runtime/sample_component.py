"""A component for tests, as a real process: `python -m tests.unit.runtime.sample_component BEHAVIOUR --data DIR`.

Its bus is a fake that prints what is published.
"""

from __future__ import annotations

import ctypes
import resource
import sys
import threading
from collections.abc import Callable, Sequence

from components.shared.errors import Fatal, Rejected, Transient
from components.shared.runtime.bus import Bus
from components.shared.runtime.clock import Clock
from components.shared.runtime.component import Context, Task, open_greengrass, run_component
from components.shared.runtime.log import Log
from components.shared.runtime.secrets import Secret
from components.shared.wire.messages import Body
from components.shared.wire.units import NS_PER_S
from tests.fakes.bus import FakeBus


class _PrintingBus(FakeBus):
    def __init__(self, component: str, log: Log, clock: Clock) -> None:
        super().__init__(component, log=log, clock=clock)
        self._print = log

    def publish(self, body: Body, trace_id: str = "") -> None:
        super().publish(body, trace_id)
        self._print.info("said", body=body.model_dump())

    def close(self) -> None:
        super().close()
        self._print.info("bus_closed")


def _wait(context: Context) -> None:
    context.clock.wait(context.stop, 600 * NS_PER_S)


def _exposed(context: Context) -> Sequence[Task]:
    dumpable = ctypes.CDLL(None).prctl(3)  # PR_GET_DUMPABLE, of linux/prctl.h
    context.log.info("exposed", dumpable=dumpable, core_bytes_max=list(resource.getrlimit(resource.RLIMIT_CORE)))
    return [Task("one", lambda: _wait(context))]


def _steady(context: Context) -> Sequence[Task]:
    context.log.info("built", thing=context.thing, data=str(context.data), settings=dict(context.settings))
    return [Task("one", lambda: _wait(context)), Task("two", lambda: _wait(context))]


def _raising(error: BaseException) -> Callable[[Context], Sequence[Task]]:
    def run() -> None:
        raise error

    return lambda context: [Task("good", lambda: _wait(context)), Task("bad", run)]


def _hanging(context: Context) -> Sequence[Task]:
    def hang() -> None:
        context.log.info("hanging")
        threading.Event().wait(600)

    return [Task("hung", hang)]


def _failing(context: Context) -> Sequence[Task]:
    def run() -> None:
        context.status.failed("camera cam-1: unreachable")
        context.status.backlog(3)
        _wait(context)

    return [Task("one", run)]


def _late() -> Callable[[Context], Sequence[Task]]:
    attempts = iter(range(3))

    def build(context: Context) -> Sequence[Task]:
        if next(attempts) < 2:
            raise Transient("capture.db is not there yet")
        return _steady(context)

    return build


def _refusing(_context: Context) -> Sequence[Task]:
    raise Rejected("the catalogue is of no kind that I know")


def _idle(_context: Context) -> Sequence[Task]:
    return [Task("one", lambda: None)]


BEHAVIOURS: dict[str, Callable[[Context], Sequence[Task]]] = {
    "steady": _steady,
    "exposed": _exposed,
    "fatal": _raising(Fatal("a row without its file")),
    "foreign": _raising(ZeroDivisionError(f"rtsp://admin:hunter2@cam and {Secret('admin:hunter2')}")),
    "escaped": _raising(Transient("nobody supervised this")),
    "exiting": _raising(SystemExit(0)),
    "hanging": _hanging,
    "failing": _failing,
    "late": _late(),
    "refusing": _refusing,
    "idle": _idle,
}


def _open_bus(component: str, log: Log, clock: Clock) -> Bus:
    return _PrintingBus(component, log, clock)


if __name__ == "__main__":
    if sys.argv[1] == "greengrass":
        sys.exit(run_component("Capture", _steady, sys.argv[2:], open_greengrass))
    sys.exit(run_component("Capture", BEHAVIOURS[sys.argv[1]], sys.argv[2:], _open_bus))

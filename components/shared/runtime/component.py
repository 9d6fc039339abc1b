"""A component's worker from its arguments to its exit code: log, bus, configuration, tasks, status, stopping.

`run_component` gives `build` a `Context`, runs each of the tasks that it returns in a thread of its own, and reports
the component's status every few seconds. It ends in one of two ways. SIGTERM or SIGINT sets `stop`: the tasks return,
the exit code is 0, within 2 s even if a task does not notice. A task that ends by an exception, Fatal or foreign, ends
the whole worker with exit code 1, the reason logged once: the launcher starts a new one and start-up repairs.

`build` may raise Transient (a catalogue that is not there yet, a full disk): it is called again, in the same process.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import socket
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from components.shared.errors import Fatal, NvrError, Rejected, Transient
from components.shared.runtime.applied import AppliedReporter, report_applied
from components.shared.runtime.bus import Bus
from components.shared.runtime.clock import Clock, SystemClock
from components.shared.runtime.config import ConfigWatcher
from components.shared.runtime.core_dumps import forbid_core_dumps
from components.shared.runtime.files import make_folders
from components.shared.runtime.line_writer import LineWriter
from components.shared.runtime.log import Level, Log, json_log
from components.shared.runtime.status import StatusBoard
from components.shared.runtime.supervisor import Backoff, retry
from components.shared.wire.object_keys import check_thing
from components.shared.wire.units import NS_PER_S

__all__ = ["AppliedReporter", "Build", "Context", "StatusBoard", "Task", "report_applied", "run_component"]

STATUS_NS = 5 * NS_PER_S
"""How often the status is reported; three missing ones mean that the component is down."""

JOIN_S_MAX = 1.2
"""How long the tasks have to return after SIGTERM. With the bus's close it stays below the launcher's 1.7 s."""

BUILD_BACKOFF = Backoff(schedule_s=(0.5, 1, 2, 5))
"""Waiting for another component's catalogue: noticed soon after it appears, cheap for a week."""

TRACEBACK_CHARS_MAX = 1_500
"""The end of a traceback, with the line that failed; a log line holds 4 096 bytes."""

_SIGNAL_LOOK_S = 60.0
"""The main thread waits for a signal or a failed task; nothing depends on how often it looks besides."""

_THING_VARIABLE = "AWS_IOT_THING_NAME"


@dataclass(frozen=True, slots=True)
class Context:
    """What a component is given. `stop` is set when it should end; every wait of its tasks watches it.

    `settings` holds what its recipe hands over from the component's configuration (`--set NAME=VALUE`).
    """

    name: str
    version: str
    data: Path
    thing: str
    bus: Bus
    clock: Clock
    log: Log
    stop: threading.Event
    status: StatusBoard
    config: ConfigWatcher
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Task:
    """A thread of a component: `run` returns soon after `stop` is set."""

    name: str
    run: Callable[[], object]


Build = Callable[[Context], Sequence[Task]]
OpenBus = Callable[[str, Log, Clock], Bus]


def open_greengrass(component: str, log: Log, clock: Clock) -> Bus:
    """The bus of the core that runs this component; Fatal when no core does."""
    # Imported here, because only a worker needs the native client: tests and the cli would pay 20 MB for it.
    from components.shared.runtime.greengrass import GreengrassBus

    return GreengrassBus(component, log, clock)


def run_component(
    name: str,
    build: Build,
    argv: Sequence[str],
    open_bus: OpenBus = open_greengrass,
    leave: Callable[[int], object] = os._exit,
) -> int:
    """Run the component until SIGTERM or a failure; the exit code. `leave` ends the process if a task hangs."""
    arguments = _parse(name, argv)
    clock = SystemClock()
    write = LineWriter()
    log = json_log(name, arguments.log_level, write, clock)
    with _Alarm() as alarm:
        try:
            forbid_core_dumps()
            make_folders(arguments.data)
            thing = check_thing(_read_thing())
            log = json_log(name, arguments.log_level, write, clock, thing)
            bus = open_bus(name, log, clock)
        except NvrError as error:
            log.error("worker_failed", task="start", kind=type(error).__name__, error=error)
            return 1
        context = Context(
            name=name,
            version=arguments.version,
            data=arguments.data,
            thing=thing,
            bus=bus,
            clock=clock,
            log=log,
            stop=threading.Event(),
            status=StatusBoard(clock),
            config=ConfigWatcher(arguments.data, clock),
            settings=dict(arguments.set),
        )
        worker = _Worker(context, build, alarm)
        code = worker.run()
        if worker.hanging:
            leave(code)  # a thread that does not return would hold up the interpreter's own end for ever
        return code


class _Arguments(argparse.Namespace):
    data: Path
    version: str
    log_level: Level
    set: list[tuple[str, str]]


def _parse(name: str, argv: Sequence[str]) -> _Arguments:
    parser = argparse.ArgumentParser(prog=name, description=f"The worker of {name}; its launcher starts it.")
    parser.add_argument("--data", type=Path, required=True, help="the data root")
    parser.add_argument("--version", default="0", help="the version that the status tells")
    parser.add_argument("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    parser.add_argument("--set", action="append", default=[], type=_setting, metavar="NAME=VALUE", help="a setting")
    arguments = parser.parse_args(argv, namespace=_Arguments())
    arguments.data = arguments.data.absolute()
    return arguments


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _read_thing() -> str:
    thing = os.environ.get(_THING_VARIABLE, "")
    if not thing:
        raise Fatal(f"{_THING_VARIABLE} is not in the environment: this worker is started by a Greengrass core")
    return thing


class _Alarm:
    """Lets the main thread wait for a signal or another thread, without locks inside a signal handler."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._before: list[tuple[signal.Signals, object]] = []
        self._wakeup_before = -1

    def __enter__(self) -> _Alarm:
        def note(_number: int, _frame: FrameType | None) -> None:
            """Nothing: the interpreter has written the signal's number to the socket already."""

        self._wakeup_before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._before = [(number, signal.signal(number, note)) for number in (signal.SIGTERM, signal.SIGINT)]
        return self

    def __exit__(self, *_details: object) -> None:
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._before:
            signal.signal(number, handler)  # type: ignore[arg-type]  # what `signal.signal` itself returned
        self._reader.close()
        self._writer.close()

    def ring(self) -> None:
        """End the wait, from any thread."""
        with _full_is_enough():
            self._writer.send(b"\0")

    def wait(self) -> None:
        """Return after a signal or a ring, before or since."""
        while not select.select([self._reader], [], [], _SIGNAL_LOOK_S)[0]:
            continue
        with _full_is_enough():
            self._reader.recv(64)


@contextmanager
def _full_is_enough() -> Iterator[None]:
    """A full or empty socket does not matter to the alarm: one byte says as much as many."""
    try:
        yield
    except BlockingIOError:
        return


class _Worker:
    """Runs the tasks, keeps the first failure, stops in time."""

    def __init__(self, context: Context, build: Build, alarm: _Alarm) -> None:
        self._context = context
        self._build = build
        self._alarm = alarm
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._running = 0
        self._failed = False
        self._error_path = context.data / "run" / f"{context.name}.error.json"
        self.hanging: list[str] = []

    def run(self) -> int:
        context = self._context
        context.status.load_error(self._error_path)
        context.log.info("worker_began", version=context.version, thing=context.thing, process=os.getpid())
        self._begin("status", self._report_status, is_task=False)
        self._begin("build", self._build_and_begin)
        self._alarm.wait()
        context.stop.set()
        context.status.changed.set()
        self._join()
        if self._failed:
            self._tell_failure()
        context.bus.close()
        context.log.info("worker_stopped", exit_code=int(self._failed), hanging=self.hanging)
        return int(self._failed)

    def _build_and_begin(self) -> None:
        context = self._context
        tasks = retry(
            "build",
            lambda: self._build(context),
            BUILD_BACKOFF,
            context.clock,
            context.stop,
            context.log,
            on_failure=lambda error: context.status.failed(str(error)),
        )
        for task in tasks or ():
            self._begin(task.name, task.run)

    def _begin(self, name: str, run: Callable[[], object], is_task: bool = True) -> None:
        thread = threading.Thread(target=self._guard, args=(name, run, is_task), name=name, daemon=True)
        with self._lock:
            self._threads.append(thread)
            self._running += is_task
        thread.start()

    def _guard(self, name: str, run: Callable[[], object], is_task: bool) -> None:
        try:
            run()
        except BaseException as error:  # noqa: BLE001 - whatever it is ends the worker; this is where that is told
            self._fail(name, error)
        with self._lock:
            self._running -= is_task
            is_idle = self._running == 0
        if is_idle and not self._context.stop.is_set():
            self._fail(name, Fatal("no task is left to do anything"))

    def _fail(self, name: str, error: BaseException) -> None:
        with self._lock:
            is_first = not self._failed
            self._failed = True
        if is_first:
            self._context.status.failed(f"{name}: {str(error) or type(error).__name__}")
            details = {} if isinstance(error, NvrError) else {"traceback": _traceback(error)}
            self._context.log.error("worker_failed", task=name, kind=type(error).__name__, error=error, **details)
        self._alarm.ring()

    def _join(self) -> None:
        clock = self._context.clock
        end_ns = clock.monotonic_ns() + int(JOIN_S_MAX * NS_PER_S)
        joined = 0
        while joined < len(self._threads):  # `build`, the second, may still have been adding tasks
            self._threads[joined].join(max(0.0, (end_ns - clock.monotonic_ns()) / NS_PER_S))
            joined += 1
        self.hanging = [thread.name for thread in self._threads if thread.is_alive()]

    def _report_status(self) -> None:
        context = self._context
        while not context.stop.is_set():
            context.status.changed.clear()
            self._publish_status()
            context.clock.wait(context.status.changed, STATUS_NS)

    def _publish_status(self) -> None:
        context = self._context
        try:
            context.bus.publish(context.status.report(context.name, context.version))
        except Transient as error:  # the bus tells by itself that it is not connected
            context.log.debug("status_not_reported", error=error)

    def _tell_failure(self) -> None:
        context = self._context
        try:
            self._publish_status()
            context.status.save_error(self._error_path)
        except (Transient, Rejected, Fatal) as error:
            context.log.warning("last_error_not_kept", error=error)


def _traceback(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-TRACEBACK_CHARS_MAX:]

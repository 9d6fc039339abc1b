"""Keeps a component's worker running, so that a crash is never a strike with the core.

A core gives up on a component after three failed runs within an hour. What the core runs is therefore this launcher:
it waits for the stamp of the runtime libraries, starts the worker, starts it again with a growing pause whenever it
ends, and ends itself only when told to. Standard library only, so that it depends on nothing that could be broken.

SIGTERM goes on to the worker, which is killed if it has not gone soon after. The worker dies with the launcher: the
kernel kills it when the launcher's process ends, however that happened.

`<data>/run/<Component>.json` says which processes these are; it is for operators and lost at a power cut.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from components.shared.runtime.line_writer import LineWriter

PAUSE_S_MIN = 0.2  # a recorder should be back at once after a single crash
MEMORY = {"MALLOC_ARENA_MAX": "2"}
"""One heap per thread, as the system's allocator has by default, keeps what each thread once needed: a worker with a
dozen threads that mostly wait takes megabytes less with two.
"""

PAUSE_S_MAX = 5.0  # a worker that cannot start costs about half a CPU second each time
STEADY_S = 60.0  # after so long a life the next crash is a first one again
STOP_S_MAX = 1.7  # all is gone within 2 s: every component's stop time adds to the recorder's gap in a deployment
LOOK_S = 60.0  # a worker's end is signalled; this is only so that no wait is without a limit
STAMP_LOOK_S = 0.5  # while the runtime is installed, which takes up to minutes

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_SIGNALS = (*_STOP_SIGNALS, signal.SIGCHLD)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def pause_s_after(crashes: int) -> float:
    """How long to wait before the worker is started again after that many crashes in a row, 1 or more."""
    return min(PAUSE_S_MIN * 2.0 ** min(crashes - 1, 30), PAUSE_S_MAX)


def signal_within(signals: Sequence[signal.Signals], duration_s: float) -> int | None:
    """Which of these signals came within the time; None when none did.

    A process that stood still until the time was over (a suspended box, a debugger) is given a result that nobody has
    filled in, and not None: CPython's `signal_sigtimedwait_impl` leaves its loop there without a signal.
    """
    came = signal.sigtimedwait(signals, duration_s)
    return came.si_signo if came is not None and came.si_signo in signals else None


def main(argv: Sequence[str], pause_s: Callable[[int], float] = pause_s_after) -> int:
    """Keep the worker running until SIGTERM or SIGINT; 0."""
    parser = argparse.ArgumentParser(prog="launcher", description="Keeps a component's worker running.")
    parser.add_argument("--module", required=True, help="the component's package, for example components.capture")
    parser.add_argument("--data", type=Path, required=True, help="the data root")
    parser.add_argument("--runtime", required=True, help="the hash of the runtime libraries in <data>/runtime")
    parser.add_argument("--version", default="0", help="handed to the worker")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="handed to the worker")
    arguments = parser.parse_args(argv)
    handed = ["--version", arguments.version, *(part for text in arguments.set for part in ("--set", text))]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # for all that it starts: their memory holds secrets
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # they are fetched with sigtimedwait, one at a time
    launcher = Launcher(arguments.module, arguments.data.absolute(), arguments.runtime, handed, LineWriter())
    launcher.run(pause_s)
    return 0


def component_named(module: str) -> str:
    """The component's name by its package: `components.video_processor` is VideoProcessor."""
    return "".join(word.capitalize() for word in module.rpartition(".")[2].split("_"))


class Launcher:
    """One worker at a time and what is known about it."""

    def __init__(
        self, module: str, data: Path, runtime: str, handed: Sequence[str], write: Callable[[str], None]
    ) -> None:
        self._module = module
        self._component = component_named(module)
        self._data = data
        self._runtime = data / "runtime" / runtime
        self._handed = handed
        self._write = write
        self._restarts = 0
        self._process = os.getpid()
        self._prctl = ctypes.CDLL(None).prctl  # found before the fork: little may be done after it

    def run(self, pause_s: Callable[[int], float]) -> None:
        """Wait for the runtime, then keep the worker running; returns when told to stop."""
        if not self._wait_for_stamp():
            return
        crashes = 0
        while True:
            started_s = time.monotonic()
            if self._run_once():
                break
            crashes = 1 if time.monotonic() - started_s >= STEADY_S else crashes + 1
            if self._told_to_stop_within(pause_s(crashes)):
                break
            self._restarts += 1
        with suppress(OSError):  # its reader sees then that the processes are gone
            self._state_path().unlink()

    def _wait_for_stamp(self) -> bool:
        """Whether the runtime is there; False when told to stop before."""
        stamp = self._runtime / ".stamp"
        told = False
        while not stamp.exists():
            if not told:
                self._log("INFO", "runtime_awaited", stamp=str(stamp))
                told = True
            if self._told_to_stop_within(STAMP_LOOK_S):
                return False
        return True

    def _run_once(self) -> bool:
        """Run a worker to its end; whether the launcher was told to stop."""
        try:
            worker = self._start()
        except OSError as error:  # no memory, no processes left, no interpreter: may be there the next time
            self._log("ERROR", "worker_not_started", error=str(error), restarts=self._restarts)
            return False
        self._log("INFO", "worker_started", process=worker.pid, restarts=self._restarts)
        self._write_state(worker.pid)
        stopping = False
        while worker.poll() is None and not stopping:
            stopping = signal_within(_SIGNALS, LOOK_S) in _STOP_SIGNALS
        if stopping and worker.poll() is None:
            worker.terminate()
            self._await_end(worker)
        code = worker.wait()
        how = {"signal": _signal_name(-code)} if code < 0 else {"exit_code": code}
        level = "INFO" if stopping and code == 0 else "WARNING"
        self._log(level, "worker_ended", process=worker.pid, restarts=self._restarts, stopping=stopping, **how)
        self._write_state(None)
        return stopping

    def _start(self) -> subprocess.Popen[bytes]:
        search = [os.environ.get("PYTHONPATH", ""), str(self._runtime / "site-packages")]
        environment = {**os.environ, **MEMORY, "PYTHONPATH": os.pathsep.join(part for part in search if part)}
        command = [sys.executable, "-m", self._module, "--data", str(self._data), *self._handed]
        # preexec_fn is safe here: this process has one thread.
        return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, preexec_fn=self._become_worker)  # noqa: PLW1509

    def _become_worker(self) -> None:
        """In the child, before it becomes the worker: take signals again, die with the launcher."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        self._prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self._process:  # the launcher ended before the line above
            os._exit(1)

    def _await_end(self, worker: subprocess.Popen[bytes]) -> None:
        end_s = time.monotonic() + STOP_S_MAX
        while worker.poll() is None:
            left_s = end_s - time.monotonic()
            if left_s <= 0:
                self._log("WARNING", "worker_killed", process=worker.pid, after_s=STOP_S_MAX)
                worker.kill()
                return
            signal_within((signal.SIGCHLD,), left_s)

    def _told_to_stop_within(self, duration_s: float) -> bool:
        """Wait; whether SIGTERM or SIGINT came."""
        return signal_within(_STOP_SIGNALS, duration_s) is not None

    def _state_path(self) -> Path:
        return self._data / "run" / f"{self._component}.json"

    def _write_state(self, worker: int | None) -> None:
        path = self._state_path()
        state = {
            "launcher_pid": os.getpid(),
            "worker_pid": worker,
            "restarts": self._restarts,
            "since_wall_ns": time.time_ns(),
        }
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.new")
            temporary.write_text(json.dumps(state) + "\n")
            temporary.rename(path)
        except OSError as error:  # a full disk: operators see less, the worker runs on
            self._log("WARNING", "state_not_written", error=str(error))

    def _log(self, level: str, event: str, **fields: object) -> None:
        now = datetime.now(tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        head = {"time": now, "level": level, "component": self._component, "event": event}
        self._write(json.dumps({**head, **fields}, separators=(",", ":")))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

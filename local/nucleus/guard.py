"""A small process that outlives the core by a moment and leaves no component behind.

The core writes `+ID` before it starts a run and `-ID` when all processes of that run are gone. When the pipe
ends, however the core died, whatever is still listed is killed. Run as `python -m local.nucleus.guard` in a
session of its own; it ignores the signals by which a terminal ends a job.
"""

import contextlib
import signal
import subprocess
import sys
from pathlib import Path

from local.nucleus.durable_file import replace_file
from local.nucleus.process_group import kill_all

END_WAIT_S = 0.5  # the core is to be gone soon; the guard has nothing left to do
PROJECT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Follow the list on standard input until it ends, then kill what is left on it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    listed: set[str] = set()
    for line in sys.stdin:
        change, invocation = line[:1], line[1:].strip()
        if change == "+":
            listed.add(invocation)
        else:
            listed.discard(invocation)
    return 1 if listed and kill_all(listed) else 0


class Guard:
    """The core's end of the pipe to the guard process, and the list in a file for after a power cut."""

    def __init__(self, list_path: Path) -> None:
        self._list_path = list_path
        self._listed: set[str] = set()
        self._process: subprocess.Popen[str] | None = None

    def kill_left_over(self) -> int:
        """Kill what an earlier core left behind by its list; return how many resist."""
        try:
            listed = self._list_path.read_text().split()
        except FileNotFoundError:
            return 0
        return kill_all(listed) if listed else 0

    def start(self) -> None:
        """Start the guard process."""
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-m", "local.nucleus.guard"],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )

    def add(self, invocation: str) -> None:
        """Guard a run that is about to start."""
        self._listed.add(invocation)
        self._tell(f"+{invocation}\n")

    def remove(self, invocation: str) -> None:
        """Guard a run no longer: all its processes are gone."""
        self._listed.discard(invocation)
        self._tell(f"-{invocation}\n")

    def close(self) -> None:
        """Let the guard process end."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):  # it ends by itself
                self._process.wait(END_WAIT_S)

    def _tell(self, line: str) -> None:
        content = "".join(f"{one}\n" for one in sorted(self._listed)).encode()
        replace_file(self._list_path, content, durable=False)
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # without the guard the list in the file remains
                self._process.stdin.write(line)
                self._process.stdin.flush()


if __name__ == "__main__":
    sys.exit(main())

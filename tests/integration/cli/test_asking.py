"""Commands that ask at a terminal."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from components.shared.runtime.secrets import Secret, read_secret
from tests.fakes.waiting import eventually
from tests.integration.cli.conftest import Start

pytestmark = pytest.mark.slow

END_S = 30.0
READ_BYTES = 4096


class Terminal:
    """A terminal with a command at it: what it shows, and what is typed."""

    def __init__(self, start: Start, *arguments: object) -> None:
        self._own, other = os.openpty()
        self.process = start(*arguments, stdin=other, stdout=other, stderr=other, start_new_session=True)
        os.close(other)
        os.set_blocking(self._own, False)
        self.shown = ""

    def expect(self, text: str) -> None:
        """Wait until the command has shown a text."""

        def is_shown() -> bool:
            with suppress(OSError):  # nothing now, or nobody at the other end any more
                self.shown += os.read(self._own, READ_BYTES).decode()
            return text in self.shown

        eventually(is_shown, END_S, f"{text!r} in {self.shown!r}")

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self._own, text.encode() + b"\n")

    def end(self) -> int:
        """Wait for the command's end; its exit code."""
        code = self.process.wait(END_S)
        os.close(self._own)
        return code


@pytest.mark.parametrize(
    ("answer", "code", "is_kept"), [("y", 0, False), ("Yes", 0, False), ("n", 1, True), ("", 1, True)]
)
def test_reset_asks(start: Start, tmp_path: Path, answer: str, code: int, is_kept: bool) -> None:
    """Only a yes removes; anything else, and nothing, is a no."""
    footage = tmp_path / "data" / "catalogue" / "capture.db"
    footage.parent.mkdir(parents=True)
    footage.write_text("rows")
    terminal = Terminal(start, "reset", "--data", tmp_path / "data")
    terminal.expect("and all its recordings? [y/N]")
    terminal.type(answer)
    terminal.expect("nothing was removed" if is_kept else "is forgotten")
    assert terminal.end() == code
    assert footage.exists() == is_kept


def test_password_is_asked_for_and_not_shown(start: Start, tmp_path: Path) -> None:
    """User and password are asked for; what is typed as a password never appears."""
    terminal = Terminal(start, "secret", "set", "yard", "--data", tmp_path)
    terminal.expect("user: ")
    terminal.type("viewer")
    terminal.expect("password: ")
    terminal.type("s3cret")
    terminal.expect("secret yard is set")
    assert terminal.end() == 0
    assert "s3cret" not in terminal.shown
    assert read_secret(tmp_path, "yard") == Secret("viewer:s3cret")


def test_bad_name_is_refused_before_asking(start: Start, tmp_path: Path) -> None:
    """Nobody types a password for a name that is none."""
    terminal = Terminal(start, "secret", "set", "Yard!", "--data", tmp_path)
    terminal.expect("is not a name of a secret")
    assert terminal.end() == 2
    assert "user:" not in terminal.shown

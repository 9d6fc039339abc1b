"""Commands whose output is a pipe, whose input is one, or who are interrupted."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from components.shared.runtime.secrets import Secret, read_secret
from tests.fakes.waiting import eventually
from tests.integration.cli.conftest import Start

pytestmark = pytest.mark.slow

END_S = 30.0


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log with a thousand lines."""
    log = tmp_path / "logs" / "com.edgenvr.Capture.log"
    log.parent.mkdir()
    log.write_text("".join(f"line {number}\n" for number in range(1000)))
    return log


def test_following_goes_on_until_interrupted(start: Start, tmp_path: Path, log: Path) -> None:
    """New lines, and the logs of components that come later, are told as they come; Ctrl-C ends it quietly."""
    output, errors = tmp_path / "out", tmp_path / "errors"
    with output.open("wb") as out, errors.open("wb") as error:
        process = start("logs", "-f", "-n", "1", "--data", tmp_path, stdout=out, stderr=error)
    eventually(lambda: "line 999" in output.read_text(), END_S)
    with log.open("a") as more:
        more.write("a new line\n")
    (log.parent / "core.log").write_text("the core came later\n")
    eventually(lambda: "a new line" in output.read_text() and "came later" in output.read_text(), END_S)
    process.send_signal(signal.SIGINT)
    assert process.wait(END_S) == 130
    assert errors.read_text() == ""
    assert output.read_text().count("a new line") == 1


def test_reader_that_goes_away_is_no_failure(start: Start, tmp_path: Path, log: Path) -> None:
    """`./nvr logs | head` ends without a word of complaint."""
    process = start("logs", "-n", "1000", "--data", tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == b"Capture         line 0\n"
    log.write_text("")
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(END_S) == 0


@pytest.mark.parametrize(
    ("given", "kept"),
    [("viewer:s3cret\n", "viewer:s3cret"), ("viewer:a:b c", "viewer:a:b c"), ("viewer:ü\r\n", "viewer:ü")],
)
def test_secret_from_standard_input(start: Start, tmp_path: Path, given: str, kept: str) -> None:
    """`user:password` from a pipe is kept, readable by the owner only, and never shown."""
    process = start(
        "secret", "set", "yard", "--stdin", "--data", tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    out, _ = process.communicate(given.encode(), END_S)
    assert process.returncode == 0
    assert read_secret(tmp_path, "yard") == Secret(kept)
    assert (tmp_path / "secrets" / "yard").stat().st_mode & 0o777 == 0o600
    assert kept.partition(":")[2].encode() not in out


@pytest.mark.parametrize("given", ["", "\n", "viewer", "viewer:", ":s3cret"])
def test_half_a_secret_is_refused(start: Start, tmp_path: Path, given: str) -> None:
    """Nothing, no password, or no user is refused, without repeating what was given; nothing is kept."""
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = start("secret", "set", "yard", "--stdin", "--data", tmp_path, **streams)
    out, error = process.communicate(given.encode(), END_S)
    assert process.returncode == 2
    assert b"secret yard" in error
    assert b"s3cret" not in out + error
    assert not (tmp_path / "secrets").exists()

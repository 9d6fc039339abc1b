"""What the state on disk promises about rows and bodies."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from local.aws.state import State, StateError


def write(state: State, content: bytes = b"x") -> str:
    name = state.new_body()
    state.body_path(name).write_bytes(content)
    return name


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "bodies").rglob("*") if path.is_file())


def test_a_body_that_nobody_claimed_goes_at_the_next_start(tmp_path: Path) -> None:
    """After a kill before the row was made, the body is removed; a claimed one stays."""
    state = State(tmp_path)
    kept, lost = write(state), write(state)
    state.claim([kept])
    del state, lost
    State(tmp_path)
    assert files(tmp_path) == [kept]


def test_a_body_whose_row_is_gone_goes_at_the_next_start(tmp_path: Path) -> None:
    """After a kill between a deletion and the removal of its file, the file is removed."""
    state = State(tmp_path)
    name = write(state)
    state.claim([name])
    state.release([name])
    State(tmp_path)
    assert files(tmp_path) == []


def test_a_claimed_body_is_not_swept(tmp_path: Path) -> None:
    """Sweeping takes only what nobody claims."""
    state = State(tmp_path)
    kept, lost = write(state), write(state)
    state.claim([kept])
    state.sweep([kept, lost])
    assert files(tmp_path) == [kept]


def test_a_second_name_outlives_the_first(tmp_path: Path) -> None:
    """A copy shares bytes, not fate."""
    state = State(tmp_path)
    first = write(state, b"frames")
    second = state.same_body(first)
    state.claim([second])
    state.sweep([first])
    assert state.body_path(second).read_bytes() == b"frames"


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    """What fails leaves nothing, nested parts included."""
    state = State(tmp_path)
    with pytest.raises(RuntimeError), state.change():
        state.write("INSERT INTO event (body) VALUES ('x')")
        state.next_number("n")
        raise RuntimeError
    assert state.read("SELECT * FROM event") == []
    assert [state.next_number("n"), state.next_number("n")] == [1, 2]


def test_numbers_go_on_after_a_start(tmp_path: Path) -> None:
    """A number is never given twice."""
    assert State(tmp_path).next_number("n") == 1
    assert State(tmp_path).next_number("n") == 2


def test_a_state_of_another_version_is_refused(tmp_path: Path) -> None:
    """A newer program's state is not touched."""
    State(tmp_path).close()
    with sqlite3.connect(tmp_path / "state.db") as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(StateError, match="version 99"):
        State(tmp_path)


def test_nobody_else_may_look(tmp_path: Path) -> None:
    """The folder, which holds secrets, is its owner's alone."""
    State(tmp_path / "data")
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0


def test_a_state_without_subscriptions_gets_their_table(tmp_path: Path) -> None:
    """A state of the version before is taken up as it is."""
    State(tmp_path).close()
    with sqlite3.connect(tmp_path / "state.db") as db:
        db.execute("DROP TABLE subscription")
        db.execute("PRAGMA user_version = 1")
    db.close()
    state = State(tmp_path)
    state.write("INSERT INTO subscription VALUES ('arn', '{}')")
    assert state.read("SELECT facts FROM subscription") == [("{}",)]
    assert state.read("PRAGMA user_version") == [(2,)]

"""Who gets a second look after a run of all tests, and what it changes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cli.pytest_notes import STEPS, Note
from cli.second_look import RED_MAX, Ended, Judged, judge

GREEN, RED, INTERRUPTED, INTERNAL, NOTHING_RAN = 0, 1, 2, 3, 5


def notes_of(test: str, failed_step: str = "", outcome: str = "failed") -> list[Note]:
    """What pytest tells of a test that ended like this at that step."""
    return [Note(test, step, outcome if step == failed_step else "passed") for step in STEPS]


def together(*red: str, code: int = RED, group: str = "together") -> Ended:
    """A group in which these tests failed and another passed."""
    notes = [note for test in red for note in notes_of(test, "call")]
    return Ended(group, code, [*notes_of("tests/a.py::fine"), *notes])


class Machine:
    """A quiet machine. Tests that are named fail alone, too; all others pass."""

    def __init__(self, *red: str) -> None:
        self.red = red
        self.ran: list[str] = []

    def run_alone(self, test: str) -> Ended:
        self.ran.append(test)
        is_red = test in self.red
        return Ended(test, RED if is_red else GREEN, notes_of(test, "call" if is_red else ""))


def test_nothing_runs_again_after_a_green_run() -> None:
    """All green is green."""
    machine = Machine()
    assert judge([together(code=GREEN), together(code=GREEN)], machine.run_alone) == Judged(())
    assert machine.ran == []


def test_red_beside_others_and_green_alone_is_green_and_named() -> None:
    """Tests that fail beside others run once more, one at a time; those that pass then are named and forgiven."""
    machine = Machine()
    judged = judge([together("tests/a.py::one"), together("tests/b.py::two[x::y]", group="faults")], machine.run_alone)
    assert judged == Judged((), ("tests/a.py::one", "tests/b.py::two[x::y]"))
    assert machine.ran == ["tests/a.py::one", "tests/b.py::two[x::y]"]


def test_red_twice_is_red() -> None:
    """A test that fails alone makes the run red; what passed alone is named all the same."""
    judged = judge([together("tests/a.py::one", "tests/a.py::two")], Machine("tests/a.py::two").run_alone)
    assert judged == Judged(("tests/a.py::two (twice)",), ("tests/a.py::one",))


@pytest.mark.parametrize(("count", "again"), [(RED_MAX, RED_MAX), (RED_MAX + 1, 0)])
def test_too_many_are_red_at_once(count: int, again: int) -> None:
    """Five red tests of all groups together get a second look, six do not."""
    machine = Machine()
    names = [f"tests/a.py::number_{number}" for number in range(count)]
    judged = judge([together(*names[:2]), together(*names[2:], group="faults")], machine.run_alone)
    assert len(machine.ran) == again
    assert bool(judged.reasons) == (again == 0)


@pytest.mark.parametrize("step", STEPS)
def test_what_goes_before_and_after_a_test_counts_the_same(step: str) -> None:
    """A test whose fixtures fail, before it or after it, is a test that fails; it is one, however many steps failed."""
    notes = [*notes_of("tests/a.py::one", step), Note("tests/a.py::one", "teardown", "failed")]
    assert judge([Ended("together", RED, notes)], Machine().run_alone).forgiven == ("tests/a.py::one",)


@pytest.mark.parametrize(
    ("test", "step"), [("tests/a.py", "collect"), ("tests/a.py::one", "???")], ids=["collection", "crash"]
)
def test_what_could_not_be_collected_and_what_crashed_is_never_forgiven(test: str, step: str) -> None:
    """A file that cannot be collected, and a worker that died at a test, make the run red; nothing runs again."""
    machine = Machine()
    ended = Ended("together", RED, [*notes_of("tests/b.py::two", "call"), Note(test, step, "failed")])
    judged = judge([ended], machine.run_alone)
    assert [test in reason for reason in judged.reasons] == [True]
    assert machine.ran == []


@pytest.mark.parametrize("code", [INTERRUPTED, INTERNAL, NOTHING_RAN, -9])
def test_a_pytest_that_did_not_end_well_is_never_forgiven(code: int) -> None:
    """Whatever pytest exits with but "all passed" and "tests failed" is red, with failed tests or without."""
    machine = Machine()
    for red in ((), ("tests/a.py::one",)):
        assert judge([together(*red, code=code)], machine.run_alone).reasons == (f"together: pytest ended with {code}",)
    assert machine.ran == []


def test_red_without_a_name_is_red() -> None:
    """A pytest that is red and names nobody has nothing that could run again."""
    assert judge([together(code=RED)], Machine().run_alone).reasons


@pytest.mark.parametrize(
    "alone",
    [
        Ended("alone", GREEN, []),
        Ended("alone", NOTHING_RAN, []),
        Ended("alone", GREEN, notes_of("tests/a.py::other")),
        Ended("alone", GREEN, [Note("tests/a.py::one", "setup", "passed"), Note("tests/a.py::one", "call", "skipped")]),
        Ended("alone", GREEN, notes_of("tests/a.py::one", "call", "skipped")),
        Ended("alone", GREEN, notes_of("tests/a.py::one")[:2]),
        Ended("alone", RED, notes_of("tests/a.py::one")),
        Ended("alone", RED, notes_of("tests/a.py::one", "setup")),
        Ended("alone", RED, notes_of("tests/a.py::one", "teardown")),
        Ended("alone", -11, notes_of("tests/a.py::one")),
    ],
)
def test_only_a_test_that_ran_whole_and_passed_is_green_alone(alone: Ended) -> None:
    """Alone it must run, from its setup to its teardown: not be skipped, not be missing, not die at the end."""
    judged = judge([together("tests/a.py::one")], lambda _test: alone)
    assert judged == Judged(("tests/a.py::one (twice)",))


def test_first_and_second_look_are_apart() -> None:
    """Each suspect runs once, in the order in which it was red, and after it nobody is asked again."""
    ran: list[Sequence[str]] = []

    def run_alone(test: str) -> Ended:
        ran.append(test)
        return Ended("alone", GREEN, notes_of(test))

    judge([together("tests/b.py::two", "tests/a.py::one", "tests/b.py::two")], run_alone)
    assert ran == ["tests/b.py::two", "tests/a.py::one"]

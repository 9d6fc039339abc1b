"""Decides what becomes of a run in which a few tests were red: they run again, each alone.

The tests have real cameras, real sockets and real time, and a machine of two cores runs several of them at once beside
whatever else it does. A test that is red in such company and green alone has met the company, not a fault of the
product; it is named, so that somebody makes it sturdier, and does not make the whole run red. A fault of the product is
red alone, too.

What is never forgiven: more than RED_MAX tests, a test that is red or skipped the second time, a file that cannot be
collected, a worker or a pytest that died. It knows nothing of how tests are run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cli.pytest_notes import STEPS, Note

RED_MAX = 5
"""Tests that are red at first and may run again. More than that are no accident."""

PYTEST_GREEN, PYTEST_RED = 0, 1
"""What pytest exits with when all was well, and when tests failed; everything else is a trouble of its own."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a group of tests ended: what pytest exited with, and its notes."""

    group: str
    code: int
    notes: Sequence[Note]


@dataclass(frozen=True, slots=True)
class FirstLook:
    """What came of the groups: tests that get a second look, and the reasons why the run is red without one."""

    suspects: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of everything: why it is red (nothing: it is green), and who was red beside others and green alone."""

    reasons: tuple[str, ...]
    forgiven: tuple[str, ...] = ()


def judge(groups: Sequence[Ended], run_alone: Callable[[str], Ended]) -> Judged:
    """The verdict about all groups; `run_alone` runs one test by itself, after all others."""
    first = look(groups)
    if first.reasons:
        return Judged(first.reasons)
    red = tuple(test for test in first.suspects if not has_passed(test, run_alone(test)))
    forgiven = tuple(test for test in first.suspects if test not in red)
    return Judged(tuple(f"{test} (twice)" for test in red), forgiven)


def look(groups: Sequence[Ended]) -> FirstLook:
    """Who is to run again, and why that would not help."""
    reasons: list[str] = []
    suspects: list[str] = []
    for ended in groups:
        failed = [note for note in ended.notes if note.outcome == "failed"]
        broken = {note.test for note in failed if note.step not in STEPS}
        if ended.code not in (PYTEST_GREEN, PYTEST_RED):
            reasons.append(f"{ended.group}: pytest ended with {ended.code}")
        elif ended.code == PYTEST_RED and not failed:
            reasons.append(f"{ended.group}: pytest is red and names no test")
        reasons += [f"{ended.group}: {test} could not be collected, or its worker crashed" for test in sorted(broken)]
        suspects += dict.fromkeys(note.test for note in failed if note.step in STEPS)
    if len(suspects) > RED_MAX:
        reasons.append(f"{len(suspects)} tests, and no more than {RED_MAX} get a second look")
    return FirstLook(tuple(suspects), tuple(reasons))


def has_passed(test: str, ended: Ended) -> bool:
    """Whether the test ran alone, to its end, and all of it passed."""
    steps = {note.step: note.outcome for note in ended.notes if note.test == test}
    return (
        ended.code == PYTEST_GREEN
        and set(steps.values()) == {"passed"}
        and set(steps) == set(STEPS)
        and not any(note.outcome == "failed" for note in ended.notes)
    )

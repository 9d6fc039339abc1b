"""The ways to keep a secret at rest that the suite is run on, and for those that encrypt another machine's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.shared.runtime.seal import PLAIN, Seal
from components.shared.runtime.systemd_creds import SystemdSeal, scope_of
from tests.fakes.systemd_creds import Machine, install

USER = 990
"""A component's user, who is not root."""


@dataclass(frozen=True)
class Subject:
    """A seal under test; `elsewhere` is the same on another machine, None where every machine reads it."""

    seal: Seal
    elsewhere: Seal | None = None


def _plain(_folder: Path) -> Subject:
    return Subject(PLAIN)


def _stand_in(machine: Machine, key: str) -> Callable[[Path], Subject]:
    def make(folder: Path) -> Subject:
        scope = scope_of(machine.user, machine.user)
        here, there = (install(folder / name, machine) for name in ("here", "there"))
        return Subject(SystemdSeal(scope, key, str(here)), SystemdSeal(scope, key, str(there)))

    return make


def _real(_folder: Path) -> Subject:
    return Subject(SystemdSeal(scope_of(0, 0), "host"))


SUBJECTS = {
    "plain": _plain,
    "systemd-creds-of-root": _stand_in(Machine(), "host"),
    "systemd-creds-of-a-user": _stand_in(Machine(user=USER), "host"),
    "systemd-creds-tpm2": _stand_in(Machine(user=USER, has_tpm2=True), "host+tpm2"),
    "systemd-creds-real": _real,
}
MARKS = {"systemd-creds-real": [pytest.mark.root, pytest.mark.debian]}


@pytest.fixture(params=[pytest.param(name, marks=MARKS.get(name, ())) for name in SUBJECTS])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    return SUBJECTS[request.param](tmp_path)

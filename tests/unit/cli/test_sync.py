"""What is in force of the caps, and changes of them, which are proposals like any other."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cli.sync import SyncStatus, read_status, status_lines
from components.shared.catalogue.sync import SyncWriter
from components.shared.runtime.config import write_document
from components.shared.wire.site_config import parse_site
from components.shared.wire.units import NS_PER_S, WallNs
from tests.fakes.clock import FakeClock
from tests.unit.cli.conftest import Nvr
from tests.unit.cli.test_config import proposals

SITE: dict[str, Any] = {"schema": 3, "time_zone": "Europe/Berlin"}
FRIDAY_NS = WallNs(int(datetime(2026, 11, 27, 12, tzinfo=UTC).timestamp()) * NS_PER_S)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data root whose site does not run."""
    data = tmp_path / "data"
    in_force(data, {})
    (data / "config" / "proposals").mkdir()
    (data / "catalogue").mkdir()
    return data


def in_force(data: Path, sync: dict[str, Any]) -> None:
    write_document(data, "site", {**SITE, "sync": sync}, 1, FakeClock())


@pytest.mark.parametrize(
    ("words", "change"),
    [
        (("pause",), {"paused": True}),
        (("resume",), {"paused": None}),
        (("cap", "2000"), {"cap_kbit_s": 2000}),
        (("cap", "none"), {"cap_kbit_s": None}),
    ],
)
def test_changes_are_proposed(nvr: Nvr, data: Path, words: tuple[str, ...], change: dict[str, Any]) -> None:
    """Each is a change of one member of the site's document; `resume` takes back what `pause` did."""
    assert nvr("sync", *words, "--data", data).code == 0
    (proposal,) = proposals(data)
    assert (proposal["document"], proposal["changes"]) == ("site", {"sync": change})
    parse_site({**SITE, "sync": {name: value for name, value in change.items() if value is not None}})


@pytest.mark.parametrize("cap", ["fast", "-1", "1.5", "²"])
def test_what_is_no_cap_is_refused(nvr: Nvr, data: Path, cap: str) -> None:
    """Before it is proposed."""
    assert nvr("sync", "cap", "--data", data, "--", cap).code == 2
    assert list(proposals(data)) == []


def test_status_without_a_queue(data: Path) -> None:
    """Before CloudSync has run nothing waits."""
    assert read_status(data, FRIDAY_NS) == SyncStatus(None, "none", None, 0, 0, 0, 0, None)


@pytest.mark.parametrize(
    ("sync", "told"),
    [
        ({}, "no cap"),
        ({"cap_kbit_s": 2000}, "at most 2000 kbit/s, by the site's cap"),
        ({"paused": True, "cap_kbit_s": 2000}, "paused: nothing is uploaded until `./nvr sync resume`"),
        # It is 13:00 in Berlin.
        (
            {"cap_kbit_s": 2000, "schedule": {"fri": "08:00-18:00 256"}},
            "at most 256 kbit/s, by the site's schedule, until 2026-11-27T17:00:00.000Z",
        ),
        ({"schedule": {"fri": "08:00-18:00 0"}}, "held back by the schedule, until 2026-11-27T17:00:00.000Z"),
        ({"schedule": {"sat": "00:00-08:00 0"}}, "no cap, until 2026-11-27T23:00:00.000Z"),
    ],
)
def test_status_says_what_is_in_force(data: Path, sync: dict[str, Any], told: str) -> None:
    """By the site's clocks, with the moment at which the schedule changes it."""
    in_force(data, sync)
    assert status_lines(read_status(data, FRIDAY_NS))[0] == told


def test_status_counts_the_queue(nvr: Nvr, data: Path) -> None:
    """What waits and what is done, in figures."""
    with closing(SyncWriter.open(data)):
        pass
    outcome = nvr("sync", "status", "--json", "--data", data)
    assert outcome.code == 0
    assert '"waiting": 0' in outcome.out

"""`./nvr cloud cost`: options in, an estimate out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Nvr


def test_the_estimate_as_json(nvr: Nvr) -> None:
    """The answer names region, totals, services, what dominates, what to change, and the plan's figures."""
    done = nvr("cloud", "cost", "--sites", "20", "--policy", "all", "--json")
    made = json.loads(done.out)
    assert done.code == 0
    assert made["asked"]["sites"] == 20
    assert made["total_usd"] == pytest.approx(sum(made["services"].values()), abs=0.01)
    assert made["per_site_usd"] == pytest.approx(made["total_usd"] / 20, abs=0.001)
    assert made["dominant"] == "S3, footage in STANDARD"
    assert made["plan"] == {"low_usd": 200, "high_usd": 600, "verdict": "above"}
    assert made["changes"][0]["what"] == "upload events only (--policy events)"


def test_the_estimate_for_people(nvr: Nvr) -> None:
    """It says whether it lies within the plan, and how far its prices can be trusted."""
    done = nvr("cloud", "cost")
    assert "within the plan's 100 to 300 USD" in done.out
    assert "what dominates" in done.out
    assert "were not compared with AWS's list" in done.out


def test_a_storage_class_is_asked_for(nvr: Nvr) -> None:
    """Footage that goes to GLACIER_IR at once costs less than in STANDARD."""
    plain = json.loads(nvr("cloud", "cost", "--days", "90", "--json").out)
    instant = json.loads(nvr("cloud", "cost", "--days", "90", "--class", "GLACIER_IR:0", "--json").out)
    assert instant["total_usd"] < plain["total_usd"]


@pytest.mark.parametrize(
    "options",
    [
        ("--sites", "0"),
        ("--days", "0"),
        ("--mbps", "0"),
        ("--event-percent", "101"),
        ("--secrets", "-1"),
        ("--class", "DEEP_ARCHIVE:1"),
        ("--class", "GLACIER_IR"),
        ("--class", "STANDARD:0"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(nvr: Nvr, options: tuple[str, str]) -> None:
    """The option and its limits are named, and the code is 2."""
    done = nvr("cloud", "cost", *options)
    assert done.code == 2
    assert options[0] in done.error


def test_another_table_of_prices(nvr: Nvr, tmp_path: Path) -> None:
    """A table that lacks a price is refused with the price's name."""
    path = tmp_path / "prices.json"
    path.write_text('{"region": "x", "currency": "USD", "note": "", "prices": {}}')
    done = nvr("cloud", "cost", "--prices", path)
    assert done.code == 2
    assert "has no price" in done.error

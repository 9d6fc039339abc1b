"""The table of prices: what an amount costs, and what table is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cloud.cost_prices import Price, age_of, read_prices
from components.shared.errors import Rejected


def price(**given: Any) -> Price:
    whole = {"what": "x", "unit": "request", "per": 1, "usd": 1.0, "free": 0, "compared": True}
    return Price.model_validate({**whole, "source": "https://aws.amazon.com/s3/pricing/", "date": "2025-10", **given})


def test_a_price_is_for_so_many_units() -> None:
    """0.005 USD per 1 000 requests: 365 000 are 1.825 USD."""
    assert price(usd=0.005, per=1000).cost_usd(365_000) == pytest.approx(1.825)


def test_what_is_free_is_not_paid() -> None:
    """Only what is above the free amount costs."""
    three_free = price(usd=3.0, free=3)
    assert [three_free.cost_usd(amount) for amount in (0, 2, 3, 4)] == [0, 0, 0, 3]


def test_a_price_in_steps() -> None:
    """Each step's units cost that step's price, at its border too."""
    steps = price(usd=[[10, 1.0], [20, 0.5], [None, 0.1]])
    assert [steps.cost_usd(amount) for amount in (0, 5, 10, 20, 30)] == pytest.approx([0, 5, 10, 15, 16])


def table(tmp_path: Path, **changes: Any) -> Path:
    entry = {"what": "x", "unit": "u", "per": 1, "usd": 1, "free": 0, "date": "2025-10-28", "compared": False}
    entry |= {"source": "https://aws.amazon.com/s3/pricing/", **changes}
    path = tmp_path / "prices.json"
    whole = {"region": "r", "currency": "USD", "note": "", "prices": {"a": entry}}
    path.write_text(json.dumps(whole))
    return path


def test_a_good_table_is_read(tmp_path: Path) -> None:
    """A table with a source and a date for each price is one."""
    assert read_prices(table(tmp_path))["a"].cost_usd(2) == 2


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"source": "http://example.com/"}, "source"),
        ({"date": "2025-13-01"}, "date"),
        ({"date": ""}, "date"),
        ({"usd": -1}, "usd"),
        ({"per": 0}, "per"),
        ({"usd": [[10, 1.0], [5, 0.5], [None, 0.1]]}, "steps"),
        ({"usd": [[10, 1.0]]}, "steps"),
        ({"euro": 1}, "euro"),
    ],
)
def test_a_bad_table_is_refused_with_its_fault(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    """A price without source or date, a negative one, or steps that do not rise are told."""
    with pytest.raises(Rejected, match=told):
        read_prices(table(tmp_path, **changes))


def test_a_price_that_is_missing_is_named(tmp_path: Path) -> None:
    """Who gives another region's table learns what it lacks."""
    with pytest.raises(Rejected, match="no price b"):
        read_prices(table(tmp_path))["b"]


def test_every_price_of_ours_says_where_it_is_from() -> None:
    """The table in the project is one, of one region, and says how much of it was compared with AWS's list."""
    made = read_prices()
    age = age_of(made)
    assert age.prices == len(made.prices) > 40
    assert 0 < age.not_compared < age.prices
    assert age.oldest >= "2025"

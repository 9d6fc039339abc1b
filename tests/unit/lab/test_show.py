"""A show's verdict follows from its figures and limits alone."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.show import Limit, Show, Shown, machine, perform


def show(shown: Shown) -> Show:
    """A show that measures this."""

    def run(quick: bool, work: Path, say: Callable[[str], None]) -> Shown:
        say(f"{'quick' if quick else 'whole'} in {work.name}")
        return shown

    return Show("gaps", "how long", 200, 50, run)


@pytest.mark.parametrize(
    ("limit", "figure", "is_kept"),
    [
        (("max", 5.0), 4.9, True),
        (("max", 5.0), 5.0, True),
        (("max", 5.0), 5.1, False),
        (("min", 5.0), 5.1, True),
        (("min", 5.0), 5.0, True),
        (("min", 5.0), 4.9, False),
        (("max", 0.0), 0.0, True),
        (("max", 5.0), math.nan, False),
        (("min", 5.0), math.nan, False),
        (("min", 5.0), math.inf, False),
    ],
)
def test_limit_below_at_and_above(limit: Limit, figure: float, is_kept: bool) -> None:
    """A figure at its limit keeps it; one that is no number keeps none."""
    assert (Shown({"lost": figure}, {"lost": limit}).broken() == []) == is_kept


def test_figure_that_is_missing_breaks_its_limit(tmp_path: Path) -> None:
    """What was not measured is not well."""
    shown = Shown({"other": 1.0}, {"lost": ("max", 0.0)})
    assert shown.broken() == ["lost was not measured"]
    assert perform(show(shown), True, tmp_path, print)["pass"] is False


def test_broken_limits_are_told_by_name(tmp_path: Path) -> None:
    """Each broken limit is told with both numbers; one that is kept is not."""
    said: list[str] = []
    shown = Shown(
        {"lost": 3.0, "share": 0.25, "kept": 1.0}, {"lost": ("max", 0), "share": ("min", 0.5), "kept": ("max", 1)}
    )
    perform(show(shown), False, tmp_path, said.append)
    assert said == [
        f"whole in {tmp_path.name}",
        "limit broken: lost is 3, the limit is max 0",
        "limit broken: share is 0.25, the limit is min 0.5",
    ]


def test_document(tmp_path: Path) -> None:
    """What is told holds name, machine, time, figures, limits and verdict, and is JSON."""
    shown = Shown({"lost": 0.0, "mean": math.nan}, {"lost": ("max", 0.0)})
    told = perform(show(shown), True, tmp_path, lambda _text: None)
    assert json.loads(json.dumps(told, allow_nan=False)) == {
        "name": "gaps",
        "machine": machine(),
        "seconds": told["seconds"],
        "figures": {"lost": 0.0},
        "limits": {"lost": {"max": 0.0}},
        "pass": True,
    }
    assert 0 <= told["seconds"] < 60


def test_machine_is_one_line() -> None:
    """Figures are never read without the machine they are from: its processors and memory."""
    assert "GB" in machine()
    assert "\n" not in machine()

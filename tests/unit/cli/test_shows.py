"""`bench` and `lab` tell beforehand how long a show takes, then its figures with their limits."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cli.shows import add_show_arguments, run_show
from components.shared.errors import Rejected, Transient
from lab.running_site import SiteFailedError
from lab.show import Limit, Show, Shown
from tests.unit.cli.conftest import Nvr


def shows(figures: dict[str, float], limits: dict[str, Limit]) -> dict[str, Show]:
    """One show that measures this and leaves a file where it worked."""

    def run(quick: bool, work: Path, say: Callable[[str], None]) -> Shown:
        (work / "trace").write_text("quick" if quick else "whole")
        say("measuring")
        return Shown(figures, limits)

    return {"gaps": Show("gaps", "how long a gap is", 200, 50, run)}


def run(known: dict[str, Show], *options: str) -> int:
    """Run the show with these options."""
    parser = argparse.ArgumentParser()
    add_show_arguments(parser, known)
    return run_show(parser.parse_args(["gaps", *options]), known)


def test_figures_with_their_limits(capsys: pytest.CaptureFixture[str]) -> None:
    """Every figure is a line, with its limit when it has one; the verdict is the last line and the exit code."""
    assert run(shows({"lost": 0.0, "mean": 2.5}, {"lost": ("max", 0.0)})) == 0
    said = capsys.readouterr()
    assert said.err.splitlines() == ["gaps: how long a gap is; takes about 200 s", "  measuring"]
    assert said.out.splitlines()[:2] == ["lost 0  (max 0)", "mean 2.5"]
    assert said.out.splitlines()[-1].endswith("all limits kept")


def test_broken_limit_is_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    """A broken limit is told by name and ends with 1, as JSON too."""
    known = shows({"lost": 1.0}, {"lost": ("max", 0.0)})
    assert run(known) == 1
    said = capsys.readouterr()
    assert "limit broken: lost is 1, the limit is max 0" in said.err
    assert "A LIMIT IS BROKEN" in said.out
    assert run(known, "--json") == 1
    assert json.loads(capsys.readouterr().out)["pass"] is False


def test_quick_form_says_its_own_time(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """With --quick the shorter time is told; with --keep the work is left where one asked for it."""
    assert run(shows({}, {}), "--quick", "--keep", str(tmp_path / "work")) == 0
    assert "takes about 50 s" in capsys.readouterr().err
    assert (tmp_path / "work" / "trace").read_text() == "quick"


def test_days(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A show that simulates days takes their number; without any it is what it is."""
    asked: list[int] = []

    def for_days(days: int) -> Show:
        asked.append(days)
        return replace(show, takes_s=200 * days)

    show = replace(shows({}, {})["gaps"], for_days=for_days)
    assert run({"gaps": show}, "--days", "3") == 0
    assert asked == [3] and "takes about 600 s" in capsys.readouterr().err
    assert run({"gaps": show}) == 0 and asked == [3]


def test_days_that_cannot_be() -> None:
    """No days at all, and days of a show that simulates none, are refused by name."""
    plain = shows({}, {})["gaps"]
    dated = replace(plain, for_days=lambda _days: plain)
    with pytest.raises(Rejected, match="--days 0: at least 1"):
        run({"gaps": dated}, "--days", "0")
    with pytest.raises(Rejected, match="gaps simulates no days"):
        run({"gaps": plain, "other": dated}, "--days", "2")


def test_site_that_fails_is_told_in_a_line() -> None:
    """A site that could not be measured is no broken limit: it is told with the show's name."""

    def fail(quick: bool, work: Path, say: Callable[[str], None]) -> Shown:
        raise SiteFailedError("the site ended")

    with pytest.raises(Transient, match="gaps: the site ended"):
        run({"gaps": Show("gaps", "how long a gap is", 200, 50, fail)})


@pytest.mark.parametrize("command", ["bench", "lab"])
def test_shows_are_listed_with_their_times(nvr: Nvr, command: str) -> None:
    """The help lists every show with its purpose and how long it takes; a name that is none is answered with them."""
    told = nvr(command, "--help")
    assert "names:" in told.out
    assert all(line.endswith(" s)") for line in told.out.partition("names:\n")[2].splitlines())
    told = nvr(command, "nothing")
    assert told.code == 2
    assert "invalid choice: 'nothing'" in told.error


@pytest.mark.parametrize("command", ["bench", "lab"])
def test_quick_forms_take_a_few_minutes_at_most(command: str) -> None:
    """Every show has a form that a test can afford."""
    import importlib

    known = importlib.import_module(f"cli.{command}").SHOWS
    assert known
    assert all(show.quick_takes_s <= 150 for show in known.values())

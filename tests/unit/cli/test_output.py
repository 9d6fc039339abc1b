"""Sizes, times and tables for people; JSON for programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.output import format_size, format_time, parse_time, plain, print_json, print_table, require_data
from components.shared.errors import Rejected


@dataclass(frozen=True)
class Inner:
    """A part of an answer."""

    name: str


@dataclass(frozen=True)
class Outer:
    """An answer."""

    inner: Inner
    more: tuple[Inner, ...]


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1500, "1.5 kB"),
        (999_949, "999.9 kB"),
        (999_960, "1.0 MB"),
        (12_300_000, "12.3 MB"),
        (2_000_000_000, "2.0 GB"),
        (999_960_000_000, "1.0 TB"),
        (5_400_000_000_000_000, "5400.0 TB"),
    ],
)
def test_sizes(size_bytes: int, text: str) -> None:
    """A size has three digits before its point at most, and the unit that fits it as it is shown."""
    assert format_size(size_bytes) == text


@pytest.mark.parametrize(
    "text",
    ["2026-11-21T10:00:00Z", "2026-11-21T10:00", "2026-11-21 10:00", "2026-11-21T11:00+01:00", "20261121T100000Z"],
)
def test_times_are_iso_and_utc(text: str) -> None:
    """A time without a zone is UTC; another zone is converted."""
    assert format_time(parse_time(text)) == "2026-11-21T10:00:00.000Z"


def test_date_is_its_midnight() -> None:
    """A date alone is its beginning."""
    assert format_time(parse_time("2026-11-21")) == "2026-11-21T00:00:00.000Z"


@pytest.mark.parametrize("text", ["", "now", "10:00", "2026-13-01", "1763719200"])
def test_text_that_is_no_time(text: str) -> None:
    """What cannot be a time is refused with an example of one."""
    with pytest.raises(Rejected, match="2026-11-21T10:00:00Z"):
        parse_time(text)


def test_no_time_is_a_dash() -> None:
    """What has no end yet shows a dash."""
    assert format_time(None) == "-"


def test_answers_become_plain_values() -> None:
    """Dataclasses become objects wherever they are: in lists, in objects, in each other."""
    outer = Outer(Inner("a"), (Inner("b"),))
    told = {"inner": {"name": "a"}, "more": ({"name": "b"},)}
    assert plain(outer) == told
    assert plain([outer]) == [told]
    assert plain({"x": {"y": (outer,)}}) == {"x": {"y": [told]}}
    assert plain(Inner) is Inner


def test_json_keeps_every_letter(capsys: pytest.CaptureFixture[str]) -> None:
    """Names of cameras are in all languages."""
    print_json(Inner("Hof süd 庭"))
    assert capsys.readouterr().out == '{\n "name": "Hof süd 庭"\n}\n'


def test_table_shows_every_letter_of_a_cell(capsys: pytest.CaptureFixture[str]) -> None:
    """Brackets and colons are what they are: a cause may say anything."""
    cells = ["[h264 @ 0x55] no frame!", "[/red] [bold]x[/bold]", ":warning: a\\[b]", "x" * 200]
    print_table(("what",), [(cell,) for cell in cells], "nothing")
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == ["what", *cells]


def test_table_of_a_pipe_has_a_line_per_row(capsys: pytest.CaptureFixture[str]) -> None:
    """Where no terminal limits it a row is one line, however long, so that `grep` finds it whole."""
    print_table(("a", "b", "c"), [("x" * 90, "y" * 90, "z" * 90)], "nothing")
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_empty_table_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """No rows, no titles: a sentence."""
    print_table(("what",), [], "Nothing was recorded.")
    assert capsys.readouterr().out == "Nothing was recorded.\n"


def test_data_root_of_a_site(tmp_path: Path) -> None:
    """A folder is a site's when its catalogues are there."""
    with pytest.raises(Rejected, match=r"no site has run .*\./nvr up.*--data"):
        require_data(tmp_path)
    (tmp_path / "catalogue").mkdir()
    assert require_data(tmp_path) == tmp_path

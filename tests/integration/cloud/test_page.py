"""The page in a real browser, on the embedded AWS: signs in, plays a span with gaps, seeks, shows what is missing."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.bench_hls import HAS_PICTURE, measure
from lab.browser import Tab, browser_program, open_tab
from lab.hls_site import HlsSite, hls_site

pytestmark = [
    pytest.mark.slow,
    pytest.mark.debian,
    pytest.mark.skipif(browser_program() is None, reason="needs the Debian package chromium"),
    pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm, which fetches hls.js"),
]
FILE_S = 12
PLAYS_S_MAX = 60.0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HlsSite]:
    with hls_site(tmp_path_factory.mktemp("site"), FILE_S, 320, 180, print) as running:
        yield running


@pytest.fixture
def tab(site: HlsSite, tmp_path: Path) -> Iterator[Tab]:
    """The page, which has its first picture."""
    with open_tab(tmp_path) as opened:
        opened.go(site.address)
        opened.wait_for(HAS_PICTURE, 120)
        yield opened


def second(tab: Tab, site: HlsSite) -> float:
    """Where in the span the picture on the screen is."""
    return float((tab.run("Player.wall()") - site.wall_ms(0)) / 1000)


def bars(tab: Tab, kind: str) -> list[tuple[float, float]]:
    """Begin and end of the timeline's bars of a kind, in percent."""
    found: Any = tab.run(
        f"[...document.querySelectorAll('#timeline .{kind}')]"
        ".map(one => [parseFloat(one.style.left), parseFloat(one.style.left) + parseFloat(one.style.width)])"
    )
    return [(round(begin, 2), round(end, 2)) for begin, end in found]


def test_the_timeline_shows_what_is_missing(tab: Tab) -> None:
    """A file that is not there, and the time between two runs, stand in the timeline as gaps of their length."""
    assert bars(tab, "recorded") == [(0, 25), (37.5, 50), (62.5, 100)]
    assert bars(tab, "gap") == [(25, 37.5), (50, 62.5)]
    assert tab.run("document.querySelector('#timeline .gap').title").startswith("not recorded")
    assert tab.told == [], "the page said something in the console: a script failed, or its policy forbids something"


@pytest.mark.parametrize(("before_s", "after_s"), [(2 * FILE_S, 3 * FILE_S), (4 * FILE_S, 5 * FILE_S)])
def test_it_plays_on_behind_a_gap(tab: Tab, site: HlsSite, before_s: int, after_s: int) -> None:
    """Before a hole in a run, and at the end of a run, it plays on with the next picture, and tells when that was;
    nothing in between is pretended.
    """
    tab.run(f"Player.seek({site.wall_ms(before_s - 2)})")
    tab.run("document.querySelector('#video').play()")
    seen: list[float] = []
    deadline = time.monotonic() + PLAYS_S_MAX
    while not seen or seen[-1] < after_s + 0.5:
        assert time.monotonic() < deadline, seen
        seen.append(second(tab, site))
        time.sleep(0.05)
    assert seen == sorted(seen)
    assert seen[0] < before_s
    shown = [one for one in seen if before_s + 0.3 < one < after_s - 0.3]
    assert not shown, "times were shown at which nothing was recorded"


def test_it_seeks_to_any_moment(tab: Tab, site: HlsSite) -> None:
    """Each place shows the picture of that moment, one in a gap the next that there is; also by a click."""
    figures = measure(tab, site, 6)
    assert figures["wall_error_ms_max"] <= 200
    assert (figures["gaps_shown"], figures["seeks"]) == (2, 6)
    tab.run(
        """(() => {
            const box = document.getElementById('timeline').getBoundingClientRect();
            const at = { clientX: box.left + box.width * 0.9, clientY: box.top + 5, bubbles: true };
            document.getElementById('timeline').dispatchEvent(new MouseEvent('click', at));
        })()"""
    )
    assert abs(second(tab, site) - 0.9 * 8 * FILE_S) < 1


def test_what_cannot_be_shown_is_told(tab: Tab, site: HlsSite) -> None:
    """A time without footage is said in words, as is a site of others."""
    elsewhere = "start=2020-01-01T00:00:00Z&end=2020-01-01T01:00:00Z"
    tab.run(f"location.hash = 'site=site-1&camera=front&{elsewhere}'")
    tab.wait_for("document.getElementById('said').textContent.startsWith('Nothing was recorded')")
    assert bars(tab, "gap") == [(0, 100)]
    tab.run("location.hash = 'site=site-1&camera=front&start=x&end=y'")
    tab.wait_for("document.getElementById('said').textContent.startsWith(\"start 'x' is no time\")")

"""How soon a picture is there after a seek: the page in headless Chromium, on the embedded AWS, over a slow link.

Each seek is made in a player that was just opened, to a place that it has not fetched, with nothing in a cache: it has
to fetch a header and a media segment by the playlist's byte ranges, and is over when the browser has put the picture
on the screen. Places are seeded, among them such in a gap, where the next picture counts. The link is a household's.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.browser import Tab, open_tab
from lab.hls_site import FILES, HlsSite, hls_site
from lab.show import Limit, Show, Shown

LINK_BITS_S, LINK_LATENCY_MS = 20_000_000, 30
AWAY_S = 25
"""The player fetches 20 s ahead of where it begins: a seek goes beyond."""

LIMITS: dict[str, Limit] = {
    "first_frame_ms_p95": ("max", 1_000.0),
    "gaps_shown": ("min", 2.0),
    "wall_error_ms_max": ("max", 200.0),
}


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured, on what pictures."""

    seeks: int
    file_s: int
    width: int
    height: int


FULL, QUICK = Size(60, 60, 1280, 720), Size(12, 20, 640, 360)


def run(quick: bool, work: Path, say: Callable[[str], None]) -> Shown:
    """Measure."""
    size = QUICK if quick else FULL
    profile = work / "browser"
    profile.mkdir()
    with hls_site(work, size.file_s, size.width, size.height, say) as site, open_tab(profile) as tab:
        tab.slow_link(LINK_BITS_S, LINK_LATENCY_MS)
        tab.go(site.address)
        tab.wait_for(HAS_PICTURE, 120)
        say(f"seeks {size.seeks} times")
        return Shown(measure(tab, site, size.seeks), LIMITS)


HAS_PICTURE = "typeof Player !== 'undefined' && Player.parts.length && Player.byId('video').readyState >= 2"

_OPEN_AGAIN = """(async () => {
    Player.parts = [];
    Player.byId('video').removeAttribute('src');
    await Player.fromAddress();
})()"""


def measure(tab: Tab, site: HlsSite, seeks: int) -> dict[str, float]:
    """Makes so many seeks; milliseconds, and by how much the time that the page shows is off."""
    places = random.Random(7)
    took_ms, errors_ms = [], []
    for _ in range(seeks):
        tab.run(_OPEN_AGAIN)
        tab.wait_for(HAS_PICTURE)
        wanted_s = places.uniform(AWAY_S, FILES * site.file_s - 1)
        took_ms.append(float(tab.run(f"Player.seek({site.wall_ms(wanted_s)})")))
        errors_ms.append(abs(float(tab.run("Player.wall()")) - site.wall_ms(next_recorded(site, wanted_s))))
    took_ms.sort()
    return {
        "first_frame_ms_p50": round(percentile(took_ms, 50), 1),
        "first_frame_ms_p95": round(percentile(took_ms, 95), 1),
        "wall_error_ms_max": round(max(errors_ms), 1),
        "gaps_shown": float(tab.run("document.querySelectorAll('#timeline .gap').length")),
        "seeks": float(seeks),
    }


def next_recorded(site: HlsSite, second: float) -> float:
    """That second if it was recorded, else the next that was."""
    for first, last in site.recorded():
        if second < last:
            return max(second, float(first))
    return float(site.recorded()[-1][1])


def percentile(ordered: list[float], percent: int) -> float:
    """The smallest value that so many percent do not exceed."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


SHOW = Show("hls", "how soon a picture is there after a seek in the cloud's page", 240, 90, run)

"""Which shadow to fetch next: hinted ones at once, the site every minute, a camera when its hash says so.

The site's document names the hash of each camera's, so that a camera whose known document has that hash need not be
fetched: it is looked at only now and then, to see what was changed without telling the site. Every fetch costs money.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from components.shared.wire.site_config import SITE, camera_shadow
from components.shared.wire.units import NS_PER_S
from components.site_config.core.documents import ANY

SWEEP_NS = 60 * NS_PER_S
"""A lost hint costs this much latency."""

FIRST_SWEEP_NS = 2 * NS_PER_S
"""While there is no site document at all somebody is waiting in front of the new box."""

MATCHING_SWEEP_NS = 15 * 60 * NS_PER_S
"""A camera's shadow that holds what the site names: changed alone, it would be pending anyway."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What the last fetch of a shadow said, and when."""

    at_ns: int
    sha256: str


def next_due(
    fetched: Mapping[str, Fetched], cameras: Mapping[str, str] | None, wanted: frozenset[str], now_ns: int
) -> str | None:
    """The shadow to fetch now, the site's first; None when there is none. `wanted` are asked for; None: no site yet."""
    site_sweep_ns = FIRST_SWEEP_NS if cameras is None else SWEEP_NS
    if SITE in wanted or _is_old(fetched.get(SITE), site_sweep_ns, now_ns):
        return SITE
    for camera, named in sorted((cameras or {}).items()):
        name = camera_shadow(camera)
        known = fetched.get(name)
        matches = known is not None and named != ANY and named == known.sha256
        if name in wanted or _is_old(known, MATCHING_SWEEP_NS if matches else SWEEP_NS, now_ns):
            return name
    return None


def _is_old(known: Fetched | None, sweep_ns: int, now_ns: int) -> bool:
    return known is None or now_ns - known.at_ns >= sweep_ns

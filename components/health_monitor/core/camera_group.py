"""Many cameras that fail together are one trouble: the site's network, a switch, its power; not forty cameras.

When the first of them has been away long enough for an alert, all that went within a short time of it are looked at. If
they are half of the site's cameras, and the site has enough of them, they are one alert with their number and names.
It lasts as long as half of its members are away. Whoever is still away after that gets an alert of its own, as does
whoever goes away later, or had gone before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from components.health_monitor.core.alert_rules import CAMERA_OFFLINE, CAMERAS_OFFLINE
from components.health_monitor.core.hysteresis import Level
from components.health_monitor.core.troubles import SITE, Key
from components.shared.wire.units import NS_PER_S, MonotonicNs

TOGETHER_NS = 60 * NS_PER_S
"""What fails together is noticed at different moments: a connection is given up after 10 s or more without data, and
one look follows another after 5 s."""

GROUP: Key = (CAMERAS_OFFLINE, SITE)

NAMES_CHARS_MAX = 300
"""A reason is a line for people, of 500 characters at most."""


@dataclass(frozen=True, slots=True)
class Group:
    """Cameras that are away together."""

    members: frozenset[str]
    reason: str


def form_group(
    levels: Mapping[Key, Level], due: Iterable[str], cameras: Collection[str], told: Collection[Key], cameras_min: int
) -> Group | None:
    """The group of those that are due for an alert and of those that went with them; None when they are too few."""
    if len(cameras) < cameras_min:
        return None
    away = {
        subject: level
        for (kind, subject), level in levels.items()
        if kind == CAMERA_OFFLINE and level.is_present and subject in cameras and (kind, subject) not in told
    }
    for first in due:
        if first not in away:
            continue
        began_ns = away[first].began_ns
        members = frozenset(name for name, level in away.items() if _is_near(level.began_ns, began_ns))
        if 2 * len(members) >= len(cameras):
            return Group(members, _reason(members, cameras, [away[name].reason for name in members]))
    return None


def lasting_reason(members: Collection[str], levels: Mapping[Key, Level], reason: str) -> str | None:
    """The reason of a group that was told, as long as half of its members are away; None when they are fewer."""
    away = [name for name in members if levels.get((CAMERA_OFFLINE, name), Level()).is_present]
    return reason if 2 * len(away) >= len(members) else None


def _is_near(began_ns: MonotonicNs, other_ns: MonotonicNs) -> bool:
    return abs(began_ns - other_ns) <= TOGETHER_NS


def _reason(members: Collection[str], cameras: Collection[str], reasons: Iterable[str]) -> str:
    commonest = Counter(reasons).most_common(1)[0][0]
    names = " ".join(sorted(members))
    if len(names) > NAMES_CHARS_MAX:
        names = names[: NAMES_CHARS_MAX - 1] + "…"
    return f"{len(members)} of {len(cameras)} cameras went together; most are {commonest}. They are: {names}"

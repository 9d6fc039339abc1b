"""Decides from outside whether a site is there, and what is to be told of it. Pure; times are those of the cloud.

    unreachable    its connection has ended and nothing came since, for longer than the grace
    back           it is connected again, and has been for that time
    silent         telemetry is missing that should have come twice since

Unreachable is told as `site_unreachable`: the box may be dead, or its line; whether it records is not known. A site
that is connected and silent is told as `health_monitor_silent`. Of an unreachable site nothing else is said.

A connection that comes and goes is not told each time: after each raise within the hour, back means twice as long.

A site whose connections nobody told of, since it was connected before anybody listened, is judged by its telemetry.
A site that was never heard, or was removed, is told nothing of; what was told of it before is cleared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cloud.alert_text import HEALTH_MONITOR_SILENT, SITE_UNREACHABLE
from cloud.site_items import Presence, Seen
from components.shared.wire.alert_notice import AlertNotice, notice_of
from components.shared.wire.units import WallNs, format_iso

NS_PER_MS = 1_000_000
TELEMETRY_MISSED = 2  # samples: one is lost now and then, it is sent once
TELEMETRY_MARGIN_MS = 10_000  # for what a sample takes to come
STALE_MS = 5_000
"""Telemetry that comes so long after the end of a connection was not on its way when that ended."""

FLAPPING_MS = 3_600_000
BACK_MS_MAX = 900_000  # a site that is back for good is told as such within a quarter of an hour
RAISES_KEPT = 8  # more do not make `back` longer

SUBJECT = "site"


@dataclass(frozen=True, slots=True)
class Signs:
    """All that is known of a site; None is never heard of."""

    seen: Seen | None
    presence: Presence | None


@dataclass(frozen=True, slots=True)
class Watch:
    """What is told of a site: alerts that stand, by kind, with the time of their raise; when it last was
    unreachable; what has still to be told, in order.
    """

    standing: Mapping[str, int] = field(default_factory=dict)
    raises_ms: tuple[int, ...] = ()
    untold: tuple[AlertNotice, ...] = ()


def look(thing: str, signs: Signs, watch: Watch, now_ms: int, grace_ms: int) -> Watch:
    """What is to be told of a site now; the same watch when nothing new is."""
    if signs.seen is None:
        for kind in watch.standing:
            watch = _clear(thing, kind, "the site was removed", watch, now_ms)
        return watch
    if SITE_UNREACHABLE not in watch.standing:
        if is_unreachable(signs.seen, signs.presence, now_ms, grace_ms):
            watch = _raise(thing, SITE_UNREACHABLE, _why_unreachable(signs.seen, signs.presence), watch, now_ms)
            recent = tuple(moment for moment in watch.raises_ms if now_ms - moment < FLAPPING_MS)
            return replace(watch, raises_ms=(*recent, now_ms)[-RAISES_KEPT:])
        if _is_away(signs.seen, signs.presence):
            return watch  # perhaps a short break; what stands of HealthMonitor says nothing of it
    elif is_back(signs.seen, signs.presence, watch, now_ms, grace_ms):
        watch = _clear(thing, SITE_UNREACHABLE, "the site is connected again", watch, now_ms)
    else:
        return watch
    return _look_at_monitor(thing, signs.seen, signs.presence, watch, now_ms)


def is_unreachable(seen: Seen, presence: Presence | None, now_ms: int, grace_ms: int) -> bool:
    """Whether a site has gone for longer than a short break."""
    if _is_away(seen, presence):
        assert presence is not None
        return now_ms - presence.noted_ms >= grace_ms
    return not _is_connected(presence) and is_silent(seen, presence, now_ms)


def is_back(seen: Seen, presence: Presence | None, watch: Watch, now_ms: int, grace_ms: int) -> bool:
    """Whether a site that was unreachable is there again, for good as far as one can tell."""
    raises = sum(1 for moment in watch.raises_ms if now_ms - moment < FLAPPING_MS)
    back_ms: int = min(BACK_MS_MAX, grace_ms << max(0, raises - 1))
    if presence is not None and presence.connected:
        return now_ms - presence.noted_ms >= back_ms
    return not _is_away(seen, presence) and not is_silent(seen, presence, now_ms)


def is_silent(seen: Seen, presence: Presence | None, now_ms: int) -> bool:
    """Whether telemetry is missing since the last of it, or since the connection began."""
    since_ms = max(seen.seen_ms, presence.noted_ms if presence is not None and presence.connected else 0)
    return now_ms - since_ms > seen.telemetry_s * 1000 * TELEMETRY_MISSED + TELEMETRY_MARGIN_MS


def _is_connected(presence: Presence | None) -> bool:
    return presence is not None and presence.connected


def _is_away(seen: Seen, presence: Presence | None) -> bool:
    """Whether the connection has ended, and no telemetry says that the word of its next beginning went missing."""
    if presence is None or presence.connected:
        return False
    return seen.seen_ms <= presence.noted_ms + STALE_MS


def _look_at_monitor(thing: str, seen: Seen, presence: Presence | None, watch: Watch, now_ms: int) -> Watch:
    silent = is_silent(seen, presence, now_ms)
    if HEALTH_MONITOR_SILENT not in watch.standing:
        if not silent:
            return watch
        reason = f"the box is connected, its last telemetry came at {_moment(seen.seen_ms)}"
        return _raise(thing, HEALTH_MONITOR_SILENT, reason, watch, now_ms)
    if silent or seen.seen_ms <= watch.standing[HEALTH_MONITOR_SILENT]:
        return watch
    return _clear(thing, HEALTH_MONITOR_SILENT, "telemetry comes again", watch, now_ms)


def _why_unreachable(seen: Seen, presence: Presence | None) -> str:
    heard = f"its last telemetry came at {_moment(seen.seen_ms)}"
    if presence is None or not _is_away(seen, presence):
        return f"nothing comes from the site, {heard}; whether it records is not known"
    reason = presence.reason.replace("_", " ").lower() or "no reason told"
    return f"not connected since {_moment(presence.at_ms)} ({reason}), {heard}; whether it records is not known"


def _raise(thing: str, kind: str, reason: str, watch: Watch, now_ms: int) -> Watch:
    notice = notice_of(thing, kind, SUBJECT, "critical", reason, WallNs(now_ms * NS_PER_MS))
    return replace(watch, standing={**watch.standing, kind: now_ms}, untold=(*watch.untold, notice))


def _clear(thing: str, kind: str, reason: str, watch: Watch, now_ms: int) -> Watch:
    raised_ms = watch.standing[kind]
    raised_ns, cleared_ns = WallNs(raised_ms * NS_PER_MS), WallNs(now_ms * NS_PER_MS)
    notice = notice_of(thing, kind, SUBJECT, "critical", reason, raised_ns, cleared_ns)
    standing = {name: moment for name, moment in watch.standing.items() if name != kind}
    return replace(watch, standing=standing, untold=(*watch.untold, notice))


def _moment(wall_ms: int) -> str:
    return format_iso(WallNs(wall_ms * NS_PER_MS))[:19].replace("T", " ") + " UTC"

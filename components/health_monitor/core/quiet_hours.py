"""Whether it is quiet at a moment, and what is told once it is not any more.

A moment is quiet if and only if a clock on the wall at the site shows a time within one of the spans. So the hour that
is skipped in spring is no hour of quiet, and the hour that comes twice in autumn is quiet both times.

What was raised in quiet hours and is over before their end is told to nobody. What still holds then is told once: one
alert by itself, several as one digest, which is over when all that it tells of is over. The end of an alert that was
told before the quiet hours waits for their end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Literal

from components.shared.wire.alert_config import QuietSection, parse_quiet
from components.shared.wire.alert_notice import Severity
from components.shared.wire.units import WallNs, to_datetime

Told = Literal["nothing", "raised", "cleared"]

Quiet = Mapping[Severity, bool]


@dataclass(frozen=True, slots=True)
class Known:
    """What was told of an alert, and whether it still holds. `digest` is the alert that tells it instead."""

    alert: str
    severity: Severity
    is_active: bool
    told: Told
    digest: str | None


@dataclass(frozen=True, slots=True)
class Telling:
    """What is told now: beginnings, ends, and beginnings that are told together."""

    raised: tuple[str, ...] = ()
    cleared: tuple[str, ...] = ()
    digest: tuple[str, ...] = ()
    severity: Severity = "warning"


def quiet_at(section: QuietSection, zone: tzinfo, wall_ns: WallNs) -> Quiet:
    """For which severities it is quiet."""
    local = to_datetime(wall_ns).astimezone(zone)
    minute = local.hour * 60 + local.minute
    return {
        "warning": any(span.holds_at(minute) for span in parse_quiet(section.warning)),
        "critical": any(span.holds_at(minute) for span in parse_quiet(section.critical)),
    }


def telling(known: Iterable[Known], quiet: Quiet) -> Telling:
    """What was held back and is told now."""
    free = [alert for alert in known if not quiet[alert.severity]]
    held = [alert for alert in free if alert.is_active and alert.told == "nothing" and alert.digest is None]
    cleared = tuple(alert.alert for alert in free if not alert.is_active and alert.told == "raised")
    names = tuple(alert.alert for alert in held)
    if len(held) <= 1:
        return Telling(raised=names, cleared=cleared)
    severity: Severity = "critical" if any(alert.severity == "critical" for alert in held) else "warning"
    return Telling(cleared=cleared, digest=names, severity=severity)


def digests_over(known: Iterable[Known], digests: Iterable[str]) -> tuple[str, ...]:
    """Which digests tell of nothing that still holds."""
    lasting = {alert.digest for alert in known if alert.is_active}
    return tuple(digest for digest in digests if digest not in lasting)

"""What came to a subscriber of the alerts' topic, held against what was provoked. Pure.

Each alert that was provoked is to come once when it is raised and once when it is cleared. What the machine itself may
be in trouble with, because something else runs on it, is told as its own: it is nobody's fault here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Alert = tuple[str, str]
"""Kind and subject."""

OF_THE_MACHINE = frozenset(
    {"cpu_overloaded", "memory_nearly_used_up", "too_hot", "processor_throttled", "disk_slow", "clock_not_synchronised"}
)
"""Kinds that follow from the machine and from what else runs on it."""

_SUBJECT = re.compile(r"^Subject: +(?P<subject>.*)$", re.MULTILINE)
_IDS = re.compile(r"^Alert (?P<alert>[0-9a-f]+), notice (?P<notice>[0-9a-f]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Told:
    """A message that a subscriber got, and at which second of the monotonic clock."""

    at_s: float
    kind: str
    subject: str
    state: str
    alert: str
    notice: str


@dataclass(frozen=True, slots=True)
class Account:
    """What is wrong with what came: each a list of words for people."""

    missing: tuple[str, ...]
    doubled: tuple[str, ...]
    unexpected: tuple[str, ...]
    of_the_machine: tuple[str, ...]


def told_by(at_s: float, post: Mapping[str, Any]) -> Told:
    """What a post of SNS tells; ValueError when it is no alert."""
    text = str(post["Message"])
    subject, ids = _SUBJECT.search(text), _IDS.search(text)
    if subject is None or ids is None:
        raise ValueError(f"no alert: {text[:200]!r}")
    kind, state = (str(post["MessageAttributes"][name]["Value"]) for name in ("kind", "state"))
    return Told(at_s, kind, subject["subject"], state, ids["alert"], ids["notice"])


def account(
    told: Iterable[Told],
    provoked: Mapping[Alert, int],
    raised_at_site: Collection[str] = (),
    consequences: Collection[Alert] = (),
) -> Account:
    """Hold what came against how often each alert was provoked.

    `raised_at_site` are the ids of all alerts that the site's own catalogue holds as told: each of them must have come.
    `consequences` are alerts that may follow from what was done, and need not.
    """
    came = list(told)
    missing, doubled = [], []
    for notice, count in Counter(one.notice for one in came).items():
        if count > 1:
            doubled.append(f"notice {notice} came {count} times")
    for (kind, subject), times in sorted(provoked.items()):
        for state in ("raised", "cleared"):
            count = len({one.notice for one in came if (one.kind, one.subject, one.state) == (kind, subject, state)})
            if count < times:
                missing.append(f"{kind} of {subject} {state}: {count} of {times}")
            if count > times:
                doubled.append(f"{kind} of {subject} {state}: {count} instead of {times}")
    never = sorted(set(raised_at_site) - {one.alert for one in came if one.state == "raised"})
    missing += [f"alert {alert} stands in the site's catalogue and never came" for alert in never]
    others = [one for one in came if (one.kind, one.subject) not in {*provoked, *consequences}]
    return Account(
        tuple(missing),
        tuple(doubled),
        tuple(f"{one.kind} of {one.subject} {one.state}" for one in others if one.kind not in OF_THE_MACHINE),
        tuple(f"{one.kind} of {one.subject} {one.state}" for one in others if one.kind in OF_THE_MACHINE),
    )

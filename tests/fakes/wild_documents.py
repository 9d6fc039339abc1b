"""Documents that somebody may put into a shadow, a proposal or a file by mistake or malice: a good one, made worse.

Driven by a `random.Random`, so that a property test can shrink what it finds, and a show can repeat its seed.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

from components.site_config.shadow_store import Shadow
from tests.fakes.shadow_store import FakeShadowStore

GOOD_SITE: dict[str, Any] = {
    "schema": 1,
    "time_zone": "Europe/Berlin",
    "recording": {"segment_s": 60},
    "retention": {"days": 7, "event_days": 30, "free_percent_min": 10},
    "motion": {"threshold_percent": 2.5, "event_margin_s": 5},
    "health": {"telemetry_s": 60},
    "cameras": {"cam-1": "any"},
}
GOOD_CAMERA: dict[str, Any] = {
    "schema": 2,
    "name": "Yard",
    "source": {"url": "rtsp://192.0.2.1/1", "secret": "yard", "transport": "tcp", "trial": True},
    "mode": "schedule",
    "schedule": {"mon": "08:00-18:00, 20:00-22:00 motion", "sun": ""},
    "manual": {"recording": True, "until": "2026-11-21T10:00:00Z"},
    "retention": {"days": 3},
    "sub": {"url": "rtsp://192.0.2.1/2", "record": True},
    "snapshot_s": 10,
    "motion": {"enabled": True, "regions": {"gate": "0,0 500,0 500,500"}},
}

_TEXTS = (
    *("", " ", "any", "null", "0", "ü" * 40, "x" * 300, "x" * 9_000, "\x00", "../../etc/passwd", "a" * 33, "{{}}"),
    *("rtsp://", "rtsp://user:pass@192.0.2.1/", "http://192.0.2.1/", "rtsp://[::1", "rtsp://192.0.2.1:99999/1"),
    *("folder:///../x", "Europe/Atlantis", "25:00-26:00", "2026-11-21T10:00:00", "1,1 2,2", "f" * 64, "\u202etxt"),
)
_PLAUSIBLE = (
    *("", "any", "a" * 64, "name", "UTC", "Etc/GMT+5", "America/Port-au-Prince", "tcp", "udp", "own", "libav", "off"),
    *("continuous", "motion", "00:00-24:00", "01:00-02:00,03:00-04:00 motion", " 1:00-2:00", "12:00-12:01 continuous"),
    *("RTSP://camera/1", "rtsps://[2001:db8::1]:322/a?b=c#d", "folder:///drop", "folder:///a b", " rtsp://camera/1"),
    *("rtsp://camera/\r\nX: y", "2026-11-21T10:00:00+00:00", "20261121T100000Z", "2026-W47-6T10:00:00Z", "2026-11-21"),
    *("0,0 1000,0 00500,1000", "0,0 1,0 1,1 ", "\u0663,\u0663 \u0663,\u0664 \u0664,\u0664", "Ünï"),
)
_NUMBERS = (0, -1, 1, 2, 10**9, 2**63, -(2**63) - 1, 10**30, 0.5, -0.0, 1e308)
_KEYS = (
    "schema",
    "name",
    "source",
    "url",
    "secret",
    "cameras",
    "cam-1",
    "Cam 1",
    "",
    "unknown",
    "a.b",
    "__proto__",
    "*",
)


class WildStore(FakeShadowStore):
    """Shadows that hold what no cloud would have let in."""

    def __init__(self) -> None:
        super().__init__()
        self.wild: dict[str, Any] = {}

    def get(self, name: str) -> Shadow | None:
        found = super().get(name)
        if name not in self.wild:
            return found
        desired = self.wild[name] if isinstance(self.wild[name], dict) else None
        return Shadow((found.version if found else 0) + 1, desired, found.reported if found else None)


def wild_value(chance: random.Random, depth: int = 0) -> Any:
    """Any JSON value, seldom a deep one."""
    kind = chance.randrange(8 if depth < 4 else 6)
    if kind == 0:
        return None
    if kind == 1:
        return chance.random() < 0.5
    if kind in (2, 3):
        return chance.choice(_NUMBERS)
    if kind in (4, 5):
        return chance.choice(_TEXTS)
    if kind == 6:
        return [wild_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    return {chance.choice(_KEYS): wild_value(chance, depth + 1) for _ in range(chance.randrange(4))}


def wild_document(chance: random.Random, good: dict[str, Any]) -> Any:
    """A copy of a good document with one to four things wrong, or something else altogether."""
    fate = chance.randrange(20)
    if fate == 0:
        return wild_value(chance)
    if fate == 1:
        return {"schema": 1, "name": "Yard", "source": _nested(chance.choice((10, 150, 900)))}
    document = json.loads(json.dumps(good))
    for _ in range(chance.randrange(1, 5)):
        _worsen(chance, document)
    return document


def nudged_document(chance: random.Random, good: dict[str, Any]) -> dict[str, Any]:
    """A copy of a good document with a few members left out, or replaced by others of their type: often a good one."""
    document: dict[str, Any] = json.loads(json.dumps(good))
    for _ in range(chance.randrange(1, 4)):
        holder = chance.choice([one for one in _objects(document) if one])
        name = chance.choice(sorted(holder))
        value = holder[name]
        if chance.randrange(4) == 0 and len(holder) > 1:
            del holder[name]
        elif isinstance(value, bool):
            holder[name] = not value
        elif isinstance(value, int):
            holder[name] = chance.randrange(-1, 700)
        elif isinstance(value, float):
            holder[name] = chance.choice((0.01, 100, 1, 99.99, 3.0, 1e-300))
        elif isinstance(value, str):
            holder[name] = chance.choice(_PLAUSIBLE)
    return document


def wild_bytes(chance: random.Random, document: Any) -> bytes:
    """The document as a file, sometimes cut off, damaged, in another encoding, or no JSON at all."""
    text = json.dumps(document)
    fate = chance.randrange(6)
    if fate == 0:
        return text.encode()[: chance.randrange(len(text) + 1)]
    if fate == 1:
        return text.encode("utf-16")
    if fate == 2:
        return chance.randbytes(chance.randrange(200))
    if fate == 3:
        return b'{"document": "site", "changes": {"name": "\\ud800", "recording": {"segment_s": NaN}}}'
    if fate == 4:
        return b"[" * 5_000 + b"]" * 5_000
    return text.encode()


def _worsen(chance: random.Random, document: dict[str, Any]) -> None:
    holders = list(_objects(document))
    holder = chance.choice(holders)
    if holder and chance.randrange(4):
        name = chance.choice(sorted(holder))
        if chance.randrange(3):
            holder[name] = wild_value(chance)
        else:
            del holder[name]
    else:
        holder[chance.choice(_KEYS)] = wild_value(chance)


def _objects(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield value
    for inner in value.values():
        if isinstance(inner, dict):
            yield from _objects(inner)


def _nested(depth: int) -> Any:
    value: Any = "deep"
    for _ in range(depth):
        value = {"a": value}
    return value

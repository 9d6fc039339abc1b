"""Structured log: one JSON line per record, made of a constant event name and fields.

Fields are cleaned at this door: a `Secret` prints as `***`, and an exception without a text of its own shows its class.
No URL of ours has a user and password in it, because a URL with them is a `Secret`; where a foreign program's text
holds one all the same, they are removed. A log call never raises and never waits for its reader (see `line_writer`).

A line that names a segment or a document also tells its trace (`wire/trace`).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from components.shared.runtime.clock import Clock
from components.shared.runtime.line_writer import LINE_BYTES_MAX
from components.shared.wire.trace import FIELD as TRACE_ID
from components.shared.wire.trace import trace_of
from components.shared.wire.units import format_iso

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

_RANK: dict[Level, int] = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}
_CREDENTIALS = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*:/{1,2})[^\s\"'<>]*@")
_CUT_FIELDS_CHARS = 1_000
"""Of a record above the longest line, so much of the fields' JSON text is kept (at most 3 bytes and an escape each)."""


@dataclass(frozen=True, slots=True)
class Record:
    """One entry: its fields are already cleaned."""

    level: Level
    event: str
    fields: Mapping[str, object]


class Log:
    """Hands records of at least `level` to a sink. `bind` gives a log that adds the same fields to every record."""

    def __init__(
        self, sink: Callable[[Record], None], level: Level = "INFO", fields: Mapping[str, object] | None = None
    ) -> None:
        self._sink = sink
        self._level = level
        self._fields = dict(fields or {})

    @property
    def level(self) -> Level:
        """The least level that is recorded."""
        return self._level

    def bind(self, **fields: object) -> Log:
        """A log that adds these fields to every record."""
        return Log(self._sink, self._level, {**self._fields, **fields})

    def debug(self, event: str, **fields: object) -> None:
        """What only helps to find a fault."""
        self._record("DEBUG", event, fields)

    def info(self, event: str, **fields: object) -> None:
        """A state changed."""
        self._record("INFO", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Something went wrong and we coped."""
        self._record("WARNING", event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Somebody must act."""
        self._record("ERROR", event, fields)

    def _record(self, level: Level, event: str, fields: Mapping[str, object]) -> None:
        if _RANK[level] < _RANK[self._level]:
            return
        both = {**self._fields, **fields}
        self._sink(Record(level, event, {name: _clean(value) for name, value in both.items()}))


_KEPT_OF_CUT = ("camera", TRACE_ID)
"""By what a record is found: told of one above the longest line, too."""


def json_log(component: str, level: Level, write: Callable[[str], None], clock: Clock, thing: str = "") -> Log:
    """A log that writes `{"time","level","component","event",...fields}` as one line of JSON per record.

    `thing` is the site that its traces belong to; without it none is told.
    """

    def sink(record: Record) -> None:
        head = {
            "time": format_iso(clock.wall_ns()),
            "level": record.level,
            "component": component,
            "event": record.event,
        }
        fields = {name: value for name, value in record.fields.items() if name not in head}
        trace = trace_of(thing, fields) if thing and TRACE_ID not in fields else None
        if trace is not None:
            fields[TRACE_ID] = trace
        line = _to_json({**head, **fields})
        if len(line.encode(errors="backslashreplace")) >= LINE_BYTES_MAX:
            kept = {name: fields[name] for name in _KEPT_OF_CUT if name in fields}
            line = _to_json({**head, **kept, "cut": True, "fields": _to_json(fields)[:_CUT_FIELDS_CHARS]})
        write(line)

    return Log(sink, level)


def redact_url(text: str) -> str:
    """`text` with the user and password of every URL in it removed.

    Everything up to the last `@` goes, because a password may hold `/`, `@` or `:` that nobody has escaped; a URL
    that has an `@` in its path loses its host too, which is the smaller harm.
    """
    return _CREDENTIALS.sub(r"\1", text)


def _clean(value: object) -> object:
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {redact_url(str(name)): _clean(member) for name, member in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_clean(member) for member in value]
    if isinstance(value, BaseException):
        return redact_url(str(value) or type(value).__name__)
    return redact_url(str(value))


def _to_json(fields: Mapping[str, object]) -> str:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))

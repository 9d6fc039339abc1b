"""The SQL of topic rules, as far as it is needed here; pure.

    SELECT item, ... FROM 'filter' [WHERE condition]

An item is `*`, a path (`state.reported.ok`), `topic()`, `topic(n)`, `timestamp()`, `clientid()` or `encode(*,
'base64')`, which is the payload as it came; each but `*` with `AS name` if wanted. A condition compares such values
with literals (`=`, `<>`, `!=`, `<`, `<=`, `>`, `>=`; strings in single quotes, numbers, TRUE, FALSE, NULL), joined by
AND, OR, NOT and parentheses. Anything else of AWS IoT SQL is a `RuleFault` when the rule is made, never a surprise when
it runs.

As in AWS: a path that is not there is Undefined, every comparison with it is false, and it is left out of the
selection; `SELECT *` without WHERE passes a payload on that is no JSON, any other rule does not match it, unless it
looks at nothing in it: one that selects `encode(*, 'base64')` takes whatever was sent.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, cast

from local.iot_core import topics
from local.iot_core.message import Message
from local.iot_core.shadow import Json, JsonObject


class RuleFault(ValueError):  # noqa: N818  the word for what is wrong with a rule
    """This is not a rule that can be run here."""


class _Undefined:
    """The value of a path that is not there."""


UNDEFINED = _Undefined()
Value: TypeAlias = "Json | _Undefined"


@dataclass(frozen=True, slots=True)
class Given:
    """What an expression may look at."""

    message: Message
    document: Json
    now_ms: int


Expression: TypeAlias = Callable[[Given], Value]
Condition: TypeAlias = Callable[[Given], bool]


@dataclass(frozen=True, slots=True)
class Statement:
    """A parsed rule; `items` maps names to values, "*" is `everything`; `takes_bytes` is for payloads of no JSON."""

    topic_filter: str
    everything: bool
    items: tuple[tuple[str, Expression], ...]
    condition: Condition | None
    takes_bytes: bool = False

    def select(self, message: Message, now_ms: int) -> bytes | None:
        """Return the payload for the rule's action; None when the rule does not apply to the message."""
        if not topics.matches(self.topic_filter, message.topic):
            return None
        passes_all = self.everything and not self.items and self.condition is None
        document: Json
        try:
            document = json.loads(message.payload)
        except (ValueError, RecursionError):
            if passes_all:
                return message.payload
            if not self.takes_bytes:
                return None
            document = None
        given = Given(message, document, now_ms)
        if self.condition is not None and not self.condition(given):
            return None
        if self.everything and not self.items:
            return message.payload
        selected: JsonObject = dict(document) if self.everything and isinstance(document, dict) else {}
        for name, expression in self.items:
            value = expression(given)
            if not isinstance(value, _Undefined):
                selected[name] = value
        return json.dumps(selected, separators=(",", ":")).encode()


_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<sign><=|>=|<>|!=|[=<>(),.*]))"
)
_END = ("end", "")
_LITERALS: dict[str, Json] = {"TRUE": True, "FALSE": False, "NULL": None}


def _tokens(sql: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while sql[at:].strip():
        match = _TOKEN.match(sql, at)
        if match is None:
            raise RuleFault(f"rule SQL is not understood from here on: {sql[at:].strip()!r}")
        found.append((match.lastgroup or "", match[match.lastgroup or 0]))
        at = match.end()
    return found


def _path(names: tuple[str, ...]) -> Expression:
    def value(given: Given) -> Value:
        at = given.document
        for name in names:
            if not isinstance(at, dict) or name not in at:
                return UNDEFINED
            at = at[name]
        return at

    return value


def _topic(level: int | None) -> Expression:
    def value(given: Given) -> Value:
        if level is None:
            return given.message.topic
        levels = given.message.topic.split("/")
        return levels[level - 1] if 1 <= level <= len(levels) else UNDEFINED

    return value


def _encoded(given: Given) -> Value:
    return base64.b64encode(given.message.payload).decode()


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _compare(sign: str, left: Expression, right: Expression) -> Condition:
    def holds(given: Given) -> bool:
        a, b = left(given), right(given)
        if isinstance(a, _Undefined) or isinstance(b, _Undefined):
            return False
        same = isinstance(a, bool) == isinstance(b, bool) and a == b
        if sign in ("=", "<>", "!="):
            return same == (sign == "=")
        if _is_number(a) and _is_number(b):
            order = (cast(float, a) > cast(float, b)) - (cast(float, a) < cast(float, b))
        elif isinstance(a, str) and isinstance(b, str):
            order = (a > b) - (a < b)
        else:
            return False
        return {"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[sign]

    return holds


class _Parser:
    """Recursive descent over the tokens of one rule."""

    def __init__(self, sql: str) -> None:
        self._sql = sql
        self._tokens = _tokens(sql)
        self._at = 0
        self._encodes = False

    def statement(self) -> Statement:
        self._word("SELECT")
        everything, items = self._items()
        self._word("FROM")
        topic_filter = self._text()
        fault = topics.fault_in_filter(topic_filter)
        if fault:
            raise RuleFault(f"{fault}: {topic_filter!r}")
        condition = None
        if self._accept_word("WHERE"):
            condition = self._any_of()
        if self._peek() != _END:
            raise self._fault("the end")
        takes_bytes = self._encodes and not everything
        return Statement(topic_filter, everything, items, condition, takes_bytes)

    def _items(self) -> tuple[bool, tuple[tuple[str, Expression], ...]]:
        everything, items = False, []
        while True:
            if self._accept_sign("*"):
                everything = True
            else:
                items.append(self._item())
            if not self._accept_sign(","):
                return everything, tuple(items)

    def _item(self) -> tuple[str, Expression]:
        expression, name = self._value()
        if self._accept_word("AS"):
            name = self._name()
        if name is None:
            raise self._fault("AS and a name")
        return name, expression

    def _any_of(self) -> Condition:
        parts = [self._all_of()]
        while self._accept_word("OR"):
            parts.append(self._all_of())
        return parts[0] if len(parts) == 1 else lambda given: any(part(given) for part in parts)

    def _all_of(self) -> Condition:
        parts = [self._one()]
        while self._accept_word("AND"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda given: all(part(given) for part in parts)

    def _one(self) -> Condition:
        if self._accept_word("NOT"):
            inner = self._one()
            return lambda given: not inner(given)
        if self._accept_sign("("):
            grouped = self._any_of()
            self._sign(")")
            return grouped
        left, _ = self._value()
        kind, sign = self._next()
        if kind != "sign" or sign not in ("=", "<>", "!=", "<", "<=", ">", ">="):
            raise self._fault("a comparison")
        right, _ = self._value()
        return _compare(sign, left, right)

    def _value(self) -> tuple[Expression, str | None]:
        """Return an expression and the name it has by itself."""
        kind, token = self._next()
        literal: Json
        if kind == "text":
            literal = token[1:-1].replace("''", "'")
            return lambda _: literal, None
        if kind == "number":
            literal = float(token) if "." in token else int(token)
            return lambda _: literal, None
        if kind != "word":
            raise self._fault("a value")
        if token.upper() in _LITERALS:
            literal = _LITERALS[token.upper()]
            return lambda _: literal, None
        if self._accept_sign("("):
            return self._encode() if token.lower() == "encode" else self._call(token.lower()), None
        names = [token]
        while self._accept_sign("."):
            names.append(self._name())
        return _path(tuple(names)), names[-1]

    def _call(self, function: str) -> Expression:
        argument = None
        if self._peek()[0] == "number":
            argument = int(float(self._next()[1]))
        self._sign(")")
        if function == "topic":
            return _topic(argument)
        if function == "timestamp" and argument is None:
            return lambda given: given.now_ms
        if function == "clientid" and argument is None:
            return lambda given: given.message.client_id or "N/A"
        raise RuleFault(f"function {function} is not known here: {self._sql!r}")

    def _encode(self) -> Expression:
        """The payload as it came. Of what `encode` can do in AWS, this is what messages that are no JSON need."""
        self._sign("*")
        self._sign(",")
        if (scheme := self._text()) != "base64":
            raise RuleFault(f"encoding {scheme!r} is not known here: {self._sql!r}")
        self._sign(")")
        self._encodes = True
        return _encoded

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else _END

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        self._at += 1
        return token

    def _accept_word(self, word: str) -> bool:
        kind, token = self._peek()
        found = kind == "word" and token.upper() == word
        self._at += found
        return found

    def _accept_sign(self, sign: str) -> bool:
        found = self._peek() == ("sign", sign)
        self._at += found
        return found

    def _word(self, word: str) -> None:
        if not self._accept_word(word):
            raise self._fault(word)

    def _sign(self, sign: str) -> None:
        if not self._accept_sign(sign):
            raise self._fault(sign)

    def _name(self) -> str:
        kind, token = self._next()
        if kind != "word":
            raise self._fault("a name")
        return token

    def _text(self) -> str:
        kind, token = self._next()
        if kind != "text":
            raise self._fault("a topic filter in quotes")
        return token[1:-1].replace("''", "'")

    def _fault(self, expected: str) -> RuleFault:
        return RuleFault(f"{expected} was expected in {self._sql!r}")


def parse(sql: str) -> Statement:
    """Return the rule's statement; RuleFault when it is not understood."""
    return _Parser(sql).statement()

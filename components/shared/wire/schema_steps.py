"""The schemas of the documents: what each one added to the one before it, and how an older document is read today.

A document says of which schema it is; one that says nothing is of the first. An older one is migrated when it is read,
every time: its text, hence its hash, stays what somebody wrote. A step adds members, and says in so many words what
was meant where a default has changed; it never takes a member away or changes what one means, because components of
two releases read the same files.

So a member must not stand in a document that is older than it: a release that does not know the member would refuse
the document, where it overlooks what a newer schema brings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

OLDEST_SCHEMA = 1

Kind = Literal["site", "camera"]
Json = dict[str, Any]
Migrate = Callable[[Json], Json]


@dataclass(frozen=True, slots=True)
class SchemaStep:
    """A schema: the members that are new in it (paths with dots), and what makes an older document one of its kind."""

    schema: int
    added: Mapping[Kind, Sequence[str]] = field(default_factory=dict)
    migrate: Mapping[Kind, Migrate] = field(default_factory=dict)


STEPS: tuple[SchemaStep, ...] = (
    SchemaStep(2, added={"camera": ("source.trial", "picture"), "site": ("health.alerts", "health.prometheus_port")}),
    SchemaStep(3, added={"camera": ("upload",), "site": ("sync",)}),
)
"""In order, without a hole; the tests keep a golden document of every schema and kind."""


def stated_schema(raw: Mapping[str, Any]) -> int | None:
    """Of which schema a document says it is; None when it says something else than a number."""
    schema = raw.get("schema", OLDEST_SCHEMA)
    return schema if isinstance(schema, int) and not isinstance(schema, bool) else None


def early_members(kind: Kind, raw: Mapping[str, Any], steps: Sequence[SchemaStep] = STEPS) -> dict[str, int]:
    """The members in a document that are newer than its schema, with the schema that brought them."""
    stated = stated_schema(raw)
    if stated is None:
        return {}
    found = {}
    for step in steps:
        if step.schema > stated:
            found.update({path: step.schema for path in step.added.get(kind, ()) if _holds(raw, path)})
    return found


def with_schema_of_members(kind: Kind, raw: Json, steps: Sequence[SchemaStep] = STEPS) -> Json:
    """The document, saying the schema that its members need, if it says an older one."""
    early = early_members(kind, raw, steps)
    return {**raw, "schema": max(early.values())} if early else raw


def migrated(kind: Kind, raw: Json, steps: Sequence[SchemaStep] = STEPS) -> Json:
    """The document as one of the newest schema, but for the number that it says; `raw` is not changed."""
    stated = stated_schema(raw)
    for step in steps:
        if stated is not None and stated < step.schema and kind in step.migrate:
            raw = step.migrate[kind](raw)
    return raw


def _holds(raw: Mapping[str, Any], path: str) -> bool:
    holder: Any = raw
    for name in path.split("."):
        if not isinstance(holder, Mapping) or name not in holder:
            return False
        holder = holder[name]
    return True

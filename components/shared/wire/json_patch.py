"""JSON documents compared and changed: merge patches (RFC 7386), and two changes of one document brought together.

Objects are compared member by member; every other value, a list too, is one leaf. A null never stands in a document:
in a patch it removes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.shared.wire.site_config import canonical_json

Json = dict[str, Any]

_ABSENT = object()
"""Stands for a member that is not there; it is the same as itself only."""


@dataclass(frozen=True, slots=True)
class Merged:
    """Two changes of one document in one; `lost` are the paths where the local one gave way."""

    result: Json
    lost: tuple[str, ...]


def same(one: object, other: object) -> bool:
    """Whether two JSON values are the same; true is not 1."""
    if one is _ABSENT or other is _ABSENT:
        return one is other
    return canonical_json(one) == canonical_json(other)


def apply_patch(target: object, patch: object) -> Any:
    """The value after a merge patch; `target` is not changed."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = apply_patch(result.get(name), value)
    return result


def make_patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> Json:
    """The smallest merge patch that makes `after` of `before`; empty when they are the same."""
    patch: Json = {name: None for name in before if name not in after}
    for name, value in after.items():
        had = before.get(name, _ABSENT)
        if isinstance(had, Mapping) and isinstance(value, Mapping):
            inner = make_patch(had, value)
            if inner:
                patch[name] = inner
        elif not same(had, value):
            patch[name] = value
    return patch


def merge_changes(base: Mapping[str, Any], local: Mapping[str, Any], remote: Mapping[str, Any]) -> Merged:
    """Both changes of `base` in one document; where both changed a leaf to different values, the remote one stays."""
    result: Json = {}
    lost: list[str] = []
    for name in [*remote, *(name for name in local if name not in remote)]:
        was, here, there = (document.get(name, _ABSENT) for document in (base, local, remote))
        if isinstance(here, Mapping) and isinstance(there, Mapping):
            inner = merge_changes(was if isinstance(was, Mapping) else {}, here, there)
            result[name] = inner.result
            lost += [f"{name}.{path}" for path in inner.lost]
            continue
        chosen = here if same(there, was) else there
        if not (same(here, was) or same(chosen, here)):
            lost.append(name)
        if chosen is not _ABSENT:
            result[name] = chosen
    return Merged(result, tuple(lost))

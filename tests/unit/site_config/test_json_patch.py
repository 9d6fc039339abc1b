"""Merge patches, and two changes of one document brought together."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.shared.wire.json_patch import apply_patch, make_patch, merge_changes, same

names = st.sampled_from(["a", "b", "c"])
leaves = st.one_of(
    st.booleans(), st.integers(-2, 2), st.sampled_from(["", "x"]), st.lists(st.integers(0, 2), max_size=2)
)
values: st.SearchStrategy[Any] = st.recursive(
    leaves, lambda inner: st.dictionaries(names, inner, max_size=3), max_leaves=6
)
documents: st.SearchStrategy[Any] = st.dictionaries(names, values, max_size=3)

# RFC 7386, appendix A: the cases in which patch and document are objects, as ours always are.
RFC_7386 = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), RFC_7386)
def test_examples_of_the_standard(target: Any, patch: Any, result: Any) -> None:
    """A merge patch does what the standard's own examples say."""
    assert apply_patch(target, patch) == result


@given(documents, documents)
def test_patch_makes_the_one_of_the_other(before: Any, after: Any) -> None:
    """The patch between two documents, applied to the first, gives the second; of the same two it is empty."""
    assert same(apply_patch(before, make_patch(before, after)), after)
    assert make_patch(after, after) == {}


@given(documents, documents)
def test_patch_may_be_applied_twice(before: Any, after: Any) -> None:
    """An edit that is applied again, after a crash, changes nothing more."""
    patch = make_patch(before, after)
    once = apply_patch(before, patch)
    assert same(apply_patch(once, patch), once)


def test_true_is_not_one() -> None:
    """A number that becomes a truth value is a change."""
    assert make_patch({"a": 1}, {"a": True}) == {"a": True}
    assert not same({"a": 1}, {"a": 1.0})


@given(documents, documents)
def test_change_of_one_side_only(base: Any, changed: Any) -> None:
    """What only one side has changed is taken, whichever side it is, and nothing is lost."""
    assert same(merge_changes(base, changed, base).result, changed)
    assert same(merge_changes(base, base, changed).result, changed)
    assert merge_changes(base, changed, base).lost == merge_changes(base, base, changed).lost == ()


@given(documents, documents, documents)
def test_lost_paths_name_every_difference_that_was_not_taken(base: Any, local: Any, remote: Any) -> None:
    """A leaf that the site has changed is in the result, or its path or one above it is told as lost."""
    merged = merge_changes(base, local, remote)
    for path, wanted in _leaves(make_patch(base, local)):
        found: Any = merged.result
        for part in path:
            found = found.get(part) if isinstance(found, dict) else None
        is_told = any(".".join(path).startswith(lost) or lost.startswith(".".join(path)) for lost in merged.lost)
        assert same(found, wanted) or is_told


def test_both_changed() -> None:
    """Where both sides changed a leaf, the cloud's stays and the path is told; everything else is put together."""
    base = {"zone": "UTC", "cameras": {"a": "1", "b": "1"}}
    local = {"zone": "Europe/Berlin", "cameras": {"a": "2", "c": "2"}}
    remote = {"zone": "Asia/Tokyo", "cameras": {"a": "3", "b": "1", "d": "3"}}
    merged = merge_changes(base, local, remote)
    assert merged.result == {"zone": "Asia/Tokyo", "cameras": {"a": "3", "c": "2", "d": "3"}}
    assert merged.lost == ("zone", "cameras.a")


def _leaves(patch: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    found: list[tuple[tuple[str, ...], Any]] = []
    for name, value in patch.items():
        if isinstance(value, dict):
            found += _leaves(value, (*path, name))
        else:
            found.append(((*path, name), value))
    return found

"""The configuration of one component as a tree."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.nucleus.configuration import (
    Branch,
    KeyPath,
    MissingKeyError,
    check_update,
    deployed,
    differences,
    find,
    from_json,
    leaves,
    pointer_path,
    to_json,
    value_of,
    write,
)
from local.nucleus.ipc_error import IpcError
from local.nucleus.json_value import Json, JsonObject
from local.nucleus.profile import CLASSIC, LITE, Profile

PROPERTY = settings(max_examples=60, deadline=None)  # a loaded machine stops for seconds

scalars: st.SearchStrategy[Json] = st.one_of(
    st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=5), st.lists(st.integers(), max_size=3)
)
keys = st.sampled_from(["a", "b", "c", "d/e"])
maps: st.SearchStrategy[JsonObject] = st.recursive(
    st.dictionaries(keys, scalars, max_size=3),
    lambda inner: st.dictionaries(keys, st.one_of(scalars, inner), max_size=3),
)
both = pytest.mark.parametrize("profile", [LITE, CLASSIC], ids=["lite", "classic"])


def tree_of(value: JsonObject, timestamp_ms: int = 1) -> Branch:
    """Return a tree with these values."""
    tree = Branch()
    write(tree, (), value, timestamp_ms, CLASSIC)
    return tree


@PROPERTY
@given(maps)
def test_what_was_written_is_read(value: JsonObject) -> None:
    """A map that was written to an empty tree is read back, on both runtimes."""
    for profile in (LITE, CLASSIC):
        tree = Branch()
        write(tree, (), value, 1, profile)
        assert value_of(tree) == value


@PROPERTY
@given(maps)
def test_a_stored_tree_is_the_same(value: JsonObject) -> None:
    """A tree that was stored and loaded has the same values and times."""
    tree = tree_of(value, 77)
    assert from_json(to_json(tree)) == tree


@PROPERTY
@given(maps, maps)
def test_differences_are_the_changed_leaves(first: JsonObject, second: JsonObject) -> None:
    """Two trees have no differences exactly when their leaves have the same values."""
    one, other = tree_of(first), tree_of(second)
    same = {path: leaf.value for path, leaf in leaves(one).items()} == {
        path: leaf.value for path, leaf in leaves(other).items()
    }
    assert (differences(one, other) == []) is same


@PROPERTY
@given(maps)
def test_writing_the_same_again_changes_nothing(value: JsonObject) -> None:
    """A value that is there already is no change, and a newer time alone is none."""
    tree = tree_of(value, 1)
    assert write(tree, (), value, 2, CLASSIC) == []


@both
def test_changed_leaves_are_told(profile: Profile) -> None:
    """The key path of each leaf that changed is returned, in the order of writing."""
    tree = tree_of({"a": 1, "b": {"c": 2, "d": 3}})
    changed = write(tree, (), {"b": {"d": 4, "c": 2}, "e": [1]}, 2, profile)
    assert changed == [("b", "d"), ("e",)]


@both
def test_an_older_write_leaves_the_leaf(profile: Profile) -> None:
    """A leaf keeps the newest value; one of the same time replaces it."""
    tree = tree_of({"a": 1}, 5)
    assert write(tree, ("a",), 2, 4, profile) == []
    assert write(tree, ("a",), 3, 5, profile) == [("a",)]
    assert value_of(tree) == {"a": 3}


def test_an_older_update_is_refused_where_the_runtime_says_so() -> None:
    """The classic runtime refuses an update older than what is there; one of the same time it takes."""
    tree = tree_of({"a": {"b": 1}}, 5)
    check_update(tree, ("a",), {"b": 2}, 4, LITE)
    check_update(tree, ("a",), {"b": 2}, 5, CLASSIC)
    check_update(tree, ("new",), 1, 4, CLASSIC)
    with pytest.raises(IpcError, match="FailedUpdateConditionCheckError"):
        check_update(tree, ("a",), {"b": 2}, 4, CLASSIC)


@pytest.mark.parametrize(("items", "fits"), [(189, True), (190, True), (191, False)])
def test_objects_of_an_update(items: int, *, fits: bool) -> None:
    """Nucleus Lite hands an update on with 200 JSON objects at most, key path and frame included."""
    value: Json = [0] * items
    check_update(Branch(), ("a",), value, 1, CLASSIC)
    if fits:
        check_update(Branch(), ("a",), value, 1, LITE)
    else:
        with pytest.raises(IpcError, match="too many objects"):
            check_update(Branch(), ("a",), value, 1, LITE)


@pytest.mark.parametrize(("path", "value"), [(("a",), {"b": 1}), (("a",), {}), (("m",), 1), (("a", "b"), 1), ((), 1)])
def test_kinds_stay_on_lite(path: KeyPath, value: Json) -> None:
    """On Nucleus Lite a value does not become a map, nor a map a value."""
    tree = tree_of({"a": 1, "m": {"x": 1}})
    with pytest.raises(IpcError, match="ServiceError"):
        write(tree, path, value, 2, LITE)
    assert value_of(tree) == {"a": 1, "m": {"x": 1}}


def test_kinds_change_on_the_classic_runtime() -> None:
    """On the classic runtime the newer kind wins."""
    tree = tree_of({"a": 1, "m": {"x": 1}})
    write(tree, (), {"a": {"b": 1}, "m": 1}, 2, CLASSIC)
    assert value_of(tree) == {"a": {"b": 1}, "m": 1}


@pytest.mark.parametrize(("length", "fits"), [(1_021, True), (1_022, True), (1_023, False)])
def test_length_of_a_leaf(length: int, *, fits: bool) -> None:
    """A leaf has up to 1024 bytes of JSON on Nucleus Lite."""
    tree = Branch()
    if fits:
        write(tree, ("a",), "x" * length, 1, LITE)
    else:
        with pytest.raises(IpcError, match="a has 1025 bytes, 1024 fit"):
            write(tree, ("a",), "x" * length, 1, LITE)


def test_a_failed_update_keeps_what_came_before_the_fault() -> None:
    """Nucleus Lite writes leaf by leaf: those before a fault stay."""
    tree = Branch()
    with pytest.raises(IpcError):
        write(tree, (), {"a": 1, "b": "x" * 2_000, "c": 3}, 1, LITE)
    assert value_of(tree) == {"a": 1}


def test_a_new_recipe_brings_its_values_and_keeps_what_was_set() -> None:
    """After a deployment unset keys have the recipe's new values, set ones what was set, and old ones are gone."""
    old = tree_of({"kept": "recipe 1", "set": "recipe 1", "gone": 1}, 0)
    write(old, ("set",), "by a person", 9, CLASSIC)
    new = deployed(old, {"kept": "recipe 2", "set": "recipe 2"}, [], LITE)
    assert value_of(new) == {"kept": "recipe 2", "set": "by a person"}


def test_a_reset_brings_the_recipe_back() -> None:
    """A reset key has the recipe's value again; without one it is gone."""
    old = tree_of({"a": {"b": 1, "c": 2}, "d": 3}, 9)
    new = deployed(old, {"a": {"b": 0}}, [("a", "b"), ("d",)], LITE)
    assert value_of(new) == {"a": {"b": 0, "c": 2}}
    assert value_of(deployed(old, {"a": {"b": 0}}, [()], LITE)) == {"a": {"b": 0}}


@pytest.mark.parametrize(
    ("pointer", "path"),
    [("", ()), ("/", ()), ("/a", ("a",)), ("/a/b", ("a", "b")), ("a/b", ("a", "b")), ("/d~1e/~0", ("d/e", "~"))],
)
def test_json_pointers(pointer: str, path: KeyPath) -> None:
    """A pointer is split at its slashes, with the two escapes of RFC 6901."""
    assert pointer_path(pointer) == path


def test_what_is_missing_is_named() -> None:
    """A key path that leads nowhere raises with its text."""
    with pytest.raises(MissingKeyError, match="a/x"):
        find(tree_of({"a": {"b": 1}}), ("a", "x"))
    with pytest.raises(MissingKeyError):
        find(tree_of({"a": 1}), ("a", "x"))


@pytest.mark.parametrize("stored", [{}, [], {"timestamp_ms": "x"}, {"children": []}])
def test_a_damaged_store_is_refused(stored: Json) -> None:
    """What is no part of a stored tree raises ValueError."""
    with pytest.raises(ValueError, match="no part"):
        from_json(stored)

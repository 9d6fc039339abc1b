"""Decisions about shadows that need a clock or many documents."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.iot_core import shadow
from local.iot_core.shadow import Deleted, Json, JsonObject, Refused, Shadow

words = st.sampled_from(["a", "b", "c", "timestamp"])
scalars = st.one_of(st.booleans(), st.integers(-5, 5), st.sampled_from(["", "x", "ü"]), st.floats(-1, 1))
values: st.SearchStrategy[Json] = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=8
)
patches: st.SearchStrategy[Json] = st.recursive(
    scalars | st.none(),
    lambda inner: st.dictionaries(words, inner, max_size=3) | st.lists(scalars, max_size=2),
    max_leaves=8,
)
sections = st.none() | st.dictionaries(words, patches, max_size=3)
states = st.none() | st.fixed_dictionaries({}, optional={"desired": sections, "reported": sections})


def after(before: Shadow | Deleted | None, state: Any, now_s: int = 100) -> Shadow:
    return shadow.update(before, json.dumps({"state": state}).encode(), now_s).shadow


def shape(value: Json) -> Json:
    """Return what metadata's shape must be."""
    if isinstance(value, dict):
        return {name: shape(child) for name, child in value.items()}
    if isinstance(value, list):
        return [shape(child) for child in value]
    return "leaf"


def shape_of_stamps(metadata: Json, state: Json) -> Json:
    if isinstance(state, dict) and isinstance(metadata, dict):
        assert metadata.keys() == state.keys()
        return {name: shape_of_stamps(metadata[name], child) for name, child in state.items()}
    if isinstance(state, list) and isinstance(metadata, list):
        return [shape_of_stamps(stamp, child) for stamp, child in zip(metadata, state, strict=True)]
    assert isinstance(metadata, dict)
    assert list(metadata) == ["timestamp"]
    return "leaf"


def holds_null(value: Json) -> bool:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return value is None or any(holds_null(child) for child in children)


@pytest.mark.slow
@given(st.lists(states, max_size=5))
def test_metadata_always_has_the_state_s_shape(updates: list[Any]) -> None:
    """After any updates the metadata mirrors the state, no null is kept, and no section is empty."""
    present: Shadow | None = None
    for number, state in enumerate(updates):
        before = copy.deepcopy(present)
        following = after(present, state, now_s=number)
        assert present == before  # an update makes a new value
        present = following
        assert present.version == number + 1
        assert shape_of_stamps(present.metadata, present.state) == shape(present.state)
        assert not holds_null(present.state)
        assert all(present.state.values())


@pytest.mark.slow
@given(states, states)
def test_an_update_done_twice_changes_no_state(first: Any, second: Any) -> None:
    """The same update a second time leaves the state as it is."""
    once = after(after(None, first), second)
    assert after(once, second).state == once.state


def merged(value: Json, delta: Json) -> Json:
    if isinstance(value, dict) and isinstance(delta, dict):
        return {**value, **{name: merged(value.get(name), child) for name, child in delta.items()}}
    return delta


@pytest.mark.slow
@given(st.dictionaries(words, values, max_size=3), st.dictionaries(words, values, max_size=3))
def test_a_device_that_does_the_delta_has_none_left(desired: JsonObject, reported: JsonObject) -> None:
    """Merging the delta into reported leaves no delta, and the delta holds nothing else than desired."""
    delta = shadow.difference(desired, reported)
    done = merged(reported, delta)
    assert isinstance(done, dict)
    assert shadow.difference(desired, done) == {}
    assert shadow.difference(delta, desired) == {}


def test_leaves_keep_the_time_of_their_last_change() -> None:
    """Only the leaves that an update names get its time, though their value be the same."""
    first = after(None, {"desired": {"a": 1, "b": {"c": 2, "d": [3, 4]}}}, now_s=10)
    second = after(first, {"desired": {"b": {"c": 2}}}, now_s=20)
    ten, twenty = {"timestamp": 10}, {"timestamp": 20}
    assert second.metadata == {"desired": {"a": ten, "b": {"c": twenty, "d": [ten, ten]}}}
    third = after(second, {"desired": {"b": {"d": [3]}}}, now_s=30)
    assert third.metadata == {"desired": {"a": ten, "b": {"c": twenty, "d": [{"timestamp": 30}]}}}


def test_messages_of_an_update() -> None:
    """The delta has desired's times for its own leaves alone; documents show before and after; all have the token."""
    first = after(None, {"desired": {"a": 1, "b": {"c": 2, "l": [1, 2]}}, "reported": {"a": 1}}, now_s=10)
    request = {"state": {"reported": {"b": {"c": 2}}}, "clientToken": "t", "version": 1}
    outcome = shadow.update(first, json.dumps(request).encode(), 20)
    ten, twenty = {"timestamp": 10}, {"timestamp": 20}
    assert outcome.delta == {
        "version": 2,
        "timestamp": 20,
        "state": {"b": {"l": [1, 2]}},
        "metadata": {"b": {"l": [ten, ten]}},
        "clientToken": "t",
    }
    desired = {"a": 1, "b": {"c": 2, "l": [1, 2]}}
    desired_times = {"a": ten, "b": {"c": ten, "l": [ten, ten]}}
    assert outcome.documents == {
        "previous": {
            "state": {"desired": desired, "reported": {"a": 1}},
            "metadata": {"desired": desired_times, "reported": {"a": ten}},
            "version": 1,
        },
        "current": {
            "state": {"desired": desired, "reported": {"a": 1, "b": {"c": 2}}},
            "metadata": {"desired": desired_times, "reported": {"a": ten, "b": {"c": twenty}}},
            "version": 2,
        },
        "timestamp": 20,
        "clientToken": "t",
    }


def test_no_delta_when_there_is_no_difference() -> None:
    """An update after which desired and reported agree tells no delta; a first one has no previous document."""
    outcome = shadow.update(None, b'{"state":{"desired":{"a":{"b":1}},"reported":{"a":{"b":1}}}}', 1)
    assert outcome.delta is None
    assert "previous" not in outcome.documents
    assert shadow.view(outcome.shadow, 5)["state"] == {"desired": {"a": {"b": 1}}, "reported": {"a": {"b": 1}}}


@pytest.mark.parametrize(("later_s", "version"), [(0, 8), (48 * 3600 - 1, 8), (48 * 3600, 8), (48 * 3600 + 1, 1)])
def test_a_deleted_shadow_s_version_is_followed_for_two_days(later_s: int, version: int) -> None:
    """A new shadow follows the version of one deleted in the last 48 hours, and begins anew after that."""
    gone, answer = shadow.delete(Shadow(7, 1, {"reported": {"a": 1}}, {}), 1000, "t")
    assert answer == {"version": 7, "timestamp": 1000, "clientToken": "t"}
    fresh = after(gone, {"desired": {"b": 1}}, now_s=1000 + later_s)
    assert (fresh.version, fresh.state) == (version, {"desired": {"b": 1}})


def test_a_refusal_carries_the_token() -> None:
    """A refused request's document has code, message, time, and the client token if one could be read."""
    with pytest.raises(Refused) as refused:
        shadow.update(None, b'{"clientToken":"t"}', 1)
    expected = {"code": 400, "message": "Missing required node: state", "timestamp": 9, "clientToken": "t"}
    assert refused.value.document(9) == expected
    with pytest.raises(Refused) as refused:
        shadow.update(None, b"{", 1)
    assert refused.value.document(9) == {"code": 400, "message": "Payload contains invalid json", "timestamp": 9}


@pytest.mark.parametrize(
    ("body", "token"), [(b"", None), (b"noise", None), (b'{"clientToken":"x"}', "x"), (b"[1]", None)]
)
def test_get_and_delete_take_any_body(body: bytes, token: str | None) -> None:
    """The body of a get or delete is looked at for a client token and for nothing else."""
    assert shadow.client_token_of(body) == token


@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,state1desrpo null\\u', max_size=60).map(str.encode))
def test_any_bytes_are_decided(body: bytes) -> None:
    """Bytes of any kind are accepted or refused; nothing else is raised."""
    try:
        outcome = shadow.update(None, body, 1)
    except Refused as refusal:
        assert refusal.code in (400, 409, 413, 415)
    else:
        assert outcome.shadow.version == 1


def test_lone_surrogates_are_not_text() -> None:
    """A JSON escape that stands for half a character is refused, for it could not be sent on."""
    with pytest.raises(Refused):
        shadow.update(None, b'{"state":{"reported":{"a":"\\ud800"}}}', 1)

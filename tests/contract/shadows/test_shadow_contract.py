"""What a device shadow does, whoever serves it."""

import json
import time
from typing import Any

import pytest

from tests.contract.shadows.doors import Document, Door, Turned

STATE_BYTES_MAX = 8_192
LEVELS_MAX = 8


def request(state: Any, **more: Any) -> bytes:
    return json.dumps({"state": state, **more}).encode()


def state_after(door: Door, thing: str, *states: Any) -> Any:
    """Return the state that a get shows after these updates."""
    for state in states:
        door.update(thing, "site", request(state))
    return door.get(thing, "site")["state"]


def refusal(door: Door, thing: str, body: bytes) -> tuple[int, str]:
    with pytest.raises(Turned) as turned:
        door.update(thing, "site", body)
    return turned.value.code, turned.value.message


MERGES: dict[str, tuple[list[Any], Any]] = {
    "created": ([{"desired": {"a": 1}}], {"desired": {"a": 1}, "delta": {"a": 1}}),
    "both sections": (
        [{"desired": {"on": True}}, {"reported": {"on": False}}],
        {"desired": {"on": True}, "reported": {"on": False}, "delta": {"on": True}},
    ),
    "reported only has no delta": ([{"reported": {"a": 1}}], {"reported": {"a": 1}}),
    "equal has no delta": (
        [{"desired": {"a": {"b": [1, {"c": "d"}]}}, "reported": {"a": {"b": [1, {"c": "d"}]}, "more": 1}}],
        {"desired": {"a": {"b": [1, {"c": "d"}]}}, "reported": {"a": {"b": [1, {"c": "d"}]}, "more": 1}},
    ),
    "untouched keys stay": (
        [{"desired": {"a": 1, "b": {"c": 2}}}, {"desired": {"b": {"d": 3}}}, {"reported": None}],
        {"desired": {"a": 1, "b": {"c": 2, "d": 3}}, "delta": {"a": 1, "b": {"c": 2, "d": 3}}},
    ),
    "delta goes down into objects": (
        [{"desired": {"a": {"x": 1, "y": {"z": 2}}}, "reported": {"a": {"x": 1, "y": {"z": 3, "w": 4}}}}],
        {
            "desired": {"a": {"x": 1, "y": {"z": 2}}},
            "reported": {"a": {"x": 1, "y": {"z": 3, "w": 4}}},
            "delta": {"a": {"y": {"z": 2}}},
        },
    ),
    "delta shows equal objects no more": (
        [{"desired": {"same": {"x": 1}, "new": {"x": 1}}, "reported": {"same": {"x": 1}}}],
        {
            "desired": {"same": {"x": 1}, "new": {"x": 1}},
            "reported": {"same": {"x": 1}},
            "delta": {"new": {"x": 1}},
        },
    ),
    "arrays differ as a whole": (
        [{"reported": {"l": ["a", "b"]}, "desired": {"l": ["a"]}}],
        {"reported": {"l": ["a", "b"]}, "desired": {"l": ["a"]}, "delta": {"l": ["a"]}},
    ),
    "arrays are replaced": (
        [{"reported": {"l": [1, 2, 3]}}, {"reported": {"l": [4]}}],
        {"reported": {"l": [4]}},
    ),
    "an object takes the place of a value": (
        [{"reported": {"a": 1, "b": {"c": 2}}}, {"reported": {"a": {"x": 1}, "b": 3}}],
        {"reported": {"a": {"x": 1}, "b": 3}},
    ),
    "null deletes a key": (
        [{"reported": {"a": 1, "b": {"c": 2, "d": 3}}}, {"reported": {"a": None, "b": {"c": None}}}],
        {"reported": {"b": {"d": 3}}},
    ),
    "null of a key that is not there": (
        [{"reported": {"a": None, "b": {"c": None, "d": 1}}}],
        {"reported": {"b": {"d": 1}}},
    ),
    "null clears a section": (
        [{"desired": {"a": 1}, "reported": {"a": 2}}, {"reported": None}],
        {"desired": {"a": 1}, "delta": {"a": 1}},
    ),
    "null clears the state": ([{"desired": {"a": 1}, "reported": {"a": 2}}, None], {}),
    "the last key takes its section along": ([{"desired": {"a": 1}}, {"desired": {"a": None}}], {}),
    "an empty section is no section": ([{"desired": {}}], {}),
    "an empty section changes nothing": ([{"reported": {"a": 1}}, {"reported": {}}], {"reported": {"a": 1}}),
    "an empty state changes nothing": ([{"reported": {"a": 1}}, {}], {"reported": {"a": 1}}),
    "an empty object is a value": (
        [{"desired": {"a": 1, "b": {"c": 3}}}, {"desired": {"b": {"c": {}}, "d": {}}}],
        {"desired": {"a": 1, "b": {"c": {}}, "d": {}}, "delta": {"a": 1, "b": {"c": {}}, "d": {}}},
    ),
    "true is not one": (
        [{"desired": {"a": True, "b": [0]}, "reported": {"a": 1, "b": [False]}}],
        {
            "desired": {"a": True, "b": [0]},
            "reported": {"a": 1, "b": [False]},
            "delta": {"a": True, "b": [0]},
        },
    ),
    "text of all kinds": ([{"reported": {"näme": '日本 " \\ \n'}}], {"reported": {"näme": '日本 " \\ \n'}}),
}


@pytest.mark.parametrize("case", MERGES)
def test_updates_merge(door: Door, thing: str, case: str) -> None:
    """Updates are merged into the state, and the state shows what desired has and reported has not."""
    states, expected = MERGES[case]
    assert state_after(door, thing, *states) == expected


def test_answer_repeats_the_request(door: Door, thing: str) -> None:
    """An accepted update answers with the request's state, new version, token, and a time for each leaf."""
    before_s = int(time.time()) - 300  # the other side's clock may differ
    state = {"desired": {"a": [1, {"b": 2}], "gone": None}, "reported": None}
    accepted = door.update(thing, "site", request(state, clientToken="t-1"))
    stamp = {"timestamp": accepted["timestamp"]}
    assert accepted.pop("timestamp") >= before_s
    assert accepted == {
        "state": state,
        "metadata": {"desired": {"a": [stamp, {"b": stamp}], "gone": stamp}, "reported": stamp},
        "version": 1,
        "clientToken": "t-1",
    }


def leaves(metadata: Any) -> Any:
    """Return metadata's shape, each stamp as a dot."""
    if isinstance(metadata, list):
        return [leaves(child) for child in metadata]
    if set(metadata) == {"timestamp"} and isinstance(metadata["timestamp"], int):
        return "."
    return {name: leaves(child) for name, child in metadata.items()}


def test_metadata_has_a_time_for_every_leaf(door: Door, thing: str) -> None:
    """Every leaf and every array element has its time; what is deleted has none."""
    door.update(thing, "site", request({"desired": {"a": 1, "b": {"c": [1, [2, {"d": 3}]]}, "x": {"y": 1}}}))
    door.update(
        thing, "site", request({"reported": {"timestamp": 5}, "desired": {"x": {"y": None, "z": 1}, "a": None}})
    )
    assert leaves(door.get(thing, "site")["metadata"]) == {
        "desired": {"b": {"c": [".", [".", {"d": "."}]]}, "x": {"z": "."}},
        "reported": {"timestamp": "."},
    }


def test_versions_count_updates(door: Door, thing: str) -> None:
    """Each accepted update is one version more, a refused one is none."""
    assert [door.update(thing, "site", request({}))["version"] for _ in range(3)] == [1, 2, 3]
    refusal(door, thing, b"{}")
    refusal(door, thing, request({}, version=1))
    assert door.get(thing, "site")["version"] == 3
    assert door.update(thing, "site", request({"reported": {"a": 1}}, version=3))["version"] == 4


def test_conflict_changes_nothing(door: Door, thing: str) -> None:
    """An update that names another version than the present one is refused with 409."""
    door.update(thing, "site", request({"desired": {"a": 1}}))
    for version in (0, 2, 7):
        assert refusal(door, thing, request({"desired": {"a": 2}}, version=version)) == (409, "Version conflict")
    assert door.get(thing, "site")["state"]["desired"] == {"a": 1}


def test_missing_shadow_is_not_found(door: Door, thing: str) -> None:
    """Getting or deleting a shadow that is not there is refused with 404."""
    for ask in (door.get, door.delete):
        for name in (None, "site"):
            with pytest.raises(Turned) as turned:
                ask(thing, name)
            assert turned.value.code == 404
            assert turned.value.message.startswith("No shadow exists with name: ")


def test_named_and_classic_are_apart(door: Door, thing: str) -> None:
    """The classic shadow, named shadows and other things' shadows know nothing of each other."""
    for thing_name, name in ((thing, None), (thing, "site"), (thing, "camera-1"), (f"{thing}-b", "site")):
        door.update(thing_name, name, request({"reported": {"me": f"{thing_name} {name}"}}))
    for thing_name, name in ((thing, None), (thing, "site"), (thing, "camera-1"), (f"{thing}-b", "site")):
        assert door.get(thing_name, name)["state"] == {"reported": {"me": f"{thing_name} {name}"}}
    door.delete(thing, "site")
    assert door.get(thing, None)["version"] == 1


def test_deletion_keeps_the_version(door: Door, thing: str) -> None:
    """A shadow made anew after a deletion follows the deleted one's version and has nothing of its state."""
    for number in range(3):
        door.update(thing, "site", request({"reported": {"n": number}}))
    deleted = door.delete(thing, "site")
    assert deleted["version"] == 3
    with pytest.raises(Turned):
        door.get(thing, "site")
    assert door.update(thing, "site", request({"desired": {"m": 1}}))["version"] > 3
    assert door.get(thing, "site")["state"] == {"desired": {"m": 1}, "delta": {"m": 1}}


BAD: dict[str, tuple[bytes, int]] = {
    "no JSON": (b'{"state": ', 400),
    "empty": (b"", 400),
    "no object": (b"[1]", 400),
    "NaN": (b'{"state": {"reported": {"a": NaN}}}', 400),
    "infinite": (b'{"state": {"reported": {"a": 1e999}}}', 400),
    "no state": (b'{"version": 1}', 400),
    "state is a string": (request("on"), 400),
    "state is an array": (request([]), 400),
    "unknown section": (request({"wanted": {}}), 400),
    "desired is a string": (request({"desired": "on"}), 400),
    "reported is an array": (request({"reported": [1]}), 400),
    "null in an array": (request({"reported": {"a": [1, None]}}), 400),
    "version is a string": (request({}, version="1"), 400),
    "version is true": (request({}, version=True), 400),
    "token is a number": (request({}, clientToken=5), 400),
    "not UTF-8": (b'{"state": {"reported": {"a": "\xff"}}}', 415),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_requests_are_refused(door: Door, thing: str, case: str) -> None:
    """A request that is not one is refused, and the shadow is not made."""
    body, code = BAD[case]
    assert refusal(door, thing, body)[0] == code
    with pytest.raises(Turned):
        door.get(thing, "site")


@pytest.mark.parametrize(("length", "accepted"), [(63, True), (64, True), (65, False)])
def test_client_token_has_a_limit(door: Door, thing: str, length: int, accepted: bool) -> None:
    """A client token has at most 64 bytes."""
    body = request({}, clientToken="é" * (length // 2) + "t" * (length % 2))
    if accepted:
        assert len(door.update(thing, "site", body)["clientToken"].encode()) == length
    else:
        assert refusal(door, thing, body) == (400, "Invalid clientToken")


def nested(levels: int, innermost: Any) -> Any:
    """Return a section whose innermost value is this many names down."""
    for level in range(levels, 0, -1):
        innermost = {f"l{level}": innermost}
    return innermost


@pytest.mark.parametrize("section", ["desired", "reported"])
def test_depth_has_a_limit(door: Door, thing: str, section: str) -> None:
    """A section has at most eight levels; arrays count."""
    for fits in (nested(LEVELS_MAX - 1, 1), nested(LEVELS_MAX, 1), nested(LEVELS_MAX - 1, [1])):
        door.update(thing, "site", request({section: fits}))
    for too_deep in (nested(LEVELS_MAX + 1, 1), nested(LEVELS_MAX, [1]), nested(60, 1)):
        code, message = refusal(door, thing, request({section: too_deep}))
        assert code == 400
        assert "levels" in message


def test_depth_beyond_any_parser_is_refused(door: Door, thing: str) -> None:
    """A document nested a hundred thousand times is refused like any other that is too deep."""
    assert refusal(door, thing, b'{"state":{"reported":{"a":' + b"[" * 100_000)[0] == 400


def of_size(size_bytes: int, **sections: Any) -> Document:
    """Return a state whose compact JSON has exactly this size."""
    empty = {**sections, "desired": {"text": ""}}
    room = size_bytes - len(json.dumps(empty, separators=(",", ":")).encode())
    assert room >= 0
    return {**sections, "desired": {"text": "x" * room}}


@pytest.mark.parametrize(
    ("size_bytes", "accepted"), [(STATE_BYTES_MAX - 1, True), (STATE_BYTES_MAX, True), (STATE_BYTES_MAX + 1, False)]
)
def test_state_has_a_limit(door: Door, thing: str, size_bytes: int, accepted: bool) -> None:
    """The state, desired and reported together as compact JSON, has at most 8 KB."""
    body = request(of_size(size_bytes, reported={"n": 1}))
    if accepted:
        door.update(thing, "site", body)
    else:
        assert refusal(door, thing, body)[0] == 413


def test_limit_is_on_the_merged_state(door: Door, thing: str) -> None:
    """What counts is the state after the update: small steps cannot pass the limit, and nulls make room."""
    for number in range(8):
        door.update(thing, "site", request({"reported": {f"k{number}": "x" * 1000}}))
    assert refusal(door, thing, request({"desired": {"k": "x" * 1000}}))[0] == 413
    assert door.get(thing, "site")["version"] == 8
    door.update(thing, "site", request({"desired": {"k": "x" * 1000}, "reported": {"k0": None}}))


def test_metadata_and_blanks_do_not_count(door: Door, thing: str) -> None:
    """A state of many leaves is accepted although its metadata is far larger; blanks in the request are nothing."""
    state = {"reported": {"l": [0] * 2000}}
    door.update(thing, "site", json.dumps({"state": state}, indent=8).encode())
    document = door.get(thing, "site")
    assert len(document["metadata"]["reported"]["l"]) == 2000
    assert len(json.dumps(document["metadata"])) > 3 * STATE_BYTES_MAX


@pytest.mark.parametrize(("length", "accepted"), [(64, True), (65, False)])
def test_shadow_names_have_a_limit(door: Door, thing: str, length: int, accepted: bool) -> None:
    """A shadow's name has at most 64 characters."""
    name = "n" * length
    if accepted:
        assert door.update(thing, name, request({}))["version"] == 1
    else:
        with pytest.raises(Turned) as turned:
            door.update(thing, name, request({}))
        assert turned.value.code == 400

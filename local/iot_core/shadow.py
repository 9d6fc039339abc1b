"""What a device shadow becomes under an update, and what is said about it; pure.

Decides as the AWS IoT Device Shadow service does (developer guide, "Device Shadow service documents", "Device Shadow
MQTT topics", "Device Shadow error messages", and the quotas of the general reference). Knows nothing of things,
names, topics, files or clocks: the time comes as an argument. Where the guide is silent, the behaviour that was
observed by others against AWS is taken: an empty object is a value like any other, but an empty `desired` or
`reported` is no section; a section whose last key is deleted is gone.

Keeps:
- a refused request changes nothing;
- `state` holds a section only if it is not empty, and `metadata` has its exact shape, a timestamp for every leaf and
  every array element;
- versions only grow, through a deletion too, until `VERSION_KEPT_S` after it.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import NoReturn, TypeAlias, cast

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
JsonObject: TypeAlias = "dict[str, Json]"

STATE_BYTES_MAX = 8_192  # quota "Maximum size of a JSON state document"; metadata does not count
STATE_LEVELS_MAX = 8  # quota "Maximum depth of JSON device state documents", counted below desired and reported
CLIENT_TOKEN_BYTES_MAX = 64  # "Client tokens in shadow documents"
VERSION_KEPT_S = 48 * 3600  # a deleted shadow's version is followed for so long ("Interacting with shadows")
SECTIONS = ("desired", "reported")


@dataclass(frozen=True, slots=True)
class Shadow:
    """A shadow as it is kept. Nobody changes the mappings in place."""

    version: int
    timestamp_s: int
    state: JsonObject
    metadata: JsonObject


@dataclass(frozen=True, slots=True)
class Deleted:
    """What is left of a deleted shadow: the version that the next one follows."""

    version: int
    deleted_s: int


@dataclass(frozen=True, slots=True)
class Updated:
    """The outcome of an accepted update; `delta` is None when desired and reported agree."""

    shadow: Shadow
    accepted: JsonObject
    delta: JsonObject | None
    documents: JsonObject


class Refused(Exception):  # noqa: N818  an answer of the service, not a failure
    """A request the shadow service turns down; `code` is the HTTP status."""

    def __init__(self, code: int, message: str, client_token: str | None = None) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.client_token = client_token

    def document(self, now_s: int) -> JsonObject:
        """Return the body of the `/rejected` message."""
        body: JsonObject = {"code": self.code, "message": self.message, "timestamp": now_s}
        return _with_token(body, self.client_token)


def _with_token(body: JsonObject, client_token: str | None) -> JsonObject:
    return body if client_token is None else {**body, "clientToken": client_token}


def to_bytes(document: Json) -> bytes:
    """Return the compact JSON that goes over the wire and that sizes are measured on."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


# ---- reading a request ----


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is out of range")
    return value


def _parse(raw: bytes) -> Json:
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise Refused(415, "Unsupported documented encoding; supported encoding is UTF-8") from error
    try:
        document = cast(Json, json.loads(text, parse_constant=_no_constant, parse_float=_finite))
        to_bytes(document)  # a lone surrogate parses but is no text
    except RecursionError as error:
        raise _too_deep(None) from error
    except ValueError as error:
        raise Refused(400, "Payload contains invalid json") from error
    return document


def _too_deep(client_token: str | None) -> Refused:
    message = f"JSON contains too many levels of nesting; maximum is {STATE_LEVELS_MAX}"
    return Refused(400, message, client_token)


def client_token_of(raw: bytes) -> str | None:
    """Return the client token of a get or delete request, whose body may be empty or anything at all."""
    try:
        body = _parse(raw) if raw else None
    except Refused:
        return None
    return _client_token(body) if isinstance(body, dict) else None


def _client_token(body: JsonObject) -> str | None:
    token = body.get("clientToken")
    if token is None:
        return None
    if not isinstance(token, str) or len(token.encode()) > CLIENT_TOKEN_BYTES_MAX:
        raise Refused(400, "Invalid clientToken")
    return token


def _levels(value: Json) -> int:
    """Count the levels of names and array places below a value; an empty container has none."""
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max((1 + _levels(child) for child in children), default=0)


def _has_null_in_array(value: Json, inside_array: bool = False) -> bool:
    if value is None:
        return inside_array
    if isinstance(value, dict):
        return any(_has_null_in_array(child, inside_array) for child in value.values())
    if isinstance(value, list):
        return any(_has_null_in_array(child, True) for child in value)
    return False


def _sections(body: JsonObject, token: str | None) -> JsonObject:
    """Return the sections asked to change; a section of None is to be removed."""
    if "state" not in body:
        raise Refused(400, "Missing required node: state", token)
    state = body["state"]
    if state is None:
        return dict.fromkeys(SECTIONS)
    if not isinstance(state, dict):
        raise Refused(400, "State node must be an object", token)
    for name, section in state.items():
        if name not in SECTIONS:
            raise Refused(400, f"State contains an invalid node: '{name}'", token)
        if section is not None and not isinstance(section, dict):
            raise Refused(400, f"{name.capitalize()} node must be an object", token)
        if _levels(section) > STATE_LEVELS_MAX:
            raise _too_deep(token)
        if _has_null_in_array(section):
            raise Refused(400, f"State contains an invalid node: '{name}'; an array holds null", token)
    return state


def _version(body: JsonObject, token: str | None) -> int | None:
    version = body.get("version")
    if version is not None and (not isinstance(version, int) or isinstance(version, bool) or version < 0):
        raise Refused(400, "Invalid version", token)
    return version


# ---- state and metadata ----


def _stamp(value: Json, now_s: int) -> Json:
    """Return metadata of a value's shape with the time at every leaf."""
    if isinstance(value, dict):
        return {name: _stamp(child, now_s) for name, child in value.items()}
    if isinstance(value, list):
        return [_stamp(child, now_s) for child in value]
    return {"timestamp": now_s}


def _without_nulls(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _without_nulls(child) for name, child in value.items() if child is not None}
    return value


def _merge(state: JsonObject, metadata: JsonObject, patch: JsonObject, now_s: int) -> tuple[JsonObject, JsonObject]:
    """Return state and metadata after the patch: objects are merged, all else replaced, null deletes."""
    state, metadata = dict(state), dict(metadata)
    for name, wanted in patch.items():
        if wanted is None:
            state.pop(name, None)
            metadata.pop(name, None)
            continue
        present, stamps = state.get(name), metadata.get(name)
        if isinstance(wanted, dict) and isinstance(present, dict) and isinstance(stamps, dict):
            state[name], metadata[name] = _merge(present, stamps, wanted, now_s)
        else:
            state[name] = _without_nulls(wanted)
            metadata[name] = _stamp(state[name], now_s)
    return state, metadata


def _same(one: Json, other: Json) -> bool:
    """Equality of JSON: true is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def difference(desired: JsonObject, reported: JsonObject) -> JsonObject:
    """Return the part of desired that reported does not have; empty when it has all. Arrays differ as a whole."""
    delta: JsonObject = {}
    for name, wanted in desired.items():
        if name not in reported:
            delta[name] = wanted
            continue
        present = reported[name]
        if isinstance(wanted, dict) and isinstance(present, dict):
            inner = difference(wanted, present)
            if inner:
                delta[name] = inner
        elif not _same(wanted, present):
            delta[name] = wanted
    return delta


def _cut(metadata: Json, shape: Json) -> Json:
    """Return the metadata of those leaves that `shape` has."""
    if isinstance(shape, dict) and isinstance(metadata, dict):
        return {name: _cut(metadata[name], child) for name, child in shape.items()}
    return metadata


def _section(document: JsonObject, name: str) -> JsonObject:
    return cast(JsonObject, document.get(name, {}))


def _delta(shadow: Shadow) -> JsonObject:
    return difference(_section(shadow.state, "desired"), _section(shadow.state, "reported"))


def _apply(before: Shadow | None, sections: JsonObject, version: int, now_s: int) -> Shadow:
    state = dict(before.state) if before else {}
    metadata = dict(before.metadata) if before else {}
    for name, patch in sections.items():
        merged, stamps = (
            ({}, {})
            if patch is None
            else _merge(_section(state, name), _section(metadata, name), cast(JsonObject, patch), now_s)
        )
        if merged:
            state[name], metadata[name] = merged, stamps
        else:
            state.pop(name, None)
            metadata.pop(name, None)
    return Shadow(version, now_s, state, metadata)


# ---- the three operations ----


def last_version(before: Shadow | Deleted | None, now_s: int) -> int:
    """Return the version that the next update follows; 0 when there is none."""
    if before is None or (isinstance(before, Deleted) and now_s - before.deleted_s > VERSION_KEPT_S):
        return 0
    return before.version


def update(before: Shadow | Deleted | None, request: bytes, now_s: int) -> Updated:
    """Decide an update request; raise Refused when it must not be done."""
    body = _parse(request)
    if not isinstance(body, dict):
        raise Refused(400, "Payload contains invalid json")
    token = _client_token(body)
    sections = _sections(body, token)
    asked, last = _version(body, token), last_version(before, now_s)
    if asked is not None and asked != last:
        raise Refused(409, "Version conflict", token)
    present = before if isinstance(before, Shadow) else None
    shadow = _apply(present, sections, last + 1, now_s)
    size_bytes = len(to_bytes(shadow.state))
    if size_bytes > STATE_BYTES_MAX:
        message = f"Json document too large. Size is {size_bytes}, max allowed: {STATE_BYTES_MAX}"
        raise Refused(413, message, token)
    version: JsonObject = {"version": shadow.version, "timestamp": now_s}
    accepted: JsonObject = {"state": body["state"], "metadata": _stamp(body["state"], now_s), **version}
    delta = _delta(shadow)
    delta_message: JsonObject = {
        **version,
        "state": delta,
        "metadata": _cut(_section(shadow.metadata, "desired"), delta),
    }
    documents: JsonObject = {"current": _plain(shadow), "timestamp": now_s}
    if present is not None:
        documents["previous"] = _plain(present)
    return Updated(
        shadow,
        _with_token(accepted, token),
        _with_token(delta_message, token) if delta else None,
        _with_token(documents, token),
    )


def _plain(shadow: Shadow) -> JsonObject:
    return {"state": shadow.state, "metadata": shadow.metadata, "version": shadow.version}


def view(shadow: Shadow, now_s: int, client_token: str | None = None) -> JsonObject:
    """Return the document that a get answers with: the delta is in its state when there is one."""
    delta = _delta(shadow)
    state = {**shadow.state, "delta": delta} if delta else shadow.state
    body: JsonObject = {
        "state": state,
        "metadata": shadow.metadata,
        "version": shadow.version,
        "timestamp": now_s,
    }
    return _with_token(body, client_token)


def delete(shadow: Shadow, now_s: int, client_token: str | None = None) -> tuple[Deleted, JsonObject]:
    """Return what stays of the shadow and the answer, which names the version that was deleted."""
    body: JsonObject = {"version": shadow.version, "timestamp": now_s}
    return Deleted(shadow.version, now_s), _with_token(body, client_token)

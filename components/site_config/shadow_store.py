"""The named shadows of this thing: the one door to iot-data.

Shadows are fetched and changed over HTTPS, because an MQTT packet above 5 KB never arrives on Nucleus Lite and a
shadow with its metadata is larger; and because an answer over HTTPS is delivery, which an OK of the bus is not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from components.shared.errors import Rejected, Transient
from components.site_config.aws_client import AwsClient, AwsSession, Refusal

_ACTIONS = "iot:GetThingShadow and iot:UpdateThingShadow"


class VersionConflict(Transient):
    """Somebody has changed the shadow since the version that the change was made on: fetch it and decide again."""


class TooLarge(Rejected):
    """The shadow would hold more than AWS IoT allows; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Shadow:
    """A shadow as fetched; a section that it does not have is None."""

    version: int
    desired: dict[str, Any] | None
    reported: dict[str, Any] | None


class ShadowStore(Protocol):
    """The shadows of one thing. Every call is one attempt; all raise Transient without an answer."""

    def get(self, name: str) -> Shadow | None:
        """The shadow; None when there is none."""

    def update_desired(self, name: str, patch: Mapping[str, Any], version: int) -> int:
        """Change the desired state (a merge patch) of that version, 0 for no shadow yet; the new version.

        VersionConflict when the shadow has another version, TooLarge, Rejected when it is refused otherwise.
        """

    def update_reported(self, name: str, patch: Mapping[str, Any]) -> int:
        """Change the reported state (a merge patch) of any version; the new version. Raises as `update_desired`."""


class IotShadowStore:
    """The shadows of a thing in AWS IoT Core."""

    def __init__(self, session: AwsSession, thing: str) -> None:
        self._client = AwsClient(session, "iot-data", _ACTIONS)
        self._thing = thing

    def get(self, name: str) -> Shadow | None:
        """See ShadowStore."""
        step = f"shadow {name}: get"
        try:
            answer = self._client.call(step, "get_thing_shadow", thingName=self._thing, shadowName=name)
        except Refusal as refusal:
            if refusal.status == 404:
                return None
            raise
        document = _object(answer["payload"], step)
        state = document.get("state")
        sections = state if isinstance(state, dict) else {}
        return Shadow(_version(document, step), _section(sections, "desired"), _section(sections, "reported"))

    def update_desired(self, name: str, patch: Mapping[str, Any], version: int) -> int:
        """See ShadowStore."""
        body: dict[str, Any] = {"state": {"desired": patch}}
        if version:
            body["version"] = version
        return self._update(name, body)

    def update_reported(self, name: str, patch: Mapping[str, Any]) -> int:
        """See ShadowStore."""
        return self._update(name, {"state": {"reported": patch}})

    def _update(self, name: str, body: Mapping[str, Any]) -> int:
        step = f"shadow {name}: update"
        payload = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        try:
            answer = self._client.call(
                step, "update_thing_shadow", thingName=self._thing, shadowName=name, payload=payload
            )
        except Refusal as refusal:
            if refusal.status == 409:
                raise VersionConflict(str(refusal)) from refusal
            if refusal.status == 413:
                raise TooLarge(str(refusal)) from refusal
            raise
        return _version(_object(answer["payload"], step), step)


def _object(payload: bytes, step: str) -> dict[str, Any]:
    try:
        document = json.loads(payload)
    except ValueError as error:
        raise Transient(f"{step}: the answer is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise Transient(f"{step}: the answer is not an object")
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:  # half a surrogate pair: JSON can say it, no text can hold it
        raise Rejected(f"{step}: the shadow holds what is no text: {error}") from error
    return document


def _section(state: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    section = state.get(name)
    return section if isinstance(section, dict) else None


def _version(document: Mapping[str, Any], step: str) -> int:
    version = document.get("version")
    if not isinstance(version, int):
        raise Transient(f"{step}: the answer names no version")
    return version

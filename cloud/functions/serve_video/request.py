"""Reads what somebody asks of the API: who it is, what of, and whether it makes sense. Pure.

API Gateway has checked the token; what it says of its holder decides here. A user belongs to groups of Cognito:

    site:{thing}    sees that site
    fleet           sees all sites

A site of others is refused before anything is looked up, whether it exists or not.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from components.shared.errors import Rejected
from components.shared.wire.object_keys import StreamName, check_id, check_thing
from components.shared.wire.units import NS_PER_S, Span, from_datetime

FLEET_GROUP = "fleet"
SITE_GROUP = "site:"

LIMIT_DEFAULT, LIMIT_MAX = 100, 1_000

_HOST = re.compile(r"[a-z0-9.-]{1,253}(:\d{1,5})?")
_LABEL = re.compile(r"[^\x00-\x1f]{1,64}")
_EVENT = re.compile(r"[A-Za-z0-9._:~-]{1,128}")


class Refused(Exception):  # noqa: N818 - an answer, not a fault of ours
    """Something is wrong with a request: `parameter` says with which part of it, if with one."""

    def __init__(self, status: int, message: str, parameter: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.parameter = parameter


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks, and which sites they see; None is all of them."""

    name: str
    sites: frozenset[str] | None

    def check(self, site: str) -> str:
        """`site` if they see it, else Refused."""
        if self.sites is not None and site not in self.sites:
            raise Refused(403, f"site {site!r} is not one of yours: its administrator can add you to its group", "site")
        return site


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: its route as the template names it, and its parameters as texts."""

    route: str
    viewer: Viewer
    path: Mapping[str, str]
    query: Mapping[str, str]
    host: str
    """The domain that the user sees: CloudFront tells it, since the API has another one."""

    def site(self) -> str:
        """The site that is asked for, if the viewer sees it."""
        try:
            return self.viewer.check(check_thing(self.path["site"]))
        except Rejected as error:
            raise Refused(400, str(error), "site") from error

    def camera(self) -> str:
        """The camera in the path."""
        return _checked_camera(self.path["camera"])

    def camera_if_any(self) -> str | None:
        """The camera that was asked for, if one was."""
        return _checked_camera(self.query["camera"]) if "camera" in self.query else None

    def stream(self) -> StreamName:
        """Main unless `sub` was asked for."""
        value = self.query.get("stream", "main")
        if value == "main":
            return "main"
        if value == "sub":
            return "sub"
        raise Refused(400, f"stream {value!r} is neither main nor sub", "stream")

    def span(self, seconds_max: int) -> Span:
        """The span from `start` to `end`."""
        start_ns, end_ns = (from_datetime(self._moment(name)) for name in ("start", "end"))
        if end_ns <= start_ns:
            raise Refused(400, "end is not after start", "end")
        if end_ns - start_ns > seconds_max * NS_PER_S:
            raise Refused(400, f"end is more than {_in_words(seconds_max)} after start: ask for a shorter span", "end")
        return Span(start_ns, end_ns)

    def limit(self) -> int:
        """How many things are wanted at once."""
        text = self.query.get("limit", str(LIMIT_DEFAULT))
        if not re.fullmatch(r"\d{1,6}", text) or not 1 <= int(text) <= LIMIT_MAX:
            raise Refused(400, f"limit {text!r} is no number from 1 to {LIMIT_MAX}", "limit")
        return int(text)

    def after(self) -> str:
        """Where the page before has ended, as `next_token` was told; empty for the first page."""
        text = self.query.get("next", "")
        try:
            return base64.b64decode(text.encode(), altchars=b"-_", validate=True).decode()
        except (binascii.Error, ValueError) as error:
            raise Refused(400, "next is not what an earlier answer gave as next", "next") from error

    def label(self) -> str | None:
        """The label that was asked for, if one was."""
        return self._matching("label", _LABEL, "1 to 64 letters")

    def event(self) -> str | None:
        """The id of an event that was asked for, if one was."""
        return self._matching("event", _EVENT, "1 to 128 of letters, digits and ._:~-")

    def only(self, *names: str) -> None:
        """Refuses parameters other than these: one that is misspelt must not be passed over in silence."""
        for name in self.query:
            if name not in names:
                known = ", ".join(names) or "none"
                raise Refused(400, f"parameter {name!r} is not known here; these are: {known}", name)

    def _matching(self, name: str, pattern: re.Pattern[str], form: str) -> str | None:
        value = self.query.get(name)
        if value is not None and not pattern.fullmatch(value):
            raise Refused(400, f"{name} {value!r} is not {form}", name)
        return value

    def _moment(self, name: str) -> datetime:
        text = self.query.get(name)
        if text is None:
            raise Refused(400, f"{name} is missing: a time such as 2026-11-21T04:05:06Z", name)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None or not 1971 <= moment.year <= 9000:
            raise Refused(400, f"{name} {text!r} is no time with its zone, such as 2026-11-21T04:05:06Z", name)
        return moment


def next_token(place: str) -> str:
    """A place in a list as a caller gets it."""
    return base64.urlsafe_b64encode(place.encode()).decode()


def read(event: Mapping[str, Any]) -> Asked:
    """The request in an event of API Gateway (payload format 2.0)."""
    try:
        claims = event["requestContext"]["authorizer"]["jwt"]["claims"]
    except (KeyError, TypeError) as error:
        raise Refused(401, "there is no token that API Gateway has checked") from error
    host = str(event.get("headers", {}).get("x-viewer-host", "")).lower()
    return Asked(
        route=event["routeKey"],
        viewer=viewer_of(claims),
        path=event.get("pathParameters") or {},
        query=event.get("queryStringParameters") or {},
        host=host if _HOST.fullmatch(host) else "",
    )


def viewer_of(claims: Mapping[str, Any]) -> Viewer:
    """Who the holder of a token is. A token without groups sees nothing."""
    groups = _groups(claims.get("cognito:groups"))
    name = str(claims.get("username") or claims.get("sub") or "?")
    if FLEET_GROUP in groups:
        return Viewer(name, None)
    sites = {group.removeprefix(SITE_GROUP) for group in groups if group.startswith(SITE_GROUP)}
    return Viewer(name, frozenset(sites))


def _groups(claim: Any) -> list[str]:
    """The groups in the claim; API Gateway makes one text of a list: `[fleet site:a]`. No name has a space in it."""
    if isinstance(claim, list):
        return [str(group) for group in claim]
    return str(claim or "").removeprefix("[").removesuffix("]").replace(",", " ").split()


def _checked_camera(value: str) -> str:
    try:
        return check_id(value, "camera")
    except Rejected as error:
        raise Refused(400, str(error), "camera") from error


def _in_words(seconds: int) -> str:
    return f"{seconds // 86_400} days" if seconds >= 2 * 86_400 else f"{seconds // 3600} hours"

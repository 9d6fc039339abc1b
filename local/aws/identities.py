"""Whose request it is: the secrets of the access keys that somebody was given here.

Four kinds of key: the stand-in's own pair, which may do everything; that of a function, whose name it carries; those of
a role that STS was asked for; those that the IoT credentials provider gave to a thing, whose session token says whose
they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sts.models import sts_backends

from local.aws.s3.faults import S3Fault

ACCESS_KEY_ID = "local"
SECRET_ACCESS_KEY = "local"  # noqa: S105 - a dummy: nothing real is behind it, and it is printed for everybody

FUNCTION_KEY = "function-"
"""What the access key of a function begins with; its name follows. The secret is the same."""


@dataclass(frozen=True, slots=True)
class Device:
    """A thing that came with credentials of its own: its name, its role, its keys, until when they hold."""

    thing: str
    role_alias: str
    access_key_id: str
    secret_access_key: str
    expires_s: int


class Identities:
    """Everybody who may sign. `device_of` reads the session token of a thing's credentials."""

    def __init__(self, device_of: Callable[[str], Device | None], now_s: Callable[[], float] = time.time) -> None:
        self._device_of = device_of
        self._now_s = now_s

    def device(self, token: str | None) -> Device | None:
        """The thing whose session token this is; an expired one is refused."""
        found = self._device_of(token) if token else None
        if found is not None and found.expires_s <= self._now_s():
            raise S3Fault(400, "ExpiredToken", "The provided token has expired.")
        return found

    def secret_of(self, access_key_id: str, token: str | None) -> str | None:
        """The secret of an access key, None when nobody was given such a key."""
        if access_key_id == ACCESS_KEY_ID:
            return SECRET_ACCESS_KEY
        if access_key_id.startswith(FUNCTION_KEY):
            return access_key_id
        device = self.device(token)
        if device is not None:
            return device.secret_access_key if device.access_key_id == access_key_id else None
        role = sts_backends[DEFAULT_ACCOUNT_ID]["aws"].get_assumed_role_from_access_key(access_key_id)
        return role.secret_access_key if role is not None else None

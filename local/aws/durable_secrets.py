"""Secrets that survive: moto's own, written down after every request that may have changed one.

A secret is kept as moto holds it, field by field, since there are few of them and every operation is then covered; a
new moto with other fields takes its own defaults for what is missing.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.secretsmanager.models import FakeSecret, secretsmanager_backends

from local.aws.http_server import WsgiApp, with_body_read
from local.aws.state import State

_READS = ("Get", "List", "Describe", "Batch", "Validate")


class DurableSecrets:
    """A WSGI application around moto for the requests signed for Secrets Manager."""

    def __init__(self, state: State, region: str, moto: WsgiApp) -> None:
        self._state = state
        self._region = region
        self._moto = moto
        self._lock = threading.Lock()
        self._kept: dict[str, str] = {}

    def restore(self) -> None:
        """Takes back what was written down."""
        store = secretsmanager_backends[DEFAULT_ACCOUNT_ID][self._region].secrets
        for name, text in self._state.read("SELECT name, facts FROM secret"):
            secret = FakeSecret(DEFAULT_ACCOUNT_ID, self._region, name, {}, "")
            secret.__dict__.update(json.loads(text, object_hook=_unpacked))
            store[name] = secret
            self._kept[name] = text

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answers one request, after what it changed is on disk."""
        action = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        if action.startswith(_READS):
            return self._moto(environ, start_response)
        with_body_read(environ)
        with self._lock:
            answer = list(self._moto(environ, start_response))
            self._keep()
        return answer

    def _keep(self) -> None:
        store = secretsmanager_backends[DEFAULT_ACCOUNT_ID][self._region].secrets
        found = {
            secret.name: json.dumps(_fields(secret), default=_packed)
            for secret in dict.values(store)
            if isinstance(secret, FakeSecret)
        }
        with self._state.change() as db:
            for name in self._kept.keys() - found.keys():
                db.execute("DELETE FROM secret WHERE name = ?", (name,))
            for name, text in found.items():
                if self._kept.get(name) != text:
                    db.execute("INSERT OR REPLACE INTO secret VALUES (?, ?)", (name, text))
        self._kept = found


def _fields(secret: FakeSecret) -> dict[str, Any]:
    return {name: value for name, value in vars(secret).items() if name != "replicas"}


def _packed(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    raise TypeError(f"a secret has a field of type {type(value).__name__}, which cannot be kept")


def _unpacked(value: dict[str, Any]) -> Any:
    return base64.b64decode(value["base64"]) if value.keys() == {"base64"} else value

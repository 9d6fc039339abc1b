"""Lifecycle events: what AWS IoT Core publishes when a client connects or disconnects; pure.

Developer guide, "Lifecycle events". A client id with `+` or `#` has none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from local.iot_core.message import Message


class Reason(Enum):
    """Why a connection ended, in AWS's words."""

    CLIENT_INITIATED_DISCONNECT = "CLIENT_INITIATED_DISCONNECT"
    CLIENT_ERROR = "CLIENT_ERROR"
    CONNECTION_LOST = "CONNECTION_LOST"
    DUPLICATE_CLIENTID = "DUPLICATE_CLIENTID"
    MQTT_KEEP_ALIVE_TIMEOUT = "MQTT_KEEP_ALIVE_TIMEOUT"
    AUTH_ERROR = "AUTH_ERROR"
    SERVER_INITIATED_DISCONNECT = "SERVER_INITIATED_DISCONNECT"


@dataclass(frozen=True, slots=True)
class Connection:
    """What is told of a connection; `number` counts the connections of this client id."""

    client_id: str
    session_id: str
    number: int
    ip_address: str
    keep_alive_s: int
    connected_ms: int


def _principal(client_id: str) -> str:
    """A certificate id as AWS forms it: 64 hex digits. Each client has a certificate of its own here."""
    return hashlib.sha256(client_id.encode()).hexdigest()


def _event(kind: str, connection: Connection, now_ms: int, extra: Mapping[str, object]) -> Message | None:
    if "+" in connection.client_id or "#" in connection.client_id:
        return None
    body = {
        "clientId": connection.client_id,
        "timestamp": now_ms,
        "eventType": kind,
        "sessionIdentifier": connection.session_id,
        "principalIdentifier": _principal(connection.client_id),
        **extra,
        "versionNumber": connection.number,
    }
    payload = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    return Message(f"$aws/events/presence/{kind}/{connection.client_id}", payload, qos=1)


def connected(connection: Connection) -> Message | None:
    """Return the event of a new connection."""
    return _event("connected", connection, connection.connected_ms, {"ipAddress": connection.ip_address})


def disconnected(connection: Connection, reason: Reason, now_ms: int) -> Message | None:
    """Return the event of an ended connection."""
    by_client = reason is Reason.CLIENT_INITIATED_DISCONNECT
    extra = {"clientInitiatedDisconnect": by_client, "disconnectReason": reason.value}
    return _event("disconnected", connection, now_ms, extra)

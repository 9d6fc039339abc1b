"""A message on its way through IoT Core."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """What was published: by a client (`client_id`), over HTTP or by the service itself (None)."""

    topic: str
    payload: bytes
    qos: int = 0
    client_id: str | None = None

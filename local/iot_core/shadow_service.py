"""The Device Shadow service: requests by name, answers, and the messages that follow.

Checks names, asks `shadow` for the decision, keeps it in the store, and only then tells anybody. One lock orders all
changes, so that messages of one shadow leave in the order of its versions. Knows no sockets: messages leave through
the function given at the start.

An update tells `/update/delta` (when there is a difference), `/update/documents`, `/update/accepted`, in this order
(AWS promises none). An HTTP request is told the same way, its refusal is not (developer guide, "Device Shadow error
messages").
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from local.iot_core import shadow
from local.iot_core.message import Message
from local.iot_core.shadow import Json, JsonObject, Refused, Shadow
from local.iot_core.shadow_store import ShadowStore

THING_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")  # iot-data API, ThingName
SHADOW_NAME = re.compile(r"[$a-zA-Z0-9:_-]{1,64}")  # iot-data API, ShadowName
PAGE_NAMES_MAX = 100  # iot-data API, PageSize
PAGE_NAMES_DEFAULT = 25
MESSAGE_QOS = 1  # answers are given with the QoS the subscriber asked for

Operation: TypeAlias = Literal["get", "update", "delete"]
_REQUEST_TOPIC = re.compile(r"\$aws/things/([^/]+)/shadow(?:/name/([^/]+))?/(get|update|delete)")


@dataclass(frozen=True, slots=True)
class ShadowRequest:
    """A request that came as a message."""

    thing: str
    name: str | None
    operation: Operation
    body: bytes


def request_in(message: Message) -> ShadowRequest | None:
    """Return the shadow request that a message is; None when it is none."""
    found = _REQUEST_TOPIC.fullmatch(message.topic)
    if found is None:
        return None
    return ShadowRequest(found[1], found[2], cast(Operation, found[3]), message.payload)


def is_answer_topic(topic: str) -> bool:
    """Tell whether only the service itself may publish to this topic."""
    return re.match(r"\$aws/things/[^/]+/shadow/(name/[^/]+/)?(get|update|delete)/", topic) is not None


class ShadowService:
    """Shadows of all things. Its methods may be called from any thread."""

    def __init__(
        self,
        store: ShadowStore,
        now_s: Callable[[], int],
        tell: Callable[[Sequence[Message]], None],
    ) -> None:
        self._store = store
        self._now_s = now_s
        self._tell = tell
        self._lock = threading.Lock()

    def get(self, thing: str, name: str | None, client_token: str | None = None) -> JsonObject:
        """Return the shadow document; Refused 404 when there is none."""
        _check(thing, name)
        with self._lock:
            return shadow.view(self._present(thing, name, client_token), self._now_s(), client_token)

    def update(self, thing: str, name: str | None, request: bytes) -> JsonObject:
        """Change the shadow and return the accepted document; the change is durable by then."""
        _check(thing, name)
        with self._lock:
            outcome = shadow.update(self._store.load(thing, name), request, self._now_s())
            self._store.save(thing, name, outcome.shadow)
            told = {"update/documents": outcome.documents, "update/accepted": outcome.accepted}
            if outcome.delta is not None:
                told = {"update/delta": outcome.delta, **told}
            self._tell([_message(thing, name, topic, body) for topic, body in told.items()])
        return outcome.accepted

    def delete(self, thing: str, name: str | None, client_token: str | None = None) -> JsonObject:
        """Delete the shadow; Refused 404 when there is none."""
        _check(thing, name)
        with self._lock:
            left, answer = shadow.delete(self._present(thing, name, client_token), self._now_s(), client_token)
            self._store.save(thing, name, left)
            self._tell([_message(thing, name, "delete/accepted", answer)])
        return answer

    def names(self, thing: str, page_size: int | None = None, next_token: str | None = None) -> JsonObject:
        """Return a page of the names of the thing's named shadows."""
        _check(thing, None)
        count = PAGE_NAMES_DEFAULT if page_size is None else page_size
        if not 1 <= count <= PAGE_NAMES_MAX:
            raise Refused(400, f"pageSize is {count}, it must be from 1 to {PAGE_NAMES_MAX}")
        with self._lock:
            names = [name for name in self._store.names(thing) if next_token is None or name > next_token]
            page = cast(list[Json], names[:count])
            more: JsonObject = {"nextToken": names[count - 1]} if len(names) > count else {}
            return {"results": page, "timestamp": self._now_s(), **more}

    def things(self) -> list[str]:
        """Return the things that have a shadow."""
        with self._lock:
            return self._store.things()

    def handle(self, request: ShadowRequest) -> None:
        """Do a request that came as a message, and answer with messages."""
        thing, name = request.thing, request.name
        try:
            if request.operation == "update":
                self.update(thing, name, request.body)
                return
            token = shadow.client_token_of(request.body)
            if request.operation == "delete":
                self.delete(thing, name, token)
                return
            answer = self.get(thing, name, token)
            self._tell([_message(thing, name, "get/accepted", answer)])
        except Refused as refusal:
            self.refuse(request, refusal)

    def refuse(self, request: ShadowRequest, refusal: Refused) -> None:
        """Answer a request that came as a message with its refusal."""
        topic = f"{request.operation}/rejected"
        self._tell([_message(request.thing, request.name, topic, refusal.document(self._now_s()))])

    def _present(self, thing: str, name: str | None, client_token: str | None) -> Shadow:
        record = self._store.load(thing, name)
        if not isinstance(record, Shadow):
            label = thing if name is None else f"{thing}~{name}"
            raise Refused(404, f"No shadow exists with name: '{label}'", client_token)
        return record


def _check(thing: str, name: str | None) -> None:
    if THING_NAME.fullmatch(thing) is None:
        raise Refused(400, f"Invalid thing name: '{thing}'")
    if name is not None and SHADOW_NAME.fullmatch(name) is None:
        raise Refused(400, f"Invalid shadow name: '{name}'")


def _message(thing: str, name: str | None, topic: str, body: JsonObject) -> Message:
    middle = "shadow" if name is None else f"shadow/name/{name}"
    return Message(f"$aws/things/{thing}/{middle}/{topic}", shadow.to_bytes(body), MESSAGE_QOS)

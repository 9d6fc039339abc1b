"""The ways to a shadow that the contract is checked through: the AWS SDK over HTTP, and MQTT topics."""

import itertools
import json
import queue
from dataclasses import dataclass
from typing import Any, Protocol

from botocore.exceptions import ClientError
from mypy_boto3_iot_data import IoTDataPlaneClient

from tests.integration.iot_core.paho_listener import Listener

Document = dict[str, Any]


@dataclass
class Turned(Exception):  # noqa: N818  the request was turned down
    """A request was refused."""

    code: int
    message: str


class Door(Protocol):
    """A way to the shadows of things."""

    def update(self, thing: str, name: str | None, body: bytes) -> Document:
        """Return the accepted document; raise Turned."""

    def get(self, thing: str, name: str | None) -> Document:
        """Return the shadow; raise Turned."""

    def delete(self, thing: str, name: str | None) -> Document:
        """Return the answer; raise Turned."""


class SdkDoor:
    """boto3's iot-data client, against whatever endpoint it was made for."""

    def __init__(self, client: IoTDataPlaneClient) -> None:
        self.client = client

    def update(self, thing: str, name: str | None, body: bytes) -> Document:
        return self._call("update_thing_shadow", thing, name, payload=body)

    def get(self, thing: str, name: str | None) -> Document:
        return self._call("get_thing_shadow", thing, name)

    def delete(self, thing: str, name: str | None) -> Document:
        return self._call("delete_thing_shadow", thing, name)

    def _call(self, operation: str, thing: str, name: str | None, **more: bytes) -> Document:
        named = {} if name is None else {"shadowName": name}
        try:
            answer = getattr(self.client, operation)(thingName=thing, **named, **more)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            raise Turned(status, error.response["Error"]["Message"]) from error
        document: Document = json.loads(answer["payload"].read())
        return document


class TopicDoor:
    """An MQTT client that publishes requests and waits for their answers."""

    def __init__(self, port: int) -> None:
        self.listener = Listener(port, "contract").connect()
        self._subscribed: set[str] = set()
        self._tokens = itertools.count()

    def update(self, thing: str, name: str | None, body: bytes) -> Document:
        return self._ask("update", thing, name, body)

    def get(self, thing: str, name: str | None) -> Document:
        return self._ask("get", thing, name, b"")

    def delete(self, thing: str, name: str | None) -> Document:
        return self._ask("delete", thing, name, b"")

    def _ask(self, operation: str, thing: str, name: str | None, body: bytes) -> Document:
        prefix = f"$aws/things/{thing}/shadow" + ("" if name is None else f"/name/{name}")
        if prefix not in self._subscribed:
            operations = ("get", "update", "delete")
            filters = [f"{prefix}/{one}/{end}" for one in operations for end in ("accepted", "rejected")]
            self.listener.subscribe(*filters)
            self._subscribed.add(prefix)
        self.listener.publish(f"{prefix}/{operation}", body)
        topic, document = self.listener.next_json()
        if topic == f"{prefix}/{operation}/rejected":
            raise Turned(document["code"], document["message"])
        assert topic == f"{prefix}/{operation}/accepted"
        assert isinstance(document, dict)
        return document

    def close(self) -> None:
        """Leave, and see that nothing came that was not asked for."""
        self.listener.close()
        try:
            extra = self.listener.messages.get_nowait()
        except queue.Empty:
            return
        raise AssertionError(f"unasked for: {extra.topic}")

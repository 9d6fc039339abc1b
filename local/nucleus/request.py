"""What an operation gets and gives: the request with its arguments, the stream it came on, the answer.

Knows nothing of sockets: `ipc_server` makes requests and sends answers, `*_operations` handle them.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from local.nucleus.ipc_error import IpcError
from local.nucleus.json_value import Json, JsonObject, is_string_list, strings


class Stream(Protocol):
    """The stream that a request came on; events go back on it as long as it is open."""

    @property
    def component(self) -> str:
        """Name of the component at the other end."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether events may be sent."""
        ...

    def hold(self, on_release: Callable[[], None]) -> None:
        """Count this stream as a subscription until it ends, or raise IpcError when there are too many.

        The last step of a handler that may fail: nothing gives the place back when a later one does.
        """
        ...

    def release(self) -> None:
        """End the subscription without telling the client, as a real core does."""
        ...

    async def send_event(self, model: str, payload: bytes) -> bool:
        """Send an event; False when the client did not read for too long, is gone, or it is too large."""
        ...


@dataclass(frozen=True)
class Arguments:
    """The arguments of a request, read with the error that this runtime gives for a wrong one."""

    values: JsonObject
    error_code: str

    def text(self, key: str) -> str:
        """Return a string that must be there."""
        value = self.values.get(key)
        if not isinstance(value, str):
            raise self.wrong(f"{key} is required and is a string")
        return value

    def optional_text(self, key: str) -> str | None:
        """Return a string that may be left out."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, str):
            raise self.wrong(f"{key} is a string")
        return value

    def mapping(self, key: str) -> JsonObject:
        """Return a map that must be there."""
        value = self.values.get(key)
        if not isinstance(value, dict):
            raise self.wrong(f"{key} is required and is a map")
        return value

    def key_path(self) -> tuple[str, ...]:
        """Return the key path; left out it is the empty one."""
        value: Json = self.values.get("keyPath")
        if value is not None and not is_string_list(value):
            raise self.wrong("keyPath is a list of strings")
        return tuple(strings(value))

    def wrong(self, message: str) -> IpcError:
        """Return the error for a wrong argument."""
        return IpcError(self.error_code, message)


@dataclass(frozen=True)
class Request:
    """One operation that a component asked for."""

    operation: str  # with its namespace, "aws.greengrass#PublishToTopic"
    component: str
    arguments: Arguments
    stream: Stream


@dataclass(frozen=True)
class Answer:
    """What goes back, and what happens right after it is on its way (so that no event overtakes it)."""

    payload: JsonObject = field(default_factory=dict)
    afterwards: Callable[[], None] | None = None


Handler = Callable[[Request], Awaitable[Answer]]


@dataclass(frozen=True)
class Operation:
    """One entry of the operations table."""

    handler: Handler
    is_streaming: bool = False

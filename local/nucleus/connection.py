"""One connected client: the way out to it, and its streams.

Knows nothing of tokens or operations. Invariants: frames leave whole and in the order in which they were
given; a stream that was held is released exactly once, at the latest when its connection ends.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from local.nucleus.event_stream import encode
from local.nucleus.ipc_error import SERVICE_ERROR, IpcError
from local.nucleus.message import application_message
from local.nucleus.profile import Profile

log = logging.getLogger(__name__)


@dataclass
class SubscriptionCount:
    """The open subscriptions of all connections together."""

    limit: int | None
    count: int = 0

    def take(self) -> None:
        """Count one more, or raise IpcError when there are as many as the core can hold."""
        if self.limit is not None and self.count >= self.limit:
            raise IpcError(SERVICE_ERROR, f"the core holds {self.limit} subscriptions, which is all it can")
        self.count += 1

    def give_back(self) -> None:
        """Count one less."""
        self.count -= 1


class Connection:
    """One client: its component once it has said who it is, and its way out."""

    def __init__(self, profile: Profile, subscriptions: SubscriptionCount, writer: asyncio.StreamWriter) -> None:
        self.profile = profile
        self.subscriptions = subscriptions
        self.component = ""
        self.streams: dict[int, ServerStream] = {}
        self._writer = writer
        self._one_at_a_time = asyncio.Lock()
        writer.transport.set_write_buffer_limits(high=0)  # `drain` then waits until the kernel has it all

    async def send(self, frame: bytes) -> bool:
        """Send a frame after those before it; False when they did not leave in the runtime's time."""
        if self._writer.is_closing():
            return False
        if self.profile.delivery_wait_s is None:
            self._writer.write(frame)
            return True
        async with self._one_at_a_time:
            try:
                async with asyncio.timeout(self.profile.delivery_wait_s):
                    await self._writer.drain()
            except (TimeoutError, ConnectionError):
                return False
            self._writer.write(frame)
        return True

    def close(self) -> None:
        """End the connection and all its streams; what was sent still leaves."""
        for stream in list(self.streams.values()):
            stream.release()
        self._writer.close()

    def abort(self) -> None:
        """End the connection and drop what is still waiting to leave."""
        self.close()
        self._writer.transport.abort()


class ServerStream:
    """One stream of a connection; held ones are subscriptions."""

    def __init__(self, connection: Connection, stream_id: int) -> None:
        self._connection = connection
        self._stream_id = stream_id
        self._on_release: Callable[[], None] | None = None

    @property
    def component(self) -> str:
        """Name of the component at the other end."""
        return self._connection.component

    @property
    def is_open(self) -> bool:
        """Whether events may be sent."""
        return self._connection.streams.get(self._stream_id) is self

    def hold(self, on_release: Callable[[], None]) -> None:
        """Count this stream as a subscription until it ends, or raise IpcError when there are too many."""
        self._connection.subscriptions.take()
        self._on_release = on_release
        self._connection.streams[self._stream_id] = self

    def release(self) -> None:
        """End the subscription without telling the client, as a real core does."""
        if not self.is_open:
            return
        del self._connection.streams[self._stream_id]
        self._connection.subscriptions.give_back()
        if self._on_release is not None:
            self._on_release()

    async def send_event(self, model: str, payload: bytes) -> bool:
        """Send an event; False when the client did not read for too long, is gone, or it is too large."""
        frame = encode(application_message(self._stream_id, model, payload))
        if len(frame) > self._connection.profile.event_frame_bytes_max:
            log.warning("%s: an event of %d bytes is too large and is skipped", self.component, len(frame))
            return False
        return self.is_open and await self._connection.send(frame)

"""The IPC socket: accepts components, checks their tokens, hands their requests to the operations.

Decides what becomes of a frame (handshake, request, end of a stream) and when a connection is closed;
knows nothing of what the operations do. Invariants: nothing is answered before a token was accepted; the
requests of one connection are handled in their order; when a connection ends, all its streams end.
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from pathlib import Path

from local.nucleus.connection import Connection, ServerStream, SubscriptionCount
from local.nucleus.event_stream import PRELUDE_BYTES, Frame, FramingError, decode, decode_prelude, encode
from local.nucleus.ipc_error import SERVICE_ERROR, IpcError
from local.nucleus.json_limits import object_cost
from local.nucleus.json_value import JsonObject, compact
from local.nucleus.message import (
    APPLICATION_MESSAGE,
    CONNECT,
    CONNECT_ACK,
    CONNECTION_ACCEPTED,
    NAMESPACE,
    PING,
    PING_RESPONSE,
    PROTOCOL_VERSION,
    TERMINATE_STREAM,
    application_error,
    application_message,
    protocol_message,
)
from local.nucleus.profile import Profile
from local.nucleus.request import Arguments, Operation, Request

log = logging.getLogger(__name__)


class ConnectionEndedError(Exception):
    """The connection is to be closed, with the reason for the log."""


class IpcServer:
    """Listens on the socket and hands requests to the operations."""

    def __init__(self, profile: Profile, tokens: Mapping[str, str], operations: Mapping[str, Operation]) -> None:
        self._profile = profile
        self._subscriptions = SubscriptionCount(profile.subscriptions_max)
        self._tokens = tokens
        self._operations = operations
        self._connections: dict[Connection, asyncio.Task[None] | None] = {}
        self._server: asyncio.Server | None = None

    async def listen(self, path: Path) -> None:
        """Serve on a Unix socket; a left-over socket file is replaced."""
        path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, path)
        path.chmod(0o660)

    async def close(self) -> None:
        """Stop listening and end every connection."""
        if self._server is not None:
            self._server.close()
        tasks = [task for task in self._connections.values() if task is not None]
        for connection in list(self._connections):
            connection.abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        limit = self._profile.clients_max
        if limit is not None and len(self._connections) >= limit:
            log.warning("a client is turned away: %d are connected", limit)
            writer.close()
            return
        connection = Connection(self._profile, self._subscriptions, writer)
        self._connections[connection] = asyncio.current_task()
        try:
            while True:
                await self._handle(connection, await self._read(reader))
        except (asyncio.IncompleteReadError, ConnectionError):
            log.debug("%s disconnected", connection.component or "a client")
        except (FramingError, ConnectionEndedError) as error:
            log.warning("%s is disconnected: %s", connection.component or "a client", error)
        except asyncio.CancelledError:
            log.debug("%s is disconnected: the core stops", connection.component or "a client")
        finally:
            del self._connections[connection]
            connection.close()

    async def _read(self, reader: asyncio.StreamReader) -> Frame:
        start = await reader.readexactly(PRELUDE_BYTES)
        body_bytes = decode_prelude(start).total_bytes - PRELUDE_BYTES
        if body_bytes > self._profile.frame_body_bytes_max:
            raise ConnectionEndedError(f"a frame of {body_bytes + PRELUDE_BYTES} bytes is too large")
        return decode(start + await reader.readexactly(body_bytes))

    async def _handle(self, connection: Connection, frame: Frame) -> None:
        kind, flags = frame.number(":message-type"), frame.number(":message-flags")
        stream_id = frame.number(":stream-id")
        if kind is None or flags is None or stream_id is None:
            raise ConnectionEndedError("a frame without type, flags or stream")
        if not connection.component:
            if kind != CONNECT or flags or stream_id:
                raise ConnectionEndedError("the first message is no connect message")
            await self._connect(connection, frame)
        elif kind == PING and self._profile.answers_ping:
            kept = tuple(header for header in frame.headers if not header[0].startswith(":"))
            pong = protocol_message(PING_RESPONSE, payload=frame.payload)
            await connection.send(encode(Frame((*pong.headers, *kept), frame.payload)))
        elif stream_id == 0:
            raise ConnectionEndedError(f"a message of type {kind} on stream 0")
        elif flags & TERMINATE_STREAM:
            if stream := connection.streams.get(stream_id):
                stream.release()
        else:
            is_request = kind == APPLICATION_MESSAGE and not flags
            await self._operate(connection, frame, stream_id, is_request=is_request)

    async def _connect(self, connection: Connection, frame: Frame) -> None:
        token = (_json_object(frame.payload) or {}).get("authToken")
        component = self._tokens.get(token) if isinstance(token, str) else None
        if component is None or frame.text(":version") not in (None, PROTOCOL_VERSION):
            if self._profile.answers_rejected_connect:
                await connection.send(encode(protocol_message(CONNECT_ACK)))
            raise ConnectionEndedError("unknown token or protocol version")
        await connection.send(encode(protocol_message(CONNECT_ACK, CONNECTION_ACCEPTED)))
        connection.component = component

    async def _operate(self, connection: Connection, frame: Frame, stream_id: int, *, is_request: bool) -> None:
        """Answer a request, then do what is to be done after the answer."""
        name = (frame.text("operation") or "").removeprefix(NAMESPACE)
        stream = ServerStream(connection, stream_id)
        try:
            operation = self._known(name, is_request=is_request)
            answer = await operation.handler(self._request(frame, stream))
            terminates = self._profile.terminate_flag_on_response and not operation.is_streaming
            message = application_message(
                stream_id, f"{name}Response", compact(answer.payload), TERMINATE_STREAM if terminates else 0
            )
            data = encode(message)
            self._check_answer(data)
        except IpcError as error:
            log.info("%s: %s is answered with %s", connection.component, name, error)
            with_message = self._profile.errors_carry_message
            await connection.send(encode(application_error(stream_id, error, with_message=with_message)))
            return
        await connection.send(data)
        if answer.afterwards is not None and (stream.is_open or not operation.is_streaming):
            answer.afterwards()

    def _known(self, name: str, *, is_request: bool) -> Operation:
        operation = self._operations.get(name) if is_request else None
        if operation is None:
            told = f"Operation {name} is not supported by this core"
            raise IpcError(SERVICE_ERROR, told if self._profile.errors_carry_message else "")
        return operation

    def _request(self, frame: Frame, stream: ServerStream) -> Request:
        values = _json_object(frame.payload)
        limit = self._profile.request_objects_max
        if values is None or (limit is not None and object_cost(values) > limit):
            raise IpcError(SERVICE_ERROR, "the request cannot be decoded")
        arguments = Arguments(values, self._profile.arguments_error)
        return Request(frame.text("operation") or "", stream.component, arguments, stream)

    def _check_answer(self, data: bytes) -> None:
        if len(data) > self._profile.event_frame_bytes_max:
            raise IpcError(SERVICE_ERROR, "the answer is too large")


def _json_object(payload: bytes) -> JsonObject | None:
    try:
        value = json.loads(payload)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None

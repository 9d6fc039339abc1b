"""The messages of the Greengrass IPC protocol as frames.

Pure. Knows the message types, flags and headers, and how either runtime writes an error; nothing of what
an operation means.
"""

from local.nucleus.event_stream import Frame, HeaderValue
from local.nucleus.ipc_error import IpcError
from local.nucleus.json_value import Json, JsonObject, compact

APPLICATION_MESSAGE = 0
APPLICATION_ERROR = 1
PING = 2
PING_RESPONSE = 3
CONNECT = 4
CONNECT_ACK = 5

CONNECTION_ACCEPTED = 1
TERMINATE_STREAM = 2

PROTOCOL_VERSION = "0.1.0"
NAMESPACE = "aws.greengrass#"
SERVICE = "aws.greengrass#GreengrassCoreIPC"
JSON_TYPE = "application/json"


def protocol_message(message_type: int, flags: int = 0, payload: bytes = b"") -> Frame:
    """Return a message of the connection itself, on stream 0."""
    return Frame(_start(message_type, flags, 0), payload)


def application_message(stream_id: int, model: str, payload: bytes, flags: int = 0) -> Frame:
    """Return an answer or event; `model` is the name of its shape without the namespace."""
    return Frame((*_start(APPLICATION_MESSAGE, flags, stream_id), *_body_headers(model)), payload)


def application_error(stream_id: int, error: IpcError, *, with_message: bool) -> Frame:
    """Return an error, which ends its stream. Only the classic runtime writes the key `message`."""
    body: dict[str, Json] = {"_message": error.message, "_errorCode": error.code}
    if with_message:
        body = {"message": error.message, "_service": SERVICE, **body, **error.fields}
    headers = (*_start(APPLICATION_ERROR, TERMINATE_STREAM, stream_id), *_body_headers(error.code))
    return Frame(headers, compact(body))


def connect_message(token: str) -> Frame:
    """Return the first message of a client."""
    payload: JsonObject = {"authToken": token}
    return Frame((*_start(CONNECT, 0, 0), (":version", PROTOCOL_VERSION)), compact(payload))


def request_message(stream_id: int, operation: str, arguments: JsonObject) -> Frame:
    """Return the message of a client that asks for an operation, named without the namespace."""
    return Frame(
        (
            *_start(APPLICATION_MESSAGE, 0, stream_id),
            ("operation", NAMESPACE + operation),
            *_body_headers(f"{operation}Request"),
        ),
        compact(arguments),
    )


def _start(message_type: int, flags: int, stream_id: int) -> tuple[tuple[str, HeaderValue], ...]:
    return ((":message-type", message_type), (":message-flags", flags), (":stream-id", stream_id))


def _body_headers(model: str) -> tuple[tuple[str, HeaderValue], ...]:
    return ((":content-type", JSON_TYPE), ("service-model-type", NAMESPACE + model))

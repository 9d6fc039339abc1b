"""Calls from a crew to the keeper: a name and arguments go one way, a value or an error comes back.

One call at a time, over a stream socket between a process and its parent's child, made by the two for each other.
Values are pickled: nobody else can write into that socket, both ends are the same release of the same code, and every
row and fact is a dataclass of ours. Errors keep their kind (Transient, Rejected, Fatal) and their text.

The keeper looks names up in a table; what is not in it does not exist. A message has a limit, so that a damaged length
cannot make anybody allocate the machine's memory.
"""

from __future__ import annotations

import pickle
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from components.shared.errors import Fatal, NvrError, Rejected, Transient

MESSAGE_BYTES_MAX = 16 * 1024 * 1024
"""The longest are the facts of a segment of five minutes in which every picture is a keyframe: 1 MB."""

_LENGTH = struct.Struct("=I")
_KINDS: dict[str, type[NvrError]] = {"Transient": Transient, "Rejected": Rejected, "Fatal": Fatal}

Table = Mapping[str, Callable[..., object]]


class Caller:
    """Makes calls from any thread, one at a time."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._turn = threading.Lock()

    def call(self, name: str, *values: object) -> object:
        """The value; raises the error that the call raised there. Fatal when there is nobody to ask any more."""
        try:
            with self._turn:
                _send(self._connection, (name, values))
                answer = _receive(self._connection)
        except OSError as error:
            raise Fatal(f"the process that owns the catalogue does not answer: {error.strerror or error}") from error
        if answer is None:
            raise Fatal("the process that owns the catalogue is gone")
        kind, value = answer
        if kind in _KINDS:
            raise _KINDS[kind](value)
        return value


def answer_calls(connection: socket.socket, table: Table) -> None:
    """Answer calls until the caller is gone. Raises Fatal, after it was answered, and what is no error of ours.

    Fatal is a promise of the catalogue that is broken: that is not the caller's matter alone.
    """
    while True:
        try:
            request = _receive(connection)
        except OSError:
            return
        if request is None:
            return
        name, values = request
        answer, fatal = _answer(table[name], values)
        with suppress(OSError):  # the caller has gone meanwhile; what it asked for is done
            _send(connection, answer)
        if fatal is not None:
            raise fatal


def _answer(work: Callable[..., object], values: tuple[object, ...]) -> tuple[tuple[str, object], Fatal | None]:
    try:
        return ("", work(*values)), None
    except (Transient, Rejected) as error:
        return ("Transient" if isinstance(error, Transient) else "Rejected", str(error)), None
    except Fatal as error:
        return ("Fatal", str(error)), error


def _send(connection: socket.socket, message: object) -> None:
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    if len(data) > MESSAGE_BYTES_MAX:
        raise Rejected(f"a message of {len(data)} bytes is longer than {MESSAGE_BYTES_MAX}")
    connection.sendall(_LENGTH.pack(len(data)) + data)


def _receive(connection: socket.socket) -> Any:
    """The next message, as the other end sent it; None when the other end is closed."""
    head = _read(connection, _LENGTH.size)
    if head is None:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > MESSAGE_BYTES_MAX:
        raise Fatal(f"a message of {length} bytes is longer than {MESSAGE_BYTES_MAX}: the two processes disagree")
    data = _read(connection, length)
    return None if data is None else pickle.loads(data)  # noqa: S301 - see the module: from our own process


def _read(connection: socket.socket, count: int) -> bytes | None:
    parts = []
    while count:
        part = connection.recv(min(count, 1024 * 1024))
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)

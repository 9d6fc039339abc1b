"""Bounds the whole of an answer of S3, where botocore bounds only the wait for its next byte, and holds it to its end.

Something in between that drips an answer, a byte now and then, would keep a worker for hours (a response's head may
have 6 MB); a few of them would keep all. What is bounded is reading: a body on a slow link takes as long as it takes.

An answer whose head is cut off is no answer: http.client takes what came of it for the whole (seen with Python 3.11),
and an object that lost its checksum on the way would be taken for another one.

It goes around whatever connections a client has, so that others may do so as well.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any


def limit_answers(client: Any, answer_s_max: float) -> None:
    """Has every answer to this client of botocore be read within so many seconds; call it before its first request.

    botocore has no public way to give a client's pools their class of connections; the session's own table is what its
    pools are made of (seen with 1.44.5; a test drips).
    """
    session: Any = client._endpoint.http_session
    for scheme, pool in dict(session._pool_classes_by_scheme).items():
        connection = type("LimitedConnection", (_Limited, pool.ConnectionCls), {"answer_s_max": answer_s_max})
        session._pool_classes_by_scheme[scheme] = type("LimitedPool", (pool,), {"ConnectionCls": connection})
    session._manager.pool_classes_by_scheme = session._pool_classes_by_scheme


class _Limited:
    """What a connection does when it reads; mixed into whatever it is."""

    answer_s_max: float
    sock: Any

    def getresponse(self) -> Any:
        """The answer, whose body is bounded as well."""
        return self._within_limit(lambda: super(_Limited, self).getresponse())  # type: ignore[misc]

    def _handle_expect_response(self, message_body: Any) -> Any:
        """What S3 says to a request's head before it has seen the body."""
        return self._within_limit(lambda: super(_Limited, self)._handle_expect_response(message_body))  # type: ignore[misc]

    def _within_limit(self, read: Any) -> Any:
        plain = self.sock
        if plain is None or type(plain) is _TimedSocket:
            return read()
        timed = _TimedSocket(plain, time.monotonic() + self.answer_s_max)
        self.sock = timed
        try:
            found = read()
            if timed.has_ended:
                raise http.client.RemoteDisconnected("the answer was cut off within its head")
            return found
        finally:
            if self.sock is timed:  # else it was closed meanwhile
                self.sock = plain


class _TimedSocket:
    """A socket whose files end at a moment; all else is the socket's own, what it is included."""

    def __init__(self, plain: socket.socket, end_s: float) -> None:
        self._plain = plain
        self._end_s = end_s
        self.has_ended = False

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """That of the socket: who asks whether it is one of TLS is answered rightly."""
        return type(self._plain)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)

    def makefile(self, mode: str, buffering: int | None = None) -> Any:
        """As of a socket, for reading bytes."""
        raw = _TimedReader(self._plain.makefile(mode, 0), self, self._plain, self._end_s)  # type: ignore[call-overload]
        return raw if buffering == 0 else io.BufferedReader(raw)


class _TimedReader(io.RawIOBase):
    """Bytes of a socket until a moment, then TimeoutError."""

    def __init__(self, raw: io.RawIOBase, whose: _TimedSocket, plain: socket.socket, end_s: float) -> None:
        super().__init__()
        self._raw = raw
        self._whose = whose
        self._plain = plain
        self._end_s = end_s

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        """The next bytes. TimeoutError when the moment has come."""
        left_s = self._end_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the answer comes too slowly")
        usual_s = self._plain.gettimeout()
        self._plain.settimeout(left_s if usual_s is None else min(usual_s, left_s))
        try:
            count = self._raw.readinto(buffer)
            self._whose.has_ended |= count == 0
            return count
        finally:
            if self._plain.fileno() >= 0:
                self._plain.settimeout(usual_s)

    def close(self) -> None:
        """Closes the socket's file."""
        if not self.closed:
            self._raw.close()
        super().close()

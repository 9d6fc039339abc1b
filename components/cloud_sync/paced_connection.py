"""Connections of the S3 client that send nothing before the pacer lets it: request lines, headers and bodies alike.

What counts is what leaves the socket, so that TLS is counted too: its records as they are made, its handshake by what
one takes. What the kernel holds back is kept small while there is a cap; else a link that was stuck for a while would
send at once all that had been let through meanwhile.
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)

from components.cloud_sync.pacer import Pacer

if TYPE_CHECKING:
    from botocore.client import BaseClient

TLS_RECORD_BYTES = 22
"""TLS 1.3: a header of 5 bytes, the tag of 16, the type of the content (RFC 8446, 5.2); TLS 1.2's AES-GCM has 29."""

TLS_12_RECORD_BYTES = 29
TLS_RECORD_DATA_BYTES = 16 * 1_024

TLS_HANDSHAKE_BYTES = 1_900
"""A ClientHello with a post-quantum key share, and the end of the handshake (OpenSSL 3.5; older ones need 600)."""

TCP_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", 25)
"""Linux's number for it: Python's socket module does not name it everywhere."""

UNSENT_BLOCKS = 2
"""The kernel asks for more when half of it is sent."""


def pace_client(client: BaseClient, pacer: Pacer) -> None:
    """Has all that this client sends pass the pacer. To be called before its first request.

    botocore has no public way to give a client's pools their class of connections; the session's own table is what its
    pools are made of, also those through a proxy (seen with 1.44.5, and tested: what a client sends is counted).
    """

    class PacedConnection(_Paced, AWSHTTPConnection):  # type: ignore[misc]
        gate = pacer

    class PacedTlsConnection(_Paced, AWSHTTPSConnection):  # type: ignore[misc]
        gate = pacer
        handshake_bytes = TLS_HANDSHAKE_BYTES

    class Pool(AWSHTTPConnectionPool):
        ConnectionCls = PacedConnection

    class TlsPool(AWSHTTPSConnectionPool):
        ConnectionCls = PacedTlsConnection

    session: Any = client._endpoint.http_session  # type: ignore[attr-defined]
    session._pool_classes_by_scheme.update(http=Pool, https=TlsPool)
    session._manager.pool_classes_by_scheme = session._pool_classes_by_scheme


class _Paced:
    """What every connection does before it sends; mixed into botocore's own two."""

    gate: Pacer
    handshake_bytes = 0
    sock: Any
    _response_received: bool
    _unsent_bytes_max = 0

    def connect(self) -> None:
        """As the connection does; a TLS handshake is paid for first."""
        self.gate.take(self.handshake_bytes)
        super().connect()  # type: ignore[misc]
        self._unsent_bytes_max = 0

    def send(self, data: bytes) -> None:
        """Sends it in blocks, each when it may leave. One that S3 has answered already sends nothing any more."""
        if self._response_received:
            return
        if self.sock is None:
            self.connect()
        if self._unsent_bytes_max == 0 and self.gate.passes_freely():
            super().send(data)  # type: ignore[misc]
            return
        block_bytes = self.gate.block_bytes()
        if block_bytes is None or block_bytes >= len(data):
            self._send_block(data, block_bytes)
            return
        for offset in range(0, len(data), block_bytes):
            self._send_block(data[offset : offset + block_bytes], block_bytes)

    def _send_block(self, data: bytes, block_bytes: int | None) -> None:
        self.gate.take(len(data) + self._tls_bytes(len(data)))
        self._bound_unsent(0 if block_bytes is None else UNSENT_BLOCKS * block_bytes)
        super().send(data)  # type: ignore[misc]

    def _tls_bytes(self, size_bytes: int) -> int:
        if not isinstance(self.sock, ssl.SSLSocket):
            return 0
        record_bytes = TLS_RECORD_BYTES if self.sock.version() == "TLSv1.3" else TLS_12_RECORD_BYTES
        return -(-size_bytes // TLS_RECORD_DATA_BYTES) * record_bytes

    def _bound_unsent(self, size_bytes: int) -> None:
        """How much the kernel takes before it has sent what it took; 0 is as much as it likes."""
        if size_bytes != self._unsent_bytes_max:
            self.sock.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, size_bytes)
            self._unsent_bytes_max = size_bytes

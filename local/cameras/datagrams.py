"""RTP and RTCP of one client over UDP: two sockets per track, behind the interface of a connection.

A datagram that the kernel does not take is lost, as on a network. What the client sends (receiver reports, holes for
its firewall) is not read: the kernel throws it away when its buffer is full.
"""

import contextlib
import socket

from local.cameras.viewer import Line

_TRIES = 64  # for two free ports in a row, the first one even: RFC 3550 clause 11 asks for that


class NoPortsError(Exception):
    """There are no two free ports in a row."""


class DatagramLine:
    """Sends what belongs to channel n, an interleaved frame, as a datagram of the socket of that channel."""

    def __init__(self, connection: Line, client: str) -> None:
        self._connection = connection
        self._client = client
        self._sockets: dict[int, socket.socket] = {}

    def open(self, channel: int, client_ports: tuple[int, int]) -> int:
        """Make the sockets of a track, whose RTCP has the next channel; gives the RTP port, RTCP has the next one."""
        for _ in range(_TRIES):
            media, reports = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
            try:
                media.bind((self._client, 0))  # both ends are on this machine
                port = int(media.getsockname()[1])
                if port % 2 == 0:
                    reports.bind((self._client, port + 1))
                    for place, made in enumerate((media, reports)):
                        made.setblocking(False)
                        made.connect((self._client, client_ports[place]))
                        self._sockets[channel + place] = made
                    return port
            except OSError:
                pass  # the next port is taken: another pair
            media.close()
            reports.close()
        raise NoPortsError(f"no two free ports after {_TRIES} tries")

    def write(self, data: bytes) -> None:
        """Send the interleaved frames that `data` holds."""
        place = 0
        while place < len(data):
            end = place + 4 + int.from_bytes(data[place + 2 : place + 4], "big")
            # Lost when the buffer is full, or when nobody listens at the other end any more.
            with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
                self._sockets[data[place + 1]].send(data[place + 4 : end])
            place = end

    def backlog_bytes(self) -> int:
        """Nothing is kept."""
        return 0

    def drop(self, reason: str) -> None:
        """End the connection the client was set up by."""
        self._connection.drop(reason)

    def close(self) -> None:
        """Give the ports back."""
        for made in self._sockets.values():
            made.close()
        self._sockets.clear()

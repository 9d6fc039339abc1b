"""Asks how far away the cloud is: the time until a TCP connection stands, which is a round trip.

Something on the way may take the connection and have no line beyond, as a router or a proxy does. So whoever took it is
greeted, and the cloud is there when an answer comes, whatever it says: who it is, is judged by those who work with it.
"""

from __future__ import annotations

import socket
import ssl

from components.health_monitor.core.endpoint import Endpoint
from components.health_monitor.core.readings import LinkReading
from components.shared.runtime.clock import Clock

CONNECT_S_MAX = 5.0
"""As long as the clients of the cloud wait for a connection, and for each step of the greeting."""

_GREETING = b"HEAD / HTTP/1.0\r\n\r\n"


def time_connection(endpoint: Endpoint, clock: Clock) -> LinkReading:
    """The round trip to the endpoint, without the look-up of its name; None in it when it cannot be reached."""
    try:
        addresses = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # no such name, or none that there could be
        return LinkReading(str(endpoint), None)
    for family, kind, protocol, _, address in addresses:
        began_ns = clock.monotonic_ns()
        try:
            with socket.socket(family, kind, protocol) as connection:
                connection.settimeout(CONNECT_S_MAX)
                connection.connect(address)
                took_ns = clock.monotonic_ns() - began_ns
                if _answers(connection, endpoint):
                    return LinkReading(str(endpoint), took_ns)
        except OSError:  # those of TLS, too
            continue
    return LinkReading(str(endpoint), None)


def _answers(connection: socket.socket, endpoint: Endpoint) -> bool:
    if endpoint.is_tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.wrap_socket(connection, server_hostname=endpoint.host).close()
        return True
    connection.sendall(_GREETING)
    return bool(connection.recv(1))

"""Asks how far away the cloud is: the time until a TCP connection stands, which is a round trip. Nothing is sent."""

from __future__ import annotations

import socket

from components.health_monitor.core.endpoint import Endpoint
from components.health_monitor.core.readings import LinkReading
from components.shared.runtime.clock import Clock

CONNECT_S_MAX = 5.0
"""As long as the clients of the cloud wait for a connection."""


def time_connection(endpoint: Endpoint, clock: Clock) -> LinkReading:
    """The round trip to the endpoint, without the look-up of its name; None in it when no connection can be made."""
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
                return LinkReading(str(endpoint), clock.monotonic_ns() - began_ns)
        except OSError:
            continue
    return LinkReading(str(endpoint), None)

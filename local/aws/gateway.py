"""What stands behind the one endpoint: who answers a request.

    /_local/...                         this stand-in's own switches and figures
    /moto-api/...                       nobody: what is stored goes only by the services' own requests
    device data of IoT (by signature
    or by path), role aliases           the IoT stand-in
    S3, and what is not signed          our objects, which ask moto for buckets
    everything else                     moto

The site's network is a switch here: while it is off, every request from the site's side is cut without an answer.
Each service is one, too: one that is off answers 503 to the site, as a region in trouble does.
The cloud's own functions come in by another port, which has no switch.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from local.aws.http_server import Dropped, WsgiApp, signed_service

log = logging.getLogger(__name__)

_IOT_SERVICES = {"iotdata", "iotdevicegateway"}
_IOT_PATH = re.compile(r"/(things/[^/]+/shadow|api/things/shadow/.+|topics/.+|retainedMessage(/.*)?|role-aliases/.+)")
_UNAVAILABLE = b"<Error><Code>ServiceUnavailable</Code><Message>Please reduce your request rate.</Message></Error>"
_UNSIGNED_IOT_PATH = re.compile(r"/role-aliases/[^/]+/credentials|/topics/.+|/things/[^/]+/shadow")


class Network:
    """Whether the site can reach the cloud."""

    def __init__(self) -> None:
        self._online = threading.Event()
        self._online.set()
        self._listeners: list[Callable[[bool], None]] = []

    @property
    def online(self) -> bool:
        """Whether requests of the site are answered."""
        return self._online.is_set()

    def on_change(self, listener: Callable[[bool], None]) -> None:
        """`listener` is called with the new state at each switch."""
        self._listeners.append(listener)

    def switch(self, online: bool) -> None:
        """Turns the network on or off."""
        if online:
            self._online.set()
        else:
            self._online.clear()
        log.info("network_switched online=%s", online)
        for listener in self._listeners:
            listener(online)


class Gateway:
    """The WSGI application in front of everything."""

    def __init__(
        self,
        network: Network,
        services: Mapping[str, WsgiApp],
        moto: WsgiApp,
        figures: Callable[[], dict[str, Any]],
        fire_schedules: Callable[[], int] = lambda: 0,
    ) -> None:
        """`services` are those that moto does not answer for: `s3`, `iotdata` and others by their signing names."""
        self._fire_schedules = fire_schedules
        self.network = network
        self._services = services
        self._moto = moto
        self._figures = figures
        self._counts: Counter[str] = Counter()
        self._refused: frozenset[str] = frozenset()
        self._started = time.monotonic()

    def site_side(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """The endpoint as the site sees it: through its network."""
        if environ["PATH_INFO"].startswith("/_local/"):
            return self._control(environ, start_response)
        if not self.network.online:
            self._counts["refused_offline"] += 1
            raise Dropped
        if self._answers_for(environ) in self._refused:
            self._counts["refused_by_service"] += 1
            start_response("503 Service Unavailable", [("Content-Type", "application/xml"), ("Connection", "close")])
            return [_UNAVAILABLE]
        return self.cloud_side(environ, start_response)

    def cloud_side(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """The endpoint as the cloud's own functions see it."""
        if environ["PATH_INFO"].startswith("/moto-api"):
            return _json(start_response, "404 Not Found", {"error": "moto's own switches are not to be had here"})
        self._counts[self._answers_for(environ) or "unsigned"] += 1
        return self._services.get(self._answers_for(environ) or "s3", self._moto)(environ, start_response)

    def _answers_for(self, environ: dict[str, Any]) -> str | None:
        """The service that a request is for; None is S3 without a signature."""
        service = signed_service(environ)
        return "iotdata" if is_device_data(service, environ["PATH_INFO"]) else service

    def _control(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = (environ["REQUEST_METHOD"], environ["PATH_INFO"])
        if request == ("GET", "/_local/stats"):
            answer = {
                "uptime_s": round(time.monotonic() - self._started, 3),
                "online": self.network.online,
                "requests": dict(self._counts),
                **self._figures(),
            }
            return _json(start_response, "200 OK", answer)
        if request == ("POST", "/_local/network"):
            try:
                online = json.load(environ["wsgi.input"])["online"]
            except (ValueError, KeyError, TypeError):
                online = None
            if not isinstance(online, bool):
                return _json(start_response, "400 Bad Request", {"error": 'the body must be {"online": true or false}'})
            self.network.switch(online)
            return _json(start_response, "200 OK", {"online": online})
        if request == ("POST", "/_local/refused"):
            try:
                refused = json.load(environ["wsgi.input"])["services"]
            except (ValueError, KeyError, TypeError):
                refused = None
            if not isinstance(refused, list) or not set(refused) <= set(self._services):
                known = " ".join(sorted(self._services))
                return _json(start_response, "400 Bad Request", {"error": f"services must be a list of these: {known}"})
            self._refused = frozenset(refused)
            log.info("services_refused services=%s", ",".join(sorted(refused)) or "-")
            return _json(start_response, "200 OK", {"services": sorted(refused)})
        if request == ("POST", "/_local/schedules"):
            return _json(start_response, "200 OK", {"fired": self._fire_schedules()})
        return _json(start_response, "404 Not Found", {"error": f"{request[0]} {request[1]} is not known here"})


def is_device_data(service: str | None, path: str) -> bool:
    """Whether a request is for the IoT data plane or the credentials provider."""
    if service in _IOT_SERVICES:
        return True
    if service is None:
        return _UNSIGNED_IOT_PATH.fullmatch(path) is not None
    return service == "execute-api" and _IOT_PATH.fullmatch(path) is not None


def _json(start_response: Callable[..., Any], status: str, answer: dict[str, Any]) -> list[bytes]:
    body = json.dumps(answer).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]

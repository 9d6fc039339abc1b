"""Shows the figures of the last look to Prometheus, on loopback alone. The one door to prometheus_client.

Figures are asked for a few times a minute, so one request is answered at a time and a client that says nothing is cut
off soon: the endpoint holds one thread, one connection and a short queue, whoever comes. A port that cannot be used is
told in the status and tried again at every look; it stops nothing.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import make_wsgi_app
from prometheus_client.core import CollectorRegistry, CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from components.health_monitor.core.measures import Sample
from components.shared.errors import Transient
from components.shared.runtime.log import Log
from components.shared.runtime.status import StatusBoard
from components.shared.wire.metrics import METRICS, SITE_DIMENSION

LOOPBACK = "127.0.0.1"

CLIENT_S_MAX = 2.0
"""How long a client may take to say what it wants; it is on the same box."""

STOP_LOOK_S = 0.25
"""How often the server looks whether it should stop: well within the 2 s of a component's stop."""

Family = CounterMetricFamily | GaugeMetricFamily


class MetricsEndpoint:
    """Serves what it was last shown. `follow`, `show` and `close` belong to one thread."""

    def __init__(self, thing: str, status: StatusBoard, log: Log) -> None:
        self._shown = _Shown(thing)
        self._status = status
        self._log = log
        self._server: _Server | None = None
        self._port = 0
        self._fault: str | None = None

    @property
    def port(self) -> int:
        """The port that is listened on; 0 while there is none."""
        return self._port

    def show(self, samples: Sequence[Sample]) -> None:
        """Serve these figures from now on."""
        self._shown.samples = tuple(samples)

    def follow(self, port: int) -> None:
        """Listen on this port of loopback and on no other; 0 is none. Called again and again with what is wanted."""
        if port == self._port:
            return
        self.close()
        if port == 0:
            self._fault = None
            return
        try:
            self._server = _Server(port, self._shown)
        except Transient as fault:
            if str(fault) != self._fault:  # told once, however often it is tried
                self._fault = str(fault)
                self._status.failed(self._fault)
                self._log.warning("metrics_not_served", error=fault)
            return
        self._port, self._fault = port, None
        self._log.info("metrics_served", address=f"http://{LOOPBACK}:{port}/metrics")

    def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.end()
        self._server, self._port = None, 0


class _Shown(Collector):
    """The samples in the form that prometheus_client wants them. Replaced as a whole, so that any thread may read."""

    def __init__(self, thing: str) -> None:
        self._thing = thing
        self.samples: tuple[Sample, ...] = ()

    def collect(self) -> Iterable[Family]:
        """A family per metric that has a sample, in the order of the table; each carries the site's name."""
        families: dict[str, Family] = {}
        samples = self.samples
        for metric in METRICS:
            of_it = [sample for sample in samples if sample.metric == metric]
            if not of_it:
                continue
            family_of = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            family = family_of(metric.name, metric.meaning, labels=(SITE_DIMENSION, *metric.labels))
            for sample in of_it:
                family.add_metric((self._thing, *sample.labels), sample.value)
            families[metric.name] = family
        return families.values()


class _Server(WSGIServer):
    """One thread that answers one request after another. Transient when the port cannot be listened on."""

    def __init__(self, port: int, shown: Collector) -> None:
        registry = CollectorRegistry()
        registry.register(shown)
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except OSError as error:
            reason = error.strerror or str(error)
            raise Transient(f"metrics cannot be served on port {port} of {LOOPBACK}: {reason}") from error
        self.set_app(make_wsgi_app(registry))
        self.timeout = STOP_LOOK_S
        self._stopping = threading.Event()
        self._client: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, name="metrics", daemon=True)
        self._thread.start()

    def server_bind(self) -> None:
        """Without the look for a name of our own address, which may wait for a name server that is not there."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, self.server_address[1]
        self.setup_environ()

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: a client that went away or said nothing is its own affair."""

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Remembers whom it is speaking with, so that `end` can end that."""
        self._client = request
        try:
            super().finish_request(request, client_address)
        finally:
            self._client = None

    def end(self) -> None:
        """Stop listening at once; a client that is being answered is cut off."""
        self._stopping.set()
        while self._thread.is_alive():
            client = self._client
            if client is not None:
                with suppress(OSError):  # it may have gone by itself
                    client.shutdown(socket.SHUT_RDWR)
            self._thread.join(STOP_LOOK_S)

    def _serve(self) -> None:
        with self:
            while not self._stopping.is_set():
                self.handle_request()


class _Handler(WSGIRequestHandler):
    timeout = CLIENT_S_MAX

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that is overridden
        """Nothing: requests come four times a minute for ever."""

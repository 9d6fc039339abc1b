"""What Prometheus is shown, over real sockets."""

from __future__ import annotations

import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest
from prometheus_client.parser import text_string_to_metric_families

from components.health_monitor.core.measures import Sample, Tally, measure
from components.health_monitor.core.rules import judge
from components.health_monitor.metrics_endpoint import CLIENT_S_MAX, LOOPBACK, MetricsEndpoint
from components.shared.runtime.clock import SystemClock
from components.shared.runtime.status import StatusBoard
from components.shared.wire import metrics
from components.shared.wire.metrics import METRICS
from tests.fakes.log import RecordingLog
from tests.fakes.waiting import eventually
from tests.unit.health_monitor.test_measures import BUSY, FOUND

pytestmark = pytest.mark.slow  # a server's end takes a tenth of a second

WAIT_S = 60


class Endpoint:
    """An endpoint with its surroundings."""

    def __init__(self) -> None:
        self.log = RecordingLog()
        self.status = StatusBoard(SystemClock())
        self.endpoint = MetricsEndpoint("site-1", self.status, self.log)
        self.endpoint.show(measure(BUSY, judge(BUSY), Tally(looks=9), FOUND))

    def told(self) -> str | None:
        """The last error of the status."""
        return self.status.report("HealthMonitor", "1").last_error


@pytest.fixture
def made() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.endpoint.close()


def listening(made: Endpoint) -> int:
    """The port on which it listens now: one that was free, and that nobody took in between."""
    before = made.endpoint.port

    def listens() -> bool:
        with closing(socket.create_server((LOOPBACK, 0))) as found:
            port = int(found.getsockname()[1])
        made.endpoint.follow(port)
        return made.endpoint.port == port != before

    eventually(listens, WAIT_S)
    return made.endpoint.port


def scraped(port: int) -> str:
    with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=WAIT_S) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        return str(answer.read().decode())


def is_served(port: int) -> bool:
    try:
        scraped(port)
    except urllib.error.URLError:
        return False
    return True


def test_every_figure_is_shown_under_its_name(made: Endpoint) -> None:
    """Each sample is a line with the table's name, the site and its labels; the kinds are those of the table."""
    port = listening(made)
    families = list(text_string_to_metric_families(scraped(port)))
    shown = {(one.name, *sorted(one.labels.items())): one.value for family in families for one in family.samples}
    wanted: dict[tuple[object, ...], float] = {}
    for sample in measure(BUSY, judge(BUSY), Tally(looks=9), FOUND):
        labels = {"site": "site-1", **dict[str, str](zip(sample.metric.labels, sample.labels, strict=True))}
        wanted[(sample.metric.name, *sorted(labels.items()))] = sample.value
    assert shown == wanted
    assert shown["edgenvr_camera_failures_count", ("camera", "cam-1"), ("site", "site-1"), ("stream", "sub")] == 7
    kinds = {sample.name: family.type for family in families for sample in family.samples}
    assert kinds == {metric.name: metric.kind for metric in METRICS if metric.made_by == "HealthMonitor"}


def test_a_look_replaces_all_figures(made: Endpoint) -> None:
    """What is no longer a sample is no longer shown: a camera that was removed leaves no series behind."""
    port = listening(made)
    assert "cam-3" in scraped(port)
    made.endpoint.show([Sample(metrics.LOOKS, (), 10.0)])
    assert [line for line in scraped(port).splitlines() if line[0] != "#"] == [
        'edgenvr_looks_total{site="site-1"} 10.0'
    ]


def test_only_loopback_is_listened_on(made: Endpoint) -> None:
    """Another address of the box, even a loopback one, is not answered."""
    port = listening(made)
    assert is_served(port)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), WAIT_S)


def test_the_port_is_followed(made: Endpoint) -> None:
    """Another port takes the place of the old one, 0 ends it, and the same one changes nothing."""
    first = listening(made)
    served = len(made.log.named("metrics_served"))
    made.endpoint.follow(first)
    assert is_served(first)
    assert len(made.log.named("metrics_served")) == served
    second = listening(made)
    assert (is_served(first), is_served(second)) == (False, True)
    made.endpoint.follow(0)
    assert not is_served(second)


def test_a_port_that_is_taken_is_told_and_tried_again(made: Endpoint) -> None:
    """A port that somebody else has is the status's last error, told once; it is taken as soon as it is free."""
    with closing(socket.create_server((LOOPBACK, 0))) as other:
        port = int(other.getsockname()[1])
        made.endpoint.follow(port)
        made.endpoint.follow(port)
        assert made.told() == f"metrics cannot be served on port {port} of 127.0.0.1: Address already in use"
        assert len(made.log.named("metrics_not_served")) == 1

    def follows() -> bool:
        made.endpoint.follow(port)
        return made.endpoint.port == port

    eventually(follows, WAIT_S)
    assert is_served(port)


def test_a_client_that_says_nothing_holds_nobody_up_for_long(made: Endpoint) -> None:
    """Silent clients are cut off one by one, and who asks after them is answered."""
    port = listening(made)
    begun = time.monotonic()
    with closing(socket.create_connection((LOOPBACK, port), WAIT_S)) as silent:
        assert is_served(port)
        assert time.monotonic() - begun >= CLIENT_S_MAX / 2
        silent.settimeout(WAIT_S)
        assert silent.recv(1) == b""


def test_a_client_that_never_ends_is_cut_off_at_the_end(made: Endpoint) -> None:
    """A request that trickles in holds up neither a change of the port nor the stop of the component."""
    port = listening(made)
    with closing(socket.create_connection((LOOPBACK, port), WAIT_S)) as slow:
        stop = threading.Event()

        def trickle() -> None:
            with suppress(OSError):
                while not stop.wait(0.1):
                    slow.sendall(b"x")

        trickling = threading.Thread(target=trickle, daemon=True)
        trickling.start()
        begun = time.monotonic()
        made.endpoint.close()
        assert time.monotonic() - begun < WAIT_S / 2
        stop.set()
        trickling.join(WAIT_S)
    assert not is_served(port)

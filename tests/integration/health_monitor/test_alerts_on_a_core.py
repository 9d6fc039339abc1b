"""Alerts on a core: through its MQTT link to whoever listens in the cloud, and acknowledged on the way back."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.alerts import ask, look
from components.shared.wire.alert_notice import AlertNotice, acknowledged_topic, decode_notice, encode_acknowledged
from components.shared.wire.site_config import SITE
from local.site import Layout
from tests.fakes.waiting import eventually
from tests.integration.iot_core.paho_listener import Listener
from tests.integration.site_config.core_site import CoreSite

pytestmark = pytest.mark.slow

THING = "core-2"
ABSENT = ["Capture", "CloudSync", "VideoProcessor"]
"""Components that this core does not have: HealthMonitor misses them."""


class Cloud:
    """Somebody in the cloud who takes notices, and acknowledges them while `answers` is set."""

    def __init__(self, port: int) -> None:
        self.answers = threading.Event()
        self.notices: list[AlertNotice] = []
        self._listener = Listener(port, "cloud").connect()
        self._listener.client.on_message = lambda _client, _data, message: self._take(bytes(message.payload))
        self._listener.subscribe(f"nvr/v1/{THING}/alert/raised", f"nvr/v1/{THING}/alert/cleared")

    def _take(self, payload: bytes) -> None:
        notice = decode_notice(payload)
        self.notices.append(notice)
        if self.answers.is_set():
            self._listener.client.publish(acknowledged_topic(THING), encode_acknowledged([notice.id]), qos=1)

    def close(self) -> None:
        self._listener.client.disconnect()
        self._listener.client.loop_stop()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoreSite]:
    """A core with SiteConfig and HealthMonitor, which misses the other components after a few seconds."""
    site = CoreSite(tmp_path_factory.mktemp("core"), THING)
    try:
        site.operator.configure({}, schema=2, health={"alerts": {"rules": {"component_down": {"raise_after_s": 5}}}})
        eventually(lambda: site.document(SITE), 60, "a site in force")
        yield site
    finally:
        site.stop()


@pytest.fixture
def cloud(site: CoreSite) -> Iterator[Cloud]:
    cloud = Cloud(int(json.loads(Layout(site.data).ready("cloud").read_text())["mqtt_port"]))
    yield cloud
    cloud.close()


def waiting(data: Path) -> int:
    return len(look(data, 0).waiting)


def test_killed_monitor_tells_each_alert_once(site: CoreSite, cloud: Cloud) -> None:
    """Alerts that nobody acknowledged survive a kill, and are acknowledged and forgotten when somebody does."""
    eventually(lambda: {notice.subject for notice in cloud.notices} >= set(ABSENT), 90, "the alerts are sent")
    killed = site.worker("HealthMonitor")
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: site.worker("HealthMonitor") not in {0, killed}, 60, "the launcher has started another one")
    cloud.answers.set()
    eventually(lambda: waiting(site.data) == 0, 90, "all are acknowledged")
    down = {(row.subject, row.acknowledged != "-") for row in look(site.data, 0).active if row.kind == "component_down"}
    assert down >= {(name, True) for name in ABSENT}
    for name in ABSENT:
        assert len({notice.id for notice in cloud.notices if notice.subject == name}) == 1


def test_test_alert_goes_all_the_way(site: CoreSite, cloud: Cloud) -> None:
    """It is acknowledged within its time, and its end follows."""
    cloud.answers.set()
    answer = ask(site.data, 60)
    assert answer.state == "acknowledged", answer

    def states() -> list[str]:
        return [notice.state for notice in cloud.notices if notice.alert == answer.alert]

    eventually(lambda: "cleared" in states(), 60, "the end of the test")
    assert states()[0] == "raised"

"""`nvr alerts`: what is active, over and waiting, and a test alert that goes the whole way."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from components.health_monitor.alert_requests import AlertRequests
from components.shared.runtime.requests import RequestFolder
from components.shared.wire.alert_config import AlertsSection
from local.site import Layout
from tests.fakes.alert_site import AlertSite, World
from tests.fakes.waiting import eventually
from tests.unit.cli.conftest import Nvr

pytestmark = pytest.mark.slow  # real databases with real syncs


@pytest.fixture
def site(tmp_path: Path) -> Iterator[AlertSite]:
    """A site of two cameras."""
    site = AlertSite(tmp_path / "data", World(["cam-0", "cam-1"], AlertsSection(group_cameras=10)))
    yield site
    site.close()


def let_it_run(data: Path) -> None:
    """What tells that a core runs here."""
    status = Layout(data).core_status
    status.parent.mkdir(parents=True)
    status.write_text(json.dumps({"pid": os.getpid(), "components": {}}))


def beside(site: AlertSite, data: Path) -> Callable[[], None]:
    """Lets the site take requests and look in another thread, until the returned function is called."""
    stop = threading.Event()
    requests = AlertRequests(site.alerting, data, site.log)

    def run() -> None:
        while not stop.is_set():
            requests.take()
            site.run(5)
            stop.wait(0.02)

    thread = threading.Thread(target=run)
    thread.start()

    def end() -> None:
        stop.set()
        thread.join(60)

    return end


def test_active_over_and_waiting(nvr: Nvr, site: AlertSite, tmp_path: Path) -> None:
    """Each alert is where it belongs, with when the cloud acknowledged what was said of it."""
    data = tmp_path / "data"
    assert "No alert is active" in nvr("alerts", "--data", data).out
    site.world.away = {"cam-0"}
    site.run(135)
    site.world.away = {"cam-1"}
    site.world.broker.online = False
    site.run(200)
    told = nvr("alerts", "--data", data, "--json").json
    (active,), (over,) = told["active"], told["recent"]
    assert (active["kind"], active["subject"], active["told"], active["acknowledged"]) == (
        *("camera_offline", "cam-1", "raised"),
        "-",
    )
    assert (over["subject"], over["told"], over["acknowledged"]) == ("cam-0", "cleared", "-")
    assert [(row["subject"], row["state"], row["sent"]) for row in told["waiting"]] == [
        ("cam-0", "cleared", "-"),
        ("cam-1", "raised", "-"),
    ]
    text = nvr("alerts", "--data", data).out
    assert "cam-1" in text and "over:" in text and "acknowledgement: 2" in text
    site.world.broker.online = True
    site.run(30)
    told = nvr("alerts", "--data", data, "--json", "--recent", 0).json
    assert told["waiting"] == [] and told["recent"] == [] and told["active"][0]["acknowledged"] != "-"


def test_number_of_recent_ones_is_limited(nvr: Nvr, site: AlertSite, tmp_path: Path) -> None:
    """A number that is none is refused by name."""
    told = nvr("alerts", "--data", tmp_path / "data", "--recent", 1001)
    assert told.code == 2 and "--recent is 0 to 1000" in told.error


def test_alert_for_a_test_is_acknowledged(nvr: Nvr, site: AlertSite, tmp_path: Path) -> None:
    """It is raised, passed on, acknowledged and cleared; the command says that it arrived."""
    data = tmp_path / "data"
    let_it_run(data)
    end = beside(site, data)
    try:
        told = nvr("alerts", "test", "--data", data, "--within", 60, "--json")
        eventually(lambda: len(site.world.cloud.told) == 2, within_s=60)
    finally:
        end()
    assert told.code == 0 and told.json["state"] == "acknowledged"
    raised, cleared = site.world.cloud.passed_on
    assert (raised.kind, raised.state, cleared.state) == ("test", "raised", "cleared")
    assert raised.alert == told.json["alert"]
    assert list((data / "requests" / "alerts").iterdir()) == []


def test_cloud_that_does_not_answer_is_told(nvr: Nvr, site: AlertSite, tmp_path: Path) -> None:
    """Within the time that was given, with what to look at; so is a monitor that does not take the request."""
    data = tmp_path / "data"
    let_it_run(data)
    told = nvr("alerts", "test", "--data", data, "--within", 0.1)
    assert told.code == 1 and "HealthMonitor has not taken the request" in told.out
    site.world.cloud.is_mute = True
    end = beside(site, data)
    try:
        eventually(lambda: site.world.cloud.told, within_s=60)
        told = nvr("alerts", "test", "--data", data, "--within", 10)
    finally:
        end()
    assert told.code == 1 and "the cloud has not acknowledged it" in told.out


def test_nobody_is_there_to_send_it(nvr: Nvr, site: AlertSite, tmp_path: Path) -> None:
    """Without a site that runs nothing is asked for."""
    told = nvr("alerts", "test", "--data", tmp_path / "data")
    assert told.code == 2 and "not running" in told.error
    assert not (tmp_path / "data" / "requests").exists()


@pytest.mark.parametrize("content", [b"{}", b'{"action":"destroy"}', b"\xff", b'{"action":"test","to":"me"}'])
def test_request_that_is_none_is_refused(site: AlertSite, tmp_path: Path, content: bytes) -> None:
    """Whoever writes into the folder is answered, and nothing is raised."""
    folder = RequestFolder(tmp_path / "data", "alerts")
    folder.make()
    (folder.path / "bad.json").write_bytes(content)
    assert AlertRequests(site.alerting, tmp_path / "data", site.log).take()
    answer = folder.fetch_answer("bad")
    assert answer is not None and answer.state == "refused"
    site.run(60)
    assert site.world.cloud.told == []

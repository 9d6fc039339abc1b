"""SiteConfig on a core: hints through MQTT, credentials through the Token Exchange, components that answer."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

import pytest

from components.shared.catalogue.health import HealthReader
from components.shared.runtime.secrets import read_secret
from components.shared.wire.site_config import SITE
from lab.process_tree import pss_bytes
from tests.fakes.waiting import eventually
from tests.integration.site_config.core_site import CoreSite
from tests.integration.site_config.site import Operator, camera

pytestmark = pytest.mark.slow

WITHIN_S = 30.0
"""Half the pace of the sweep: what happens within it was hinted."""

SWEPT_S = 90.0
"""A delta above 5 KB never arrives on Nucleus Lite: what it would have said waits for the sweep."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoreSite]:
    """One core for the tests of this file, configured."""
    site = CoreSite(tmp_path_factory.mktemp("core"), "core-1")
    try:
        site.operator.configure({"yard": camera(), "door": camera("Door")}, health={"telemetry_s": 5})
        eventually(lambda: site.document(SITE), 60, "a site in force")
        yield site
    finally:
        site.stop()


def _cuts_every(site: CoreSite, segment_s: int) -> bool:
    recording = site.document(SITE).get("recording", {})
    found: bool = recording.get("segment_s") == segment_s
    return found


@pytest.fixture
def operator(site: CoreSite) -> Operator:
    return site.operator


def test_change_is_hinted(site: CoreSite, operator: Operator) -> None:
    """A change in the cloud is in force long before the next sweep, and the components' answers are reported."""
    operator.update(SITE, {"recording": {"segment_s": 77}})
    eventually(partial(_cuts_every, site, 77), WITHIN_S)

    def answered() -> bool:
        reported = operator.reported(SITE)
        answer = reported.get("components", {}).get("HealthMonitor", {})
        return bool(answer.get("state") == "in_force" and answer.get("sha256") == reported["sha256"])

    eventually(answered, WITHIN_S)
    assert operator.reported(SITE)["state"] == "in_force"


def test_health_is_in_its_shadow(operator: Operator) -> None:
    """The summary of the health catalogue is the reported state of `health`."""
    eventually(lambda: "disk_used_percent" in operator.reported("health"), WITHIN_S)
    assert operator.desired("health") == {}


@pytest.mark.parametrize(
    ("changes", "undo", "reason"),
    [
        ({"recording": {"segment_s": "long"}}, {"recording": {"segment_s": 60}}, "recording.segment_s"),
        ({"recrding": {"segment_s": 5}}, {"recrding": None}, "recrding"),
        ({"padding": "x" * 7_000}, {"padding": None}, "bytes, at most"),
    ],
    ids=["wrong type", "unknown key", "too large"],
)
def test_bad_site_document(
    site: CoreSite, operator: Operator, changes: dict[str, Any], undo: dict[str, Any], reason: str
) -> None:
    """A bad document is refused with its reason in the reported state; the last good one stays in force."""
    eventually(lambda: operator.reported(SITE).get("state") == "in_force", WITHIN_S)
    before = site.document(SITE)
    operator.update(SITE, changes)
    eventually(lambda: operator.reported(SITE)["state"] == "refused", SWEPT_S)
    assert reason in operator.reported(SITE)["error"]
    assert site.document(SITE) == before
    operator.update(SITE, undo)
    eventually(lambda: operator.reported(SITE)["state"] == "in_force", SWEPT_S)
    assert "error" not in operator.reported(SITE)


def test_newer_schema(site: CoreSite, operator: Operator) -> None:
    """A camera's document of a newer release is in force; what this release does not know is named."""
    operator.configure({"yard": {"schema": 99, "ptz": {"speed": 3}}, "door": {}})
    eventually(lambda: operator.reported("camera-yard").get("ignored") == "ptz", WITHIN_S)
    assert operator.reported("camera-yard")["state"] == "in_force"
    assert site.document("camera-yard")["ptz"] == {"speed": 3}


def test_secret_and_its_rotation(site: CoreSite, operator: Operator) -> None:
    """A secret that a camera names is in its file at once, readable by its owner only; no log has it."""
    operator.set_secret("door", "viewer:first-password")
    operator.configure({"yard": {}, "door": {"source": {"secret": "door"}}})
    path = site.data / "secrets" / "door"
    eventually(path.exists, WITHIN_S)
    assert read_secret(site.data, "door").reveal() == "viewer:first-password"
    assert path.stat().st_mode & 0o777 == 0o600
    assert "first-password" not in site.log()
    eventually(lambda: "secret_written" in site.log(), WITHIN_S)


def test_worker_killed(site: CoreSite, operator: Operator) -> None:
    """A killed worker comes back and goes on; nothing is in force but what was."""
    before = site.document(SITE)
    killed = site.worker()
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: site.worker() not in (0, killed), WITHIN_S)
    assert site.document(SITE) == before
    operator.update(SITE, {"recording": {"segment_s": 99}})
    eventually(partial(_cuts_every, site, 99), WITHIN_S)


def test_stopped_worker_is_told_as_down(site: CoreSite) -> None:
    """A worker that hangs as a whole reports nothing: its component is down within 30 s, and well again with it."""

    def down() -> list[str]:
        with closing(HealthReader.open(site.data)) as reader:
            return [row.subject for row in reader.conditions() if row.kind == "component_down"]

    eventually(lambda: site.worker() != 0, 60)
    eventually(lambda: "SiteConfig" not in down(), 60)
    stopped = site.worker()
    os.kill(stopped, signal.SIGSTOP)
    try:
        eventually(lambda: "SiteConfig" in down(), 60)
    finally:
        os.kill(stopped, signal.SIGCONT)
    eventually(lambda: "SiteConfig" not in down(), 60)


def test_memory(site: CoreSite) -> None:
    """The worker stays small: the whole suite has 500 MB."""
    size_bytes = pss_bytes([site.worker()])
    assert size_bytes < 90_000_000, f"{size_bytes} bytes"

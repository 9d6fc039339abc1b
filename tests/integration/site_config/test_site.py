"""SiteConfig against the embedded AWS over real HTTP: shadows in, files out, reports and edits back."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from components.shared.runtime.seal import PLAIN, Keeping
from components.shared.runtime.secrets import list_secrets, read_secret
from components.shared.wire.site_config import SITE, camera_shadow
from components.site_config.aws_client import AwsSession
from components.site_config.secret_keeping import SecretKeeping
from components.site_config.secret_refresh import REFRESH_NS, SecretRefresh
from components.site_config.secret_store import SecretsManagerStore
from tests.fakes.config_site import ConfigSite
from tests.fakes.waiting import eventually
from tests.integration.site_config.site import Operator, SiteBox, camera

pytestmark = pytest.mark.slow

WITHIN_S = 10.0


def _is_answered(operator: Operator, name: str) -> bool:
    return "components" in operator.reported(name)


def test_site_and_cameras_come_in_force(operator: Operator, box: SiteBox) -> None:
    """What an operator writes into the shadows is in force in files soon, and the shadows say so."""
    operator.configure({"yard": camera(), "door": camera("Door")}, time_zone="Europe/Berlin")
    box.start()
    eventually(lambda: box.in_force(SITE) == operator.desired(SITE), WITHIN_S)
    snapshot = box.snapshot()
    assert snapshot is not None
    assert set(snapshot.cameras) == {"yard", "door"}
    assert not snapshot.faults
    box.capture_answers()
    for name in (SITE, "camera-yard", "camera-door"):
        eventually(partial(_is_answered, operator, name), WITHIN_S)
        reported = operator.reported(name)
        assert reported["state"] == "in_force"
        assert reported["components"]["Capture"]["sha256"] == reported["sha256"]


def test_secret_rotation(operator: Operator, box: SiteBox, tmp_path: Path) -> None:
    """A new value in Secrets Manager reaches the file at the next refresh; a name that nobody has is no error."""
    with_secret = {"url": "rtsp://192.0.2.1/1", "secret": "yard"}
    site = ConfigSite(tmp_path / "data").start()
    site.store.configure({"yard": camera(source=with_secret), "door": camera(source={**with_secret, "secret": "no"})})
    site.sweep()
    store = SecretsManagerStore(AwsSession(), box.thing)
    keeping = SecretKeeping(site.data, lambda: Keeping(PLAIN, "in plain files"), site.log)
    refresh = SecretRefresh(site.data, site.configuration, store, keeping, site.clock, site.log)
    operator.set_secret("yard", "viewer:first")
    refresh.attempt()
    assert read_secret(site.data, "yard").reveal() == "viewer:first"
    operator.set_secret("yard", "viewer:second")
    site.clock.advance(REFRESH_NS)
    refresh.attempt()
    assert read_secret(site.data, "yard").reveal() == "viewer:second"
    assert list_secrets(site.data) == ["yard"]
    assert "viewer:" not in site.log.text()


def test_edit_made_at_the_site(operator: Operator, box: SiteBox) -> None:
    """An edit is answered, in force at once, and in the shadow soon after, with the site naming the new hash."""
    operator.configure({"yard": camera()})
    box.start()
    eventually(lambda: box.in_force("camera-yard"), WITHIN_S)
    answer = box.answer(box.propose(camera_shadow("yard"), {"name": "Back yard"}))
    assert answer["state"] == "in_force", answer
    in_force = box.in_force("camera-yard")
    assert in_force is not None
    assert in_force["name"] == "Back yard"
    eventually(lambda: operator.desired("camera-yard").get("name") == "Back yard", WITHIN_S)
    eventually(lambda: operator.desired(SITE) == box.in_force(SITE), WITHIN_S)

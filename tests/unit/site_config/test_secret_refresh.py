"""Secrets from the cloud to files: at once for a new name, at every rotation, never over what the site has set."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from components.shared.errors import Rejected, Transient
from components.shared.runtime.seal import PLAIN, Keeping
from components.shared.runtime.secrets import Secret, keeping_at, kind_of, list_secrets, read_secret, write_secret
from components.shared.wire.messages import StreamChanged
from components.site_config.secret_keeping import SecretKeeping
from components.site_config.secret_refresh import MISSING_NS, REFRESH_NS, REFUSED_NS, SecretRefresh
from components.site_config.secret_store import CloudSecret
from tests.fakes.config_site import ConfigSite, camera
from tests.fakes.systemd_creds import Machine, install

pytestmark = pytest.mark.slow  # real files with real syncs


class FakeSecretStore:
    """Secrets in memory: name to value, or to the error that asking for it raises."""

    def __init__(self) -> None:
        self.secrets: dict[str, str | Exception] = {}
        self.versions: dict[str, int] = {}
        self.asked: list[str] = []

    def set(self, name: str, value: str | Exception) -> None:
        self.secrets[name] = value
        self.versions[name] = self.versions.get(name, 0) + 1

    def get(self, name: str) -> CloudSecret | None:
        self.asked.append(name)
        value = self.secrets.get(name)
        if isinstance(value, Exception):
            raise value
        return None if value is None else CloudSecret(Secret(value), f"v{self.versions[name]}")


class Bench:
    """A site whose camera names the secret `yard`."""

    def __init__(self, data: Path) -> None:
        self.site = ConfigSite(data).start()
        self.store = FakeSecretStore()
        self.keeping = Keeping(PLAIN, "in plain files, because this is a test")
        self.name_secrets("yard")
        self.start()

    def start(self) -> None:
        keeping = SecretKeeping(self.site.data, lambda: self.keeping, self.site.log)
        self.refresh = SecretRefresh(
            self.site.data, self.site.configuration, self.store, keeping, self.site.clock, self.site.log
        )

    def name_secrets(self, *names: str) -> None:
        cameras = {name: camera(name, source={"url": "rtsp://192.0.2.1/1", "secret": name}) for name in names}
        self.site.store.configure(cameras)
        self.site.sweep()

    def text(self, name: str) -> str:
        return read_secret(self.site.data, name).reveal()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "data")


def test_secret_comes_to_its_file(bench: Bench) -> None:
    """The secret that a camera names is there after one round, for its owner only, and in no log."""
    bench.store.set("yard", "viewer:first")
    bench.refresh.attempt()
    assert bench.text("yard") == "viewer:first"
    assert (bench.site.data / "secrets" / "yard").stat().st_mode & 0o777 == 0o600
    assert "first" not in bench.site.log.text()


def test_rotation_reaches_the_file(bench: Bench) -> None:
    """A new value is fetched when the time has come, and not before."""
    bench.store.set("yard", "viewer:first")
    bench.refresh.attempt()
    bench.store.set("yard", "viewer:second")
    bench.site.clock.advance(REFRESH_NS - 1)
    bench.refresh.attempt()
    assert bench.text("yard") == "viewer:first"
    bench.site.clock.advance(1)
    bench.refresh.attempt()
    assert bench.text("yard") == "viewer:second"


def test_missing_secret_is_asked_for_more_often(bench: Bench) -> None:
    """A camera without its secret does not wait for five minutes after somebody has set it."""
    bench.refresh.attempt()
    bench.store.set("yard", "viewer:first")
    bench.site.clock.advance(MISSING_NS)
    bench.refresh.attempt()
    assert bench.text("yard") == "viewer:first"


def test_new_name_is_fetched_at_once(bench: Bench) -> None:
    """A camera that has just been added does not wait for the others' turn; only what is new is asked for."""
    bench.store.set("yard", "viewer:first")
    bench.refresh.attempt()
    bench.store.set("door", "viewer:door")
    bench.name_secrets("yard", "door")
    bench.store.asked.clear()
    bench.refresh.attempt()
    assert bench.text("door") == "viewer:door"
    assert bench.store.asked == ["door"]


def test_secret_that_the_site_has_set_is_kept(bench: Bench) -> None:
    """What the cloud does not have stays; what it has not changed since stays too, over a restart; a rotation wins."""
    write_secret(bench.site.data, "yard", Secret("viewer:local"))
    bench.refresh.attempt()
    assert bench.text("yard") == "viewer:local"
    bench.store.set("yard", "viewer:cloud")
    bench.site.clock.advance(REFRESH_NS)
    bench.refresh.attempt()
    assert bench.text("yard") == "viewer:cloud"
    write_secret(bench.site.data, "yard", Secret("viewer:mended"))
    bench.site.clock.advance(REFRESH_NS)
    bench.start()
    bench.refresh.attempt()
    assert bench.text("yard") == "viewer:mended"
    bench.store.set("yard", "viewer:rotated")
    bench.site.clock.advance(REFRESH_NS)
    bench.refresh.attempt()
    assert bench.text("yard") == "viewer:rotated"


def test_missing_file_is_written_again(bench: Bench) -> None:
    """A file that somebody has removed comes back, though the cloud's secret is the same."""
    bench.store.set("yard", "viewer:first")
    bench.refresh.attempt()
    (bench.site.data / "secrets" / "yard").unlink()
    bench.site.clock.advance(REFRESH_NS)
    bench.refresh.attempt()
    assert bench.text("yard") == "viewer:first"


def test_one_that_fails_does_not_hold_up_the_others(bench: Bench) -> None:
    """Every secret is tried; the failure is raised after that and only what failed is asked for again."""
    bench.name_secrets("bad", "yard")
    bench.store.set("bad", Transient("secret bad: get: no answer"))
    bench.store.set("yard", "viewer:first")
    with pytest.raises(Transient, match="secret bad"):
        bench.refresh.attempt()
    assert bench.text("yard") == "viewer:first"
    bench.store.set("bad", "viewer:good")
    bench.store.asked.clear()
    bench.refresh.attempt()
    assert bench.store.asked == ["bad"]


def test_what_cannot_be_mended_by_trying_is_told_once(bench: Bench) -> None:
    """A secret that is nowhere, or that is no text, is a warning with its name, not one at every round."""
    bench.name_secrets("binary", "nowhere")
    bench.store.set("binary", Rejected("secret binary: it holds no text"))
    for _ in range(3):
        bench.refresh.attempt()
        bench.site.clock.advance(REFRESH_NS)
    told = [record.fields["secret"] for record in bench.site.log.named("secret_missing")]
    assert told == ["binary", "nowhere", "yard"]
    assert list_secrets(bench.site.data) == []


def test_damaged_list_of_versions(bench: Bench) -> None:
    """A list of what was written that cannot be read costs a write, no more."""
    bench.store.set("yard", "viewer:first")
    bench.refresh.attempt()
    (bench.site.data / "config" / "edits" / "secrets.json").write_text("[")
    bench.site.clock.advance(REFRESH_NS)
    bench.refresh.attempt()
    assert bench.text("yard") == "viewer:first"


def changed(camera: str, cause: str) -> StreamChanged:
    """What Capture says of a stream."""
    state = "connecting" if cause else "recording"
    return StreamChanged(camera=camera, state=state, cause=cause, since_wall_ns=1)  # type: ignore[arg-type]


def test_refused_login_is_asked_for_at_once(bench: Bench) -> None:
    """A camera that refuses its login has the cloud asked now, and every half minute until it is recorded again."""
    bench.store.set("yard", "viewer:first")
    bench.refresh.attempt()
    bench.store.asked.clear()
    bench.site.clock.advance(REFUSED_NS)
    bench.refresh.heard(changed("yard", "authentication"))
    bench.refresh.attempt()
    assert bench.store.asked == ["yard"]
    bench.store.set("yard", "viewer:second")
    bench.site.clock.advance(MISSING_NS)
    bench.refresh.attempt()
    assert bench.text("yard") == "viewer:second"
    bench.refresh.heard(changed("yard", ""))
    bench.site.clock.advance(MISSING_NS)  # asked once more, as was planned while it was refused
    bench.refresh.attempt()
    bench.store.asked.clear()
    bench.site.clock.advance(REFRESH_NS - 1)
    bench.refresh.attempt()
    assert bench.store.asked == []


def test_many_cameras_of_one_secret_ask_once(bench: Bench) -> None:
    """Forty cameras that refuse the login which they share cost one question, not forty."""
    names = [f"cam-{number}" for number in range(40)]
    shared = {"url": "rtsp://192.0.2.1/1", "secret": "shared"}
    bench.site.store.configure({name: camera(name, source=shared) for name in names})
    bench.site.sweep()
    bench.store.set("shared", "viewer:first")
    bench.refresh.attempt()
    bench.store.asked.clear()
    for name in names:
        bench.refresh.heard(changed(name, "authentication"))
        bench.refresh.attempt()
    bench.site.clock.advance(REFUSED_NS)
    bench.refresh.attempt()
    assert bench.store.asked == ["shared"]


def test_other_troubles_ask_nothing(bench: Bench) -> None:
    """A camera that is away, or that names no secret, or is none of the site's, is no reason to ask."""
    bench.store.set("yard", "viewer:first")
    bench.refresh.attempt()
    bench.store.asked.clear()
    bench.site.clock.advance(MISSING_NS)
    for change in (changed("yard", "unreachable"), changed("nobody", "authentication")):
        bench.refresh.heard(change)
    bench.refresh.attempt()
    assert bench.store.asked == []


def test_plain_secrets_are_encrypted_at_the_start(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies there in plain is encrypted once the box offers it, and how secrets are kept is told once."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    install(tmp_path / "bin", Machine(user=os.geteuid()))
    write_secret(bench.site.data, "yard", Secret("viewer:local"))
    write_secret(bench.site.data, "unnamed", Secret("viewer:by-hand"))
    bench.keeping = keeping_at(bench.site.data)
    bench.start()
    bench.refresh.attempt()
    bench.refresh.attempt()
    assert {kind_of(bench.site.data, name) for name in ("yard", "unnamed")} == {"systemd-creds"}
    assert bench.text("yard") == "viewer:local"
    assert [record.fields["kind"] for record in bench.site.log.named("secrets_at_rest")] == ["systemd-creds"]
    assert "viewer:" not in bench.site.log.text()


def test_plain_keeping_is_a_warning(bench: Bench) -> None:
    """A box that keeps plain files says so once, with the reason."""
    bench.refresh.attempt()
    bench.refresh.attempt()
    (told,) = bench.site.log.named("secrets_at_rest")
    assert told.level == "WARNING"
    assert told.fields["told"] == "in plain files, because this is a test"


def test_what_cannot_be_opened_is_fetched_again(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On another box, or after its keys are lost, a secret comes anew from the cloud; not at the first failure."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    install(tmp_path / "bin", Machine(user=os.geteuid()))
    bench.keeping = keeping_at(bench.site.data)
    bench.store.set("yard", "viewer:cloud")
    bench.start()
    bench.refresh.attempt()
    (tmp_path / "bin" / "host").unlink()
    install(tmp_path / "bin", Machine(user=os.geteuid()))
    bench.site.clock.advance(REFRESH_NS)
    bench.refresh.attempt()
    with pytest.raises(Rejected, match="does not decrypt"):
        bench.text("yard")
    bench.site.clock.advance(MISSING_NS)
    bench.refresh.attempt()
    assert bench.text("yard") == "viewer:cloud"
    assert [record.fields["secret"] for record in bench.site.log.named("secret_not_opened")] == ["yard"]

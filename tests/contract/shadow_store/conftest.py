"""The stores that the contract is checked on: the fake, and the real one against the stand-in over HTTP."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from werkzeug.serving import make_server

from components.site_config.aws_client import AwsSession
from components.site_config.shadow_store import IotShadowStore, ShadowStore
from local.iot_core import IotCore
from tests.fakes.credentials_endpoint import CredentialsEndpoint
from tests.fakes.shadow_store import FakeShadowStore


@dataclass
class Subject:
    """A store and its network."""

    store: ShadowStore
    set_online: Callable[[bool], None]


@pytest.fixture(scope="session")
def credentials() -> Iterator[CredentialsEndpoint]:
    endpoint = CredentialsEndpoint()
    yield endpoint
    endpoint.stop()


@pytest.fixture(scope="session")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[IotCore, str]]:
    core = IotCore(tmp_path_factory.mktemp("iot"))
    server = make_server("127.0.0.1", 0, core.wsgi_app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield core, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
    core.stop()


@pytest.fixture(params=["fake", pytest.param("http", marks=pytest.mark.slow)])
def subject(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Subject]:
    if request.param == "fake":
        fake = FakeShadowStore()

        def switch(online: bool) -> None:
            fake.online = online

        yield Subject(fake, switch)
        return
    core, url = request.getfixturevalue("core")
    for name, value in request.getfixturevalue("credentials").environment(url).items():
        monkeypatch.setenv(name, value)
    yield Subject(IotShadowStore(AwsSession(), f"thing-{uuid.uuid4().hex}"), core.set_online)
    core.set_online(True)


@pytest.fixture
def store(subject: Subject) -> ShadowStore:
    return subject.store

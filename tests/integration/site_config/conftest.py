"""An embedded AWS for the tests of this folder, and boxes that find it in their environment."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.credentials_endpoint import CredentialsEndpoint
from tests.integration.aws.conftest import Running, start_aws
from tests.integration.site_config.site import Operator, SiteBox


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One stand-in for all tests that do not stop it."""
    running = start_aws(tmp_path_factory.mktemp("aws"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def credentials() -> Iterator[CredentialsEndpoint]:
    endpoint = CredentialsEndpoint()
    yield endpoint
    endpoint.stop()


@pytest.fixture
def thing() -> str:
    return f"site-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def operator(aws: Running, thing: str) -> Operator:
    return Operator(aws, thing)


MakeBox = Callable[[str], SiteBox]


@pytest.fixture
def make_box(
    tmp_path: Path, thing: str, credentials: CredentialsEndpoint, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeBox]:
    """Makes the box whose AWS is at an address; it stops with the test."""
    boxes: list[SiteBox] = []

    def make(endpoint_url: str) -> SiteBox:
        for name, value in credentials.environment(endpoint_url).items():
            monkeypatch.setenv(name, value)
        boxes.append(SiteBox(tmp_path / "data", thing))
        return boxes[-1]

    yield make
    for box in boxes:
        box.stop()


@pytest.fixture
def box(aws: Running, make_box: MakeBox) -> SiteBox:
    return make_box(str(aws.ready["endpoint_url"]))

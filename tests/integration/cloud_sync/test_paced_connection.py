"""All that the S3 client sends passes the pacer, counted as it comes out of the socket at the other end."""

from __future__ import annotations

import base64
import hashlib
import io
import threading
from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path

import pytest

from components.cloud_sync.object_store import Held, NewObject
from components.cloud_sync.pacer import Pacer
from components.cloud_sync.s3_store import S3Store, open_s3
from components.shared.runtime.clock import SystemClock
from components.shared.wire.sync_config import SyncSection
from lab.metered_wire import MeteredWire, make_certificate
from tests.fakes.s3_site import Site, running_site
from tests.fakes.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

DATA = bytes(range(256)) * 1_200
SHA256 = base64.b64encode(hashlib.sha256(DATA).digest()).decode()
WIDE = SyncSection(cap_kbit_s=2_000_000)
"""A cap under which everything is sent in blocks, and that nothing here reaches."""


class BytesBody(io.BytesIO):
    """Bytes as a request body."""

    @property
    def size_bytes(self) -> int:
        return len(self.getvalue())


class CountingPacer(Pacer):
    """A pacer that says how much it let through, and what it does at every block."""

    def __init__(self, at_block: Callable[[int], None] = lambda _taken_bytes: None) -> None:
        super().__init__(SystemClock(), threading.Event())
        self.follow(WIDE, UTC)
        self.at_block = at_block
        self.taken_bytes = 0
        self.blocks = 0

    def take(self, size_bytes: int) -> None:
        super().take(size_bytes)
        self.taken_bytes += size_bytes
        self.blocks += 1
        self.at_block(self.taken_bytes)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The embedded AWS."""
    with running_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(params=["http", "https"])
def wire(
    request: pytest.FixtureRequest, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MeteredWire]:
    """The way there, on which everything is counted."""
    for name, value in site.environment.items():
        monkeypatch.setenv(name, value)
    port = int(site.endpoint_url.rpartition(":")[2])
    folder = None
    if request.param == "https":
        folder = tmp_path
        monkeypatch.setenv("AWS_CA_BUNDLE", str(make_certificate(folder)))
    wire = MeteredWire(("127.0.0.1", port), folder)
    monkeypatch.setenv("AWS_ENDPOINT_URL", wire.url)
    yield wire
    wire.close()


def store_on(site: Site, pacer: Pacer) -> S3Store:
    return open_s3(site.bucket, 2, pacer)


def test_every_byte_is_counted(site: Site, wire: MeteredWire, request: pytest.FixtureRequest) -> None:
    """Headers, bodies, and what TLS adds: to the byte over plain HTTP, within a handshake's estimate over TLS."""
    pacer = CountingPacer()
    store = store_on(site, pacer)
    for number in range(3):
        store.put_object(NewObject(f"{request.node.name}/{number}", "video/mp4"), BytesBody(DATA), SHA256)
        assert store.head(f"{request.node.name}/{number}") is not None
    carried = sum(wire.ticks().values())
    if wire.url.startswith("https"):
        assert carried - 200 <= pacer.taken_bytes <= carried + 1_900
    else:
        assert pacer.taken_bytes == carried
    assert pacer.blocks > 3 * len(DATA) / 16_384


def test_without_a_cap_nothing_is_asked(site: Site, wire: MeteredWire, request: pytest.FixtureRequest) -> None:
    """The quick way: bodies do not stop at the gate."""
    pacer = CountingPacer()
    pacer.follow(SyncSection(), UTC)
    store_on(site, pacer).put_object(NewObject(request.node.name, "video/mp4"), BytesBody(DATA), SHA256)
    assert pacer.blocks <= 4
    assert sum(wire.ticks().values()) > len(DATA)


def test_a_pause_stops_a_body_in_its_middle(site: Site, wire: MeteredWire, request: pytest.FixtureRequest) -> None:
    """From that block on nothing leaves, the request is given up as held, and no object comes of it; later it goes."""

    def pause(taken_bytes: int) -> None:
        if taken_bytes > 100_000:
            pacer.follow(WIDE.model_copy(update={"paused": True}), UTC)

    pacer = CountingPacer(pause)
    store = store_on(site, pacer)
    new = NewObject(request.node.name, "video/mp4")
    with pytest.raises(Held, match="paused"):
        store.put_object(new, BytesBody(DATA), SHA256)
    assert pacer.taken_bytes <= 100_000 + 17_000 + 1_900
    eventually(lambda: sum(wire.ticks().values()) <= pacer.taken_bytes, 10)
    assert site.versions(new.key) == {}
    pacer.at_block = lambda _taken_bytes: None
    pacer.follow(WIDE, UTC)
    store.put_object(new, BytesBody(DATA), SHA256)
    assert site.versions(new.key) == {new.key: 1}

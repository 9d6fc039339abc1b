"""Every way in which a store fails: each is survived, asked after rarely, told in one line, and over when it is over.

Real requests of the real client over real sockets; time between attempts is the fake clock's.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from components.cloud_sync.core.parts import Sizes
from components.cloud_sync.s3_store import open_s3
from components.shared.wire.units import NS_PER_S
from tests.fakes.clock import FakeClock
from tests.fakes.cloud_sync_site import THING, CloudSyncSite
from tests.fakes.faulty_link import FaultyLink, Ill, answer, error_answer
from tests.fakes.footage import FakeFootage, key_of
from tests.fakes.pacers import open_pacer
from tests.fakes.s3_site import Site, running_site

pytestmark = pytest.mark.slow

MIB = 1024 * 1024
SIZES = Sizes(single_put_bytes_max=MIB, part_bytes=5 * MIB)
FAULT_S = 180
ATTEMPTS_MAX = 18
"""In three minutes of a store that answers: pauses double up to a minute, full jitter halves them."""
ATTEMPTS_OFFLINE_MAX = 60
"""In three minutes without an answer: up to eight seconds."""
ANSWER_S_MAX = 1.0

PAGE = b"<html><body>Please <b>sign in</b><br></body></html>"

FAULTS = {
    "403": (
        Ill(error_answer("403 Forbidden", "AccessDenied")),
        "the role of the token exchange must allow s3:PutObject",
    ),
    "404-bucket": (Ill(error_answer("404 Not Found", "NoSuchBucket")), "check that bucket"),
    "500": (Ill(error_answer("500 Internal Server Error", "InternalError")), "S3 answers 500"),
    "503-slow-down": (Ill(error_answer("503 Slow Down", "SlowDown")), "S3 answers 503"),
    "expired-credentials": (Ill(error_answer("400 Bad Request", "ExpiredToken")), "Token Exchange Service"),
    "clock-skew": (Ill(error_answer("403 Forbidden", "RequestTimeTooSkewed")), "the box's clock is wrong"),
    "portal-page": (Ill(answer("200 OK", PAGE, "Content-Type: text/html")), "sign-in page is in between"),
    "portal-redirect": (
        Ill(answer("302 Found", PAGE, "Location: http://192.0.2.1/login")),
        "sign-in page is in between",
    ),
    "portal-502": (Ill(answer("502 Bad Gateway", PAGE, "Content-Type: text/html")), "object sites/"),
    "closed": (Ill(cut_request_bytes=0), "check the network"),
    "cut-request-head": (Ill(cut_request_bytes=300), "check the network"),
    "cut-request-body": (Ill(cut_request_bytes=20_000), "check the network"),
    "cut-answer-1": (Ill(cut_answer_bytes=1), "object sites/"),
    "cut-answer-head": (Ill(cut_answer_bytes=40), "object sites/"),
    "cut-answer-status": (Ill(cut_answer_bytes=12), "object sites/"),
    "slow-drip": (Ill(error_answer("503 Slow Down", "SlowDown"), drips_s=0.2), "Read timeout"),
}
SLOW = {"slow-drip": 30}
"""Seconds of the fault where an attempt takes real time."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("cloud")) as site:
        yield site


@pytest.fixture
def link(cloud: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyLink]:
    address = urlsplit(cloud.endpoint_url)
    made = FaultyLink((str(address.hostname), int(address.port or 0)))
    for name, value in {**cloud.environment, "AWS_ENDPOINT_URL": made.url}.items():
        monkeypatch.setenv(name, value)
    yield made
    made.close()


class Box:
    """A site with two objects to upload, one of them in parts, through the real client."""

    def __init__(self, data: Path, cloud: Site) -> None:
        self.cloud = cloud
        # The bucket is shared by all tests of this module: each records a camera of its own.
        seed = random.Random(str(data)).randrange(2**32)
        self.footage = FakeFootage(data, seed, SIZES.part_bytes)
        camera = f"cam-{seed}"
        self.recorded = [self.footage.segment(200_000, camera), self.footage.segment(6 * MIB, camera)]
        store = open_s3(cloud.bucket, 1, open_pacer(), ANSWER_S_MAX)
        self.site = CloudSyncSite(data, store, FakeClock(), sizes=SIZES)
        self.site.sweep()

    def live_through(self, seconds: int) -> int:
        """Attempts of so many seconds of the clock."""
        attempts, end_ns = 0, self.site.clock.monotonic_ns() + seconds * NS_PER_S
        while self.site.clock.monotonic_ns() < end_ns:
            if self.site.uploader.try_one():
                attempts += 1
            else:
                self.site.clock.advance(self.site.uploader.next_due_ns())
        return attempts

    def assert_told(self, text: str) -> None:
        """In one line each time, as a warning once, and in the status."""
        told = self.site.log.named("store_away")
        assert [record.level for record in told].count("WARNING") == 1
        for record in told:
            line = str(record.fields["error"])
            assert "\n" not in line and len(line) < 700, line
            assert text in line, line
        assert text in (self.site.status.report("CloudSync", "0").last_error or "")

    def assert_recovers(self) -> None:
        """Everything is in the bucket once, with its bytes, and nothing is left unfinished."""
        self.site.drain()
        for one in self.recorded:
            key = key_of(THING, one)
            assert self.cloud.versions(key) == {key: 1}
            assert self.cloud.s3.get_object(Bucket=self.cloud.bucket, Key=key)["Body"].read() == one.data
        assert {key_of(THING, one) for one in self.recorded}.isdisjoint(self.cloud.unfinished_uploads())
        assert len(self.site.log.named("store_back")) == 1
        assert self.site.log.named("object_refused") == []

    def close(self) -> None:
        self.site.close()
        self.footage.close()


@pytest.fixture
def box(tmp_path: Path, cloud: Site, link: FaultyLink) -> Iterator[Box]:
    made = Box(tmp_path, cloud)
    yield made
    made.close()


@pytest.mark.parametrize("name", FAULTS)
def test_fault(box: Box, link: FaultyLink, name: str) -> None:
    """Whatever comes instead of an answer, nothing is lost, nothing is sent twice, and nobody is stormed."""
    link.ill, text = FAULTS[name]
    attempts = box.live_through(SLOW.get(name, FAULT_S))
    is_answered = bool(link.ill.says) and not link.ill.drips_s
    assert 3 <= attempts <= (ATTEMPTS_MAX if is_answered else ATTEMPTS_OFFLINE_MAX)
    assert link.connections <= 4 * attempts, "an attempt is a few requests, and none is repeated by the client"
    box.assert_told(text)
    link.ill = None
    box.assert_recovers()


def test_answers_cut_anywhere(box: Box, link: FaultyLink) -> None:
    """Cut after any byte of any answer, one after the other, an upload comes to its end."""
    cuts = iter(range(0, 700, 23))
    while (cut := next(cuts, None)) is not None and box.site.ledger.backlog()[0]:
        link.ill = Ill(cut_answer_bytes=cut)
        box.live_through(2)
    link.ill = None
    box.site.drain()
    for one in box.recorded:
        assert box.cloud.versions(key_of(THING, one)) == {key_of(THING, one): 1}


def test_core_without_credentials(
    tmp_path: Path, cloud: Site, link: FaultyLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the core gives no credentials nothing is sent; the line says where to look."""
    good = cloud.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9/none")
    box = Box(tmp_path, cloud)
    assert box.live_through(FAULT_S) <= ATTEMPTS_MAX
    assert link.connections == 0
    box.assert_told("no credentials")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", good)
    box.assert_recovers()
    box.close()


def test_name_that_is_not_found(tmp_path: Path, cloud: Site, link: FaultyLink, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without DNS the network is away: asked often, told once, with what to check."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://s3.invalid:80")
    box = Box(tmp_path, cloud)
    assert 3 <= box.live_through(60) <= ATTEMPTS_OFFLINE_MAX
    box.assert_told("check the network, its DNS")
    assert all("s3.invalid" in str(record.fields["error"]) for record in box.site.log.named("store_away"))
    box.close()


def test_credentials_that_the_store_calls_expired_are_fetched_anew(box: Box, link: FaultyLink, cloud: Site) -> None:
    """Where the box's clock is slow, credentials seem good for hours: S3's word counts, and the core is asked again."""
    assert box.site.uploader.try_one()
    before = cloud.credentials.given
    link.ill = Ill(error_answer("400 Bad Request", "ExpiredToken"))
    box.live_through(5)
    link.ill = None
    box.site.drain()
    assert cloud.credentials.given > before

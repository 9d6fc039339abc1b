"""The two object stores that the suite is run on, each with an observer who sees what really is in the bucket."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import pytest

from components.cloud_sync.object_store import ObjectStore
from components.cloud_sync.s3_store import open_s3
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.pacers import open_pacer
from tests.fakes.s3_site import Site, running_site

PART_BYTES_MIN = 5 * 1024 * 1024


class Observer(Protocol):
    """Looks into the bucket by another way than the store under test."""

    def data_of(self, key: str) -> bytes:
        """The newest version's bytes."""

    def metadata_of(self, key: str) -> dict[str, str]:
        """The newest version's metadata."""

    def kept_of(self, key: str) -> tuple[str, dict[str, str]]:
        """The newest version's storage class and tags."""

    def versions_of(self, key: str) -> int:
        """How many versions there are."""

    def uploads_of(self, key: str) -> int:
        """How many unfinished multipart uploads there are."""


@dataclass
class Subject:
    """A store under test."""

    store: ObjectStore
    observer: Observer


class _FakeObserver:
    def __init__(self, fake: FakeObjectStore) -> None:
        self._fake = fake
        self.data_of = fake.data_of
        self.versions_of = fake.versions_of

    def metadata_of(self, key: str) -> dict[str, str]:
        return dict(self._fake.versions[key][-1].new.metadata)

    def kept_of(self, key: str) -> tuple[str, dict[str, str]]:
        new = self._fake.versions[key][-1].new
        return new.storage_class, dict(new.tags)

    def uploads_of(self, key: str) -> int:
        return sum(upload.new.key == key for upload in self._fake.uploads.values())


class _S3Observer:
    def __init__(self, site: Site) -> None:
        self._site = site

    def data_of(self, key: str) -> bytes:
        return self._site.s3.get_object(Bucket=self._site.bucket, Key=key)["Body"].read()

    def metadata_of(self, key: str) -> dict[str, str]:
        return self._site.s3.head_object(Bucket=self._site.bucket, Key=key)["Metadata"]

    def kept_of(self, key: str) -> tuple[str, dict[str, str]]:
        storage_class = self._site.s3.head_object(Bucket=self._site.bucket, Key=key).get("StorageClass", "STANDARD")
        tags = self._site.s3.get_object_tagging(Bucket=self._site.bucket, Key=key)["TagSet"]
        return storage_class, {tag["Key"]: tag["Value"] for tag in tags}

    def versions_of(self, key: str) -> int:
        return self._site.versions(key).get(key, 0)

    def uploads_of(self, key: str) -> int:
        return self._site.unfinished_uploads().count(key)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The embedded AWS, with its address and the core's credentials in the environment."""
    with running_site(tmp_path_factory.mktemp("site")) as site, pytest.MonkeyPatch.context() as environment:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
            environment.delenv(name, raising=False)
        for name, value in site.environment.items():
            environment.setenv(name, value)
        yield site


@pytest.fixture(params=["fake", pytest.param("s3", marks=pytest.mark.slow)])
def subject(request: pytest.FixtureRequest) -> Subject:
    """One store per test; the bucket of the real one is shared, so that every test takes keys of its own."""
    if request.param == "fake":
        fake = FakeObjectStore(part_bytes_min=PART_BYTES_MIN)
        return Subject(fake, _FakeObserver(fake))
    site: Site = request.getfixturevalue("site")
    return Subject(open_s3(site.bucket, connections=2, pacer=open_pacer()), _S3Observer(site))

"""Every place for backups keeps its promises: a folder, and a bucket of the embedded AWS."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloud.backup_store import BackupStore, BucketStore, FolderStore
from components.shared.errors import Rejected
from tests.integration.aws.conftest import Running, start_aws

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = start_aws(tmp_path_factory.mktemp("aws"))
    yield running
    running.stop()


@pytest.fixture(params=["folder", "bucket", "whole bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BackupStore:
    if request.param == "folder":
        return FolderStore(tmp_path / "backups")
    running: Running = request.getfixturevalue("aws")
    s3: Any = running.client("s3")
    bucket = f"backups-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": running.ready["region"]})
    return BucketStore(s3, f"s3://{bucket}" + ("/of/edgenvr/" if request.param == "bucket" else ""))


def test_what_is_put_is_got(store: BackupStore) -> None:
    """Bytes come back as they were, by their path; names are the first parts."""
    assert store.names() == []
    store.put("20261121T100000.000Z/shadows/a:b/site.json", b"\x00\xff")
    store.put("20261122T100000.000Z/manifest.json", b"")
    assert store.get("20261121T100000.000Z/shadows/a:b/site.json") == b"\x00\xff"
    assert store.get("20261122T100000.000Z/manifest.json") == b""
    assert store.names() == ["20261121T100000.000Z", "20261122T100000.000Z"]


def test_nothing_is_written_over(store: BackupStore) -> None:
    """The same again is no fault, other bytes are, and leave what is there."""
    store.put("n/a.json", b"one")
    store.put("n/a.json", b"one")
    with pytest.raises(Rejected, match=r"a\.json is there already"):
        store.put("n/a.json", b"two")
    assert store.get("n/a.json") == b"one"


def test_what_is_not_there_is_named(store: BackupStore) -> None:
    """A missing file is Rejected with its path."""
    with pytest.raises(Rejected, match=r"n/a\.json is not there"):
        store.get("n/a.json")


def test_a_place_is_a_bucket_or_is_refused() -> None:
    """`s3://` without a bucket is none."""
    with pytest.raises(Rejected, match="BUCKET"):
        BucketStore(None, "s3:///x")

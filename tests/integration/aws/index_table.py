"""The table of the index in moto, as the template has it, and the indexer's own way into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import boto3
import pytest
from moto import mock_aws
from samtranslator.yaml_helper import yaml_parse

from cloud.functions.index_object.core import Seen, decide
from cloud.functions.index_object.handler import Doors, apply, list_stream

ROOT = Path(__file__).parents[3]
REGION: Final = "eu-central-1"
TABLE = "media"
BUCKET = "media"


@contextmanager
def index_in_moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[Doors]:
    """An empty bucket with versions and an empty table with the template's keys and indexes."""
    for name, value in (("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test"), ("DEFAULT_REGION", REGION)):
        monkeypatch.setenv(f"AWS_{name}", value)
    template = yaml_parse((ROOT / "cloud" / "template.yaml").read_text())
    keys = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
    properties = template["Resources"]["MediaTable"]["Properties"]
    with mock_aws():
        dynamodb, s3 = boto3.client("dynamodb", region_name=REGION), boto3.client("s3", region_name=REGION)
        dynamodb.create_table(TableName=TABLE, **{key: properties[key] for key in keys})
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield Doors(s3, dynamodb, TABLE)


def put(doors: Doors, key: str, metadata: Mapping[str, str], size_bytes: int = 1_000, mark: str = "1") -> None:
    """Index an object as the function does."""
    list_stream(key, doors)
    assert apply(decide(key, mark, Seen(size_bytes, "e" * 32, "v1", metadata), 0), doors)


def plain(value: Mapping[str, Any]) -> Any:
    """An attribute without its types."""
    ((kind, held),) = value.items()
    if kind == "M":
        return {name: plain(inner) for name, inner in held.items()}
    return [plain(inner) for inner in held] if kind == "L" else int(held) if kind == "N" else held

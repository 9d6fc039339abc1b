"""`./nvr cloud reconcile` against an embedded AWS: tells what differs, mends it, and says so by its exit code."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from cli import cloud_reconcile
from components.shared.errors import Rejected
from local.site import Layout
from tests.integration.aws.conftest import Start
from tests.integration.aws.test_pipeline import items, put_segment, settled

pytestmark = pytest.mark.slow
THING = "site-1"


def reconcile(capsys: pytest.CaptureFixture[str], data: Path, *more: str) -> tuple[int, dict[str, Any]]:
    """Exit code and answer."""
    parser = argparse.ArgumentParser()
    cloud_reconcile.add_arguments(parser)
    code = cloud_reconcile.run(
        parser.parse_args(["--data", str(data), "--json", "--since", "2026-11-20", "--wait", "0", *more])
    )
    return code, json.loads(capsys.readouterr().out)


def test_differences_are_told_and_mended(start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An item that got lost, and one whose object is gone, are figures with keys; after mending there is nothing."""
    site = tmp_path / "site"
    with pytest.raises(Rejected, match="no site has run"):
        reconcile(capsys, site)
    aws = start()
    ready = Layout(site).ready("cloud")
    ready.parent.mkdir(parents=True)
    ready.write_text(json.dumps(aws.ready))
    lost, stray, fine = (put_segment(aws, THING, number) for number in range(3))
    settled(aws)
    assert reconcile(capsys, site)[0] == 0
    dynamodb, s3 = aws.client("dynamodb"), aws.client("s3")
    rows = {item["object_key"]: item for item in items(aws, THING)}
    dynamodb.delete_item(TableName=aws.table, Key={name: {"S": rows[lost][name]} for name in ("pk", "sk")})
    s3.delete_object(Bucket=aws.bucket, Key=stray)
    settled(aws)
    dynamodb.update_item(
        TableName=aws.table,
        Key={name: {"S": rows[stray][name]} for name in ("pk", "sk")},
        UpdateExpression="SET object_key = :key, size_bytes = :size, facts = :facts",
        ExpressionAttributeValues={":key": {"S": stray}, ":size": {"N": "7"}, ":facts": {"M": {}}},
    )
    code, told = reconcile(capsys, site)
    assert (code, told["objects"], told["indexed"]) == (1, 2, 2)
    assert (told["bucket_minus_index"], told["index_minus_bucket"], told["differing"]) == (1, 1, 0)
    assert told["keys"]["bucket_minus_index"] == [lost]
    assert told["keys"]["index_minus_bucket"] == [stray]
    code, told = reconcile(capsys, site, "--mend")
    assert (code, told["mended"]) == (0, 2)
    code, told = reconcile(capsys, site)
    assert (code, told["index_minus_bucket"], told["bucket_minus_index"], told["indexed"]) == (0, 0, 0, 2)
    assert sorted(item["object_key"] for item in items(aws, THING) if "object_key" in item) == sorted([lost, fine])

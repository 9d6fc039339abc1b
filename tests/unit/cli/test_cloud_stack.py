"""Which account is meant, and what AWS's refusals are told as."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from moto import mock_aws

from cli.cloud_stack import deployed_account, embedded_account, open_account, told_errors
from components.shared.errors import Rejected, Transient

TEMPLATE = {
    "Parameters": {"MediaDays": {"Type": "Number", "Default": 365}},
    "Resources": {"MediaBucket": {"Type": "AWS::S3::Bucket"}, "IndexQueue": {"Type": "AWS::SQS::Queue"}},
    "Outputs": {"MediaBucketName": {"Value": {"Ref": "MediaBucket"}}},
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)


@pytest.mark.slow
def test_a_deployed_stack_is_an_account(environment: None) -> None:
    """Resources, outputs and parameters are those of the stack; another name is no stack."""
    with mock_aws():
        cloudformation = boto3.client("cloudformation")
        cloudformation.create_stack(StackName="edgenvr", TemplateBody=json.dumps(TEMPLATE))
        account = deployed_account("edgenvr")
        assert account.region == "eu-central-1"
        assert account.resource("MediaBucket") == account.outputs["MediaBucketName"]
        assert account.parameters == {"MediaDays": "365"}
        assert "IndexQueue" in account.resources
        assert account.clients("s3").head_bucket(Bucket=account.resource("MediaBucket"))
        assert account.clients("s3") is account.clients("s3")
        with pytest.raises(Rejected, match="no stack other in eu-central-1"):
            deployed_account("other")


def test_an_embedded_aws_is_an_account(tmp_path: Path) -> None:
    """Its ready file says everything; what is no ready file is named."""
    ready = {"endpoint_url": "http://127.0.0.1:9", "region": "eu-central-1", "account": "1"}
    ready |= {"access_key_id": "a", "secret_access_key": "b"}
    path = tmp_path / "ready.json"
    path.write_text(json.dumps({**ready, "resources": {"MediaBucket": "m"}, "outputs": {}}))
    asked = argparse.Namespace(embedded=path, stack="edgenvr")
    assert open_account(asked).resource("MediaBucket") == "m"
    path.write_text(json.dumps(ready))
    with pytest.raises(Rejected, match=r"ready\.json"):
        embedded_account(path)


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        (ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListThings"), Rejected, "ListThings"),
        (NoCredentialsError(), Rejected, "AWS_PROFILE"),
        (EndpointConnectionError(endpoint_url="http://x"), Transient, "try again"),
    ],
)
def test_what_aws_says_is_told_with_what_to_do(error: Exception, kind: type[Exception], told: str) -> None:
    """A refusal names the operation, missing credentials the variables, silence that it may be tried again."""
    with pytest.raises(kind, match=told), told_errors():
        raise error

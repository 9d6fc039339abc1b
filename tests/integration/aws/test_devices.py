"""A site's device reaches its own things and nobody else's, with credentials that end."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.iot_core import credentials
from tests.integration.aws.conftest import Running

pytestmark = pytest.mark.slow
ALIAS = "edgenvr-device"


class Device:
    """A thing with credentials of the provider."""

    def __init__(self, aws: Running, thing: str, given: dict[str, str] | None = None) -> None:
        self.aws, self.thing = aws, thing
        self.given = given or self._ask()

    def _ask(self) -> dict[str, str]:
        url = f"{self.aws.ready['endpoint_url']}/role-aliases/{ALIAS}/credentials"
        asked = urllib.request.Request(url, headers={"x-amzn-iot-thingname": self.thing})
        with urllib.request.urlopen(asked, timeout=10) as answer:
            issued: dict[str, str] = json.load(answer)["credentials"]
            return issued

    def client(self, service: str) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.aws.ready["endpoint_url"],
            region_name=self.aws.ready["region"],
            aws_access_key_id=self.given["accessKeyId"],
            aws_secret_access_key=self.given["secretAccessKey"],
            aws_session_token=self.given["sessionToken"] or None,
            config=Config(retries={"total_max_attempts": 1}),
        )


@pytest.fixture(scope="module")
def device(aws: Running) -> Device:
    return Device(aws, "site-device")


def word(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return str(caught.value.response["Error"]["Code"])


def test_a_device_writes_below_its_own_prefix_only(aws: Running, device: Device) -> None:
    """Its footage is its own: another site's prefix, the drop box and the bucket's settings are AccessDenied."""
    s3 = device.client("s3")
    own = "sites/site-device/cameras/front/2025/10/20/14/front_20251020T140300.000Z.json"
    s3.put_object(Bucket=aws.bucket, Key=own, Body=b"{}")
    assert s3.get_object(Bucket=aws.bucket, Key=own)["Body"].read() == b"{}"
    refused: list[tuple[str, dict[str, Any]]] = [
        ("put_object", {"Key": own.replace("site-device", "site-other"), "Body": b""}),
        ("put_object", {"Key": "drop/site-device/front/x", "Body": b""}),
        ("get_object", {"Key": own.replace("site-device", "site-other")}),
        ("delete_object", {"Key": own}),
        ("copy_object", {"Key": own + "2", "CopySource": {"Bucket": aws.bucket, "Key": "sites/site-other/x"}}),
        ("list_objects_v2", {}),
        ("list_objects_v2", {"Prefix": "sites/site-other/"}),
        ("get_bucket_policy", {}),
        ("delete_bucket", {}),
    ]
    for operation, arguments in refused:
        with pytest.raises(ClientError) as caught:
            getattr(s3, operation)(Bucket=aws.bucket, **arguments)
        assert word(caught) == "AccessDenied", operation
    assert s3.list_objects_v2(Bucket=aws.bucket, Prefix="sites/site-device/")["KeyCount"] == 1


def test_a_device_uploads_in_parts(aws: Running, device: Device) -> None:
    """All steps of an upload in parts are allowed: begin, send, list, complete, find again, give up."""
    s3 = device.client("s3")
    where = {"Bucket": aws.bucket, "Key": "sites/site-device/other/parts"}
    upload = s3.create_multipart_upload(**where)["UploadId"]
    etag = s3.upload_part(**where, UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    assert len(s3.list_parts(**where, UploadId=upload)["Parts"]) == 1
    s3.complete_multipart_upload(
        **where, UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]}, IfNoneMatch="*"
    )
    second = s3.create_multipart_upload(**where)["UploadId"]
    begun = s3.list_multipart_uploads(Bucket=aws.bucket, Prefix="sites/site-device/")["Uploads"]
    assert [one["UploadId"] for one in begun] == [second]
    s3.abort_multipart_upload(**where, UploadId=second)


def test_a_device_is_not_told_what_is_missing(aws: Running, device: Device) -> None:
    """As in AWS, who may not list the bucket gets 403 where others get 404."""
    with pytest.raises(ClientError) as caught:
        device.client("s3").head_object(Bucket=aws.bucket, Key="sites/site-device/nothing")
    response: Any = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_a_device_reads_its_own_secrets_only(aws: Running, device: Device) -> None:
    """Secrets of a site lie below its name: others are AccessDenied, and none can be changed."""
    for thing in ("site-device", "site-other"):
        aws.client("secretsmanager").create_secret(Name=f"edgenvr/{thing}/front", SecretString="hush")
    secrets = device.client("secretsmanager")
    told = secrets.get_secret_value(SecretId="edgenvr/site-device/front")
    assert told["SecretString"] == "hush"
    assert secrets.get_secret_value(SecretId=told["ARN"])["SecretString"] == "hush"
    with pytest.raises(ClientError) as caught:
        secrets.get_secret_value(SecretId="edgenvr/site-other/front")
    assert word(caught) == "AccessDeniedException"
    with pytest.raises(ClientError) as caught:
        secrets.put_secret_value(SecretId="edgenvr/site-device/front", SecretString="other")
    assert word(caught) == "AccessDeniedException"


def test_a_device_has_its_own_shadows_only(device: Device) -> None:
    """Named shadows of its own thing can be read and written, others' cannot."""
    data = device.client("iot-data")
    body = json.dumps({"state": {"reported": {"a": 1}}})
    data.update_thing_shadow(thingName="site-device", shadowName="health", payload=body)
    told = json.load(data.get_thing_shadow(thingName="site-device", shadowName="health")["payload"])
    assert told["state"]["reported"] == {"a": 1}
    with pytest.raises(ClientError) as caught:
        data.get_thing_shadow(thingName="site-other", shadowName="health")
    assert word(caught) == "ForbiddenException"


def test_a_device_has_nothing_else(device: Device) -> None:
    """Any other service is refused: the role names none."""
    with pytest.raises(ClientError):
        device.client("dynamodb").list_tables()
    with pytest.raises(ClientError):
        device.client("sqs").list_queues()


def test_credentials_end(aws: Running) -> None:
    """Credentials whose time is over are ExpiredToken, also for an address signed with them."""
    past = credentials.issue(credentials.Grant("site-device", ALIAS, int(datetime.now(UTC).timestamp()) - 1))
    s3 = Device(aws, "site-device", past).client("s3")
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=aws.bucket, Key="sites/site-device/x", Body=b"")
    assert word(caught) == "ExpiredToken"


def test_credentials_of_another_role_have_no_rights(aws: Running) -> None:
    """An alias that the template does not have stands for no role."""
    later = int(datetime.now(UTC).timestamp()) + 60
    given = credentials.issue(credentials.Grant("site-device", "admin", later))
    with pytest.raises(ClientError) as caught:
        Device(aws, "site-device", given).client("s3").put_object(
            Bucket=aws.bucket, Key="sites/site-device/x", Body=b""
        )
    assert word(caught) == "AccessDenied"


def test_a_function_does_what_its_role_allows(aws: Running) -> None:
    """A function's credentials are worth its role in the template: the indexer reads footage and writes items only."""
    key = "function-edgenvr-IndexObject"
    indexer = Device(aws, "", {"accessKeyId": key, "secretAccessKey": key, "sessionToken": ""})
    aws.client("s3").put_object(Bucket=aws.bucket, Key="sites/site-f/other/x", Body=b"")
    indexer.client("s3").head_object(Bucket=aws.bucket, Key="sites/site-f/other/x")
    for operation in ("put_object", "delete_object"):
        with pytest.raises(ClientError) as caught:
            getattr(indexer.client("s3"), operation)(Bucket=aws.bucket, Key="sites/site-f/other/x")
        assert word(caught) == "AccessDenied", operation
    dynamodb = indexer.client("dynamodb")
    item = {"pk": {"S": "x"}, "sk": {"S": "y"}}
    update = {"UpdateExpression": "SET v = :v", "ExpressionAttributeValues": {":v": {"N": "1"}}}
    dynamodb.update_item(TableName=aws.table, Key=item, **update)
    with pytest.raises(ClientError) as caught:
        dynamodb.delete_item(TableName=aws.table, Key=item)
    assert word(caught) == "AccessDeniedException"

"""What both S3 stand-ins must do: ours, and moto's, which many other people compare with AWS."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.integration.aws.conftest import Running

pytestmark = pytest.mark.slow
MIB = 1 << 20


@dataclass
class Shop:
    """A client and an empty, versioned bucket of its own."""

    s3: Any
    bucket: str

    def put(self, key: str, body: bytes = b"", **more: Any) -> Any:
        return self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **more)


@pytest.fixture(scope="module")
def moto_client() -> Iterator[Any]:
    """A plain moto server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", "from moto.server import main; main()", "-p", str(port)],
        env={**os.environ, "MOTO_S3_DEFAULT_KEY_BUFFER_SIZE": "1000000000"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            break
        assert time.monotonic() < deadline, "moto does not start"
        time.sleep(0.05)
    yield boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="eu-central-1",
        aws_access_key_id="moto",
        aws_secret_access_key="moto",
        config=Config(retries={"total_max_attempts": 1}),
    )
    process.kill()
    process.wait(10)


OURS_ALONE = pytest.mark.parametrize("shop", ["ours"], indirect=True)
"""For what moto 5.2.5 does otherwise than AWS; these tests found it."""


@pytest.fixture(params=["ours", "moto"])
def shop(request: pytest.FixtureRequest, aws: Running) -> Shop:
    s3 = aws.client("s3") if request.param == "ours" else request.getfixturevalue("moto_client")
    bucket = f"contract-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return Shop(s3, bucket)


def code(caught: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    response: Any = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def test_an_object_comes_back_as_it_was_put(shop: Shop) -> None:
    """Bytes, type, user metadata and tags count of an object are those it was put with."""
    put = shop.put("a/b c+ü.mp4", b"frames", ContentType="video/mp4", Metadata={"nvr-run": "7"}, Tagging="x=1&y=2")
    got = shop.s3.get_object(Bucket=shop.bucket, Key="a/b c+ü.mp4")
    assert got["Body"].read() == b"frames"
    assert (got["ContentType"], got["Metadata"], got["TagCount"]) == ("video/mp4", {"nvr-run": "7"}, 2)
    assert (got["ETag"], got["VersionId"]) == (put["ETag"], put["VersionId"])
    head = shop.s3.head_object(Bucket=shop.bucket, Key="a/b c+ü.mp4")
    assert (head["ContentLength"], head["ETag"], head["Metadata"]) == (6, put["ETag"], {"nvr-run": "7"})


@pytest.mark.parametrize(
    ("asked", "expected", "told"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=4-", b"456789", "bytes 4-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
    ],
)
def test_a_range_is_a_part_of_the_bytes(shop: Shop, asked: str, expected: bytes, told: str) -> None:
    """A range gives exactly its bytes and says which they are."""
    shop.put("k", b"0123456789")
    got = shop.s3.get_object(Bucket=shop.bucket, Key="k", Range=asked)
    assert (got["Body"].read(), got["ContentRange"]) == (expected, told)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206


def test_a_range_behind_the_end_is_refused(shop: Shop) -> None:
    """A range that begins behind the end is 416."""
    shop.put("k", b"0123456789")
    with pytest.raises(ClientError) as caught:
        shop.s3.get_object(Bucket=shop.bucket, Key="k", Range="bytes=10-")
    assert code(caught) == (416, "InvalidRange")


def test_what_is_not_there_is_404(shop: Shop) -> None:
    """A missing object, bucket or upload is 404, each with its own word."""
    with pytest.raises(ClientError) as caught:
        shop.s3.get_object(Bucket=shop.bucket, Key="nothing")
    assert code(caught) == (404, "NoSuchKey")
    with pytest.raises(ClientError) as caught:
        shop.s3.head_object(Bucket=shop.bucket, Key="nothing")
    assert code(caught) == (404, "404")
    with pytest.raises(ClientError) as caught:
        shop.s3.put_object(Bucket="no-such-bucket-here", Key="k", Body=b"")
    assert code(caught) == (404, "NoSuchBucket")
    with pytest.raises(ClientError) as caught:
        shop.s3.list_parts(Bucket=shop.bucket, Key="k", UploadId="nonsense")
    assert code(caught) == (404, "NoSuchUpload")


def test_a_write_if_absent_does_not_overwrite(shop: Shop) -> None:
    """With `If-None-Match: *` an existing object stays, and the writer is told with 412."""
    shop.put("k", b"first", IfNoneMatch="*")
    with pytest.raises(ClientError) as caught:
        shop.put("k", b"second", IfNoneMatch="*")
    assert code(caught) == (412, "PreconditionFailed")
    assert shop.s3.get_object(Bucket=shop.bucket, Key="k")["Body"].read() == b"first"


def test_versions_and_delete_markers(shop: Shop) -> None:
    """A delete hides an object behind a marker; older versions and what the marker hid can still be had."""
    first = shop.put("k", b"1")["VersionId"]
    second = shop.put("k", b"2")["VersionId"]
    marker = shop.s3.delete_object(Bucket=shop.bucket, Key="k")
    assert marker["DeleteMarker"] is True
    with pytest.raises(ClientError) as caught:
        shop.s3.get_object(Bucket=shop.bucket, Key="k")
    assert code(caught) == (404, "NoSuchKey")
    assert shop.s3.get_object(Bucket=shop.bucket, Key="k", VersionId=first)["Body"].read() == b"1"
    listed = shop.s3.list_object_versions(Bucket=shop.bucket)
    assert [(v["VersionId"], v["IsLatest"]) for v in listed["Versions"]] == [(second, False), (first, False)]
    assert [m["VersionId"] for m in listed["DeleteMarkers"]] == [marker["VersionId"]]
    shop.s3.delete_object(Bucket=shop.bucket, Key="k", VersionId=marker["VersionId"])
    assert shop.s3.get_object(Bucket=shop.bucket, Key="k")["Body"].read() == b"2"


def test_deleting_what_is_not_there_succeeds(shop: Shop) -> None:
    """A delete may be repeated."""
    assert shop.s3.delete_object(Bucket=shop.bucket, Key="nothing")["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_many_are_deleted_at_once(shop: Shop) -> None:
    """DeleteObjects deletes all it names and tells each."""
    for key in ("a", "b", "c"):
        shop.put(key)
    told = shop.s3.delete_objects(Bucket=shop.bucket, Delete={"Objects": [{"Key": "a"}, {"Key": "c"}]})
    assert sorted(entry["Key"] for entry in told["Deleted"]) == ["a", "c"]
    assert [entry["Key"] for entry in shop.s3.list_objects_v2(Bucket=shop.bucket)["Contents"]] == ["b"]


def test_lists_are_in_order_of_key_and_grouped_by_delimiter(shop: Shop) -> None:
    """A list is in order, only of its prefix, and groups what a delimiter separates."""
    for key in ("a/2", "a/1", "a/x/1", "b/1", "a/y/2", "a/x/2", "a"):
        shop.put(key, b"12")
    listed = shop.s3.list_objects_v2(Bucket=shop.bucket, Prefix="a/", Delimiter="/")
    assert [entry["Key"] for entry in listed["Contents"]] == ["a/1", "a/2"]
    assert [entry["Prefix"] for entry in listed["CommonPrefixes"]] == ["a/x/", "a/y/"]
    assert listed["KeyCount"] == 4
    older = shop.s3.list_objects(Bucket=shop.bucket, Prefix="a/")
    assert [entry["Key"] for entry in older["Contents"]] == ["a/1", "a/2", "a/x/1", "a/x/2", "a/y/2"]
    assert older["Contents"][0]["Size"] == 2


@pytest.mark.parametrize("delimiter", ["", "/"])
@pytest.mark.parametrize("page", [1, 2, 3])
def test_pages_of_a_list_join_to_the_whole(shop: Shop, delimiter: str, page: int) -> None:
    """Whatever the size of a page, the pages together are the list, nothing twice."""
    for key in ("a", "b/1", "b/2", "c", "d/1", "d/2 +ü", "e"):
        shop.put(key)
    keys: list[str] = []
    pages = shop.s3.get_paginator("list_objects_v2").paginate(
        Bucket=shop.bucket, Delimiter=delimiter, PaginationConfig={"PageSize": page}
    )
    for one in pages:
        keys += [entry["Key"] for entry in one.get("Contents", [])]
        keys += [entry["Prefix"] for entry in one.get("CommonPrefixes", [])]
    expected = ["a", "b/", "c", "d/", "e"] if delimiter else ["a", "b/1", "b/2", "c", "d/1", "d/2 +ü", "e"]
    assert sorted(keys) == expected


def test_tags_can_be_changed(shop: Shop) -> None:
    """Tags are replaced as a whole, read back, and taken away."""
    shop.put("k", b"1", Tagging="a=1")
    shop.s3.put_object_tagging(Bucket=shop.bucket, Key="k", Tagging={"TagSet": [{"Key": "b", "Value": "2 + 3"}]})
    assert shop.s3.get_object_tagging(Bucket=shop.bucket, Key="k")["TagSet"] == [{"Key": "b", "Value": "2 + 3"}]
    shop.s3.delete_object_tagging(Bucket=shop.bucket, Key="k")
    assert shop.s3.get_object_tagging(Bucket=shop.bucket, Key="k")["TagSet"] == []


def test_a_copy_has_the_bytes_and_what_went_with_them(shop: Shop) -> None:
    """A copy keeps metadata unless told to replace them."""
    put = shop.put("from ü", b"frames", ContentType="video/mp4", Metadata={"nvr-run": "7"})
    source = {"Bucket": shop.bucket, "Key": "from ü"}
    copied = shop.s3.copy_object(Bucket=shop.bucket, Key="to", CopySource=source)
    assert copied["CopyObjectResult"]["ETag"] == put["ETag"]
    got = shop.s3.get_object(Bucket=shop.bucket, Key="to")
    assert (got["Body"].read(), got["Metadata"], got["ContentType"]) == (b"frames", {"nvr-run": "7"}, "video/mp4")
    shop.s3.copy_object(
        Bucket=shop.bucket, Key="to", CopySource=source, MetadataDirective="REPLACE", Metadata={"nvr-source": "x"}
    )
    assert shop.s3.head_object(Bucket=shop.bucket, Key="to")["Metadata"] == {"nvr-source": "x"}


@OURS_ALONE  # moto ignores the condition
def test_a_copy_of_another_state_of_the_source_is_refused(shop: Shop) -> None:
    """A copy whose source has changed meanwhile is 412 when asked for by ETag."""
    shop.put("from", b"now")
    with pytest.raises(ClientError) as caught:
        shop.s3.copy_object(
            Bucket=shop.bucket,
            Key="to",
            CopySource={"Bucket": shop.bucket, "Key": "from"},
            CopySourceIfMatch='"0123456789abcdef0123456789abcdef"',
        )
    assert code(caught) == (412, "PreconditionFailed")


def upload(shop: Shop, key: str, bodies: list[bytes], **more: Any) -> tuple[str, list[dict[str, Any]]]:
    begun = shop.s3.create_multipart_upload(Bucket=shop.bucket, Key=key, **more)["UploadId"]
    parts = []
    for number, body in enumerate(bodies, 1):
        told = shop.s3.upload_part(Bucket=shop.bucket, Key=key, UploadId=begun, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": told["ETag"]})
    return begun, parts


def test_parts_become_one_object(shop: Shop) -> None:
    """An object uploaded in parts has their bytes in order, an ETag with their number, and its metadata."""
    bodies = [bytes([number]) * 5 * MIB for number in (1, 2)] + [b"tail"]
    begun, parts = upload(shop, "k", bodies, Metadata={"nvr-run": "9"}, ContentType="video/mp4")
    listed = shop.s3.list_parts(Bucket=shop.bucket, Key="k", UploadId=begun)["Parts"]
    assert [(part["PartNumber"], part["Size"]) for part in listed] == [(1, 5 * MIB), (2, 5 * MIB), (3, 4)]
    done = shop.s3.complete_multipart_upload(
        Bucket=shop.bucket, Key="k", UploadId=begun, MultipartUpload={"Parts": parts}
    )
    assert done["ETag"].endswith('-3"')
    got = shop.s3.get_object(Bucket=shop.bucket, Key="k")
    assert got["Body"].read() == b"".join(bodies)
    assert (got["Metadata"], got["ContentType"], got["ETag"]) == ({"nvr-run": "9"}, "video/mp4", done["ETag"])
    span = shop.s3.get_object(Bucket=shop.bucket, Key="k", Range=f"bytes={5 * MIB - 2}-{5 * MIB + 1}")
    assert span["Body"].read() == b"\1\1\2\2"
    assert shop.s3.list_multipart_uploads(Bucket=shop.bucket).get("Uploads", []) == []


def test_a_part_too_small_is_refused(shop: Shop) -> None:
    """Only the last part may be smaller than 5 MiB."""
    begun, parts = upload(shop, "k", [b"small", b"tail"])
    with pytest.raises(ClientError) as caught:
        shop.s3.complete_multipart_upload(Bucket=shop.bucket, Key="k", UploadId=begun, MultipartUpload={"Parts": parts})
    assert code(caught) == (400, "EntityTooSmall")


def test_a_part_that_is_not_the_one_sent_is_refused(shop: Shop) -> None:
    """A part claimed with another ETag, or never sent, is InvalidPart."""
    begun, parts = upload(shop, "k", [b"tail"])
    for claimed in ({**parts[0], "ETag": '"0123456789abcdef0123456789abcdef"'}, {**parts[0], "PartNumber": 2}):
        with pytest.raises(ClientError) as caught:
            shop.s3.complete_multipart_upload(
                Bucket=shop.bucket, Key="k", UploadId=begun, MultipartUpload={"Parts": [claimed]}
            )
        assert code(caught) == (400, "InvalidPart")


@OURS_ALONE  # moto answers 500
def test_an_upload_given_up_is_gone(shop: Shop) -> None:
    """After an abort the upload is not found any more, and there is no object."""
    begun, parts = upload(shop, "k", [b"tail"])
    assert [one["UploadId"] for one in shop.s3.list_multipart_uploads(Bucket=shop.bucket)["Uploads"]] == [begun]
    shop.s3.abort_multipart_upload(Bucket=shop.bucket, Key="k", UploadId=begun)
    with pytest.raises(ClientError) as caught:
        shop.s3.complete_multipart_upload(Bucket=shop.bucket, Key="k", UploadId=begun, MultipartUpload={"Parts": parts})
    assert code(caught) == (404, "NoSuchUpload")
    assert shop.s3.list_objects_v2(Bucket=shop.bucket)["KeyCount"] == 0


def test_a_bucket_with_objects_is_not_deleted(shop: Shop) -> None:
    """A bucket must be empty, old versions included, before it goes."""
    version = shop.put("k")["VersionId"]
    with pytest.raises(ClientError) as caught:
        shop.s3.delete_bucket(Bucket=shop.bucket)
    assert code(caught) == (409, "BucketNotEmpty")
    shop.s3.delete_object(Bucket=shop.bucket, Key="k", VersionId=version)
    shop.s3.delete_bucket(Bucket=shop.bucket)


@OURS_ALONE  # moto takes a body with a form's content type for a form
def test_a_presigned_address_works_without_credentials(shop: Shop) -> None:
    """Whoever has a presigned address can put and get that object."""
    import urllib.request

    url = shop.s3.generate_presigned_url("put_object", Params={"Bucket": shop.bucket, "Key": "a b"}, ExpiresIn=60)
    with urllib.request.urlopen(urllib.request.Request(url, data=b"frames", method="PUT"), timeout=10) as answer:
        assert answer.status == 200
    url = shop.s3.generate_presigned_url("get_object", Params={"Bucket": shop.bucket, "Key": "a b"}, ExpiresIn=60)
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.read() == b"frames"

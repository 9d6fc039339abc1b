"""Where moto takes anything, our S3 refuses what AWS refuses, with AWS's words."""

from __future__ import annotations

import base64
import datetime
import hashlib
import http.client
import uuid
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from awscrt import checksums as crt
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.integration.aws.conftest import Running

pytestmark = pytest.mark.slow
MIB = 1 << 20
WRONG = b"not what was sent"


def b64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def sha256(body: bytes) -> str:
    return b64(hashlib.sha256(body).digest())


def code(caught: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    response: Any = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


@pytest.fixture
def key() -> str:
    return f"strict/{uuid.uuid4().hex}"


def send(
    aws: Running, key: str, body: bytes, headers: dict[str, str], trailer: str | None = None, **who: str
) -> tuple[int, bytes, dict[str, str]]:
    """A PUT signed by hand, so that anything can be in it."""
    url = f"{aws.ready['endpoint_url']}/{aws.bucket}/{key}"
    request = AWSRequest("PUT", url, headers=headers, data=b"")
    if trailer is not None:
        request.context["checksum"] = {"request_algorithm": {"in": "trailer", "algorithm": trailer, "name": "x"}}
    access, secret = aws.ready["access_key_id"], aws.ready["secret_access_key"]
    credentials = Credentials(who.get("access", access), who.get("secret", secret), who.get("token"))
    S3SigV4Auth(credentials, "s3", aws.ready["region"]).add_auth(request)
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    connection.request("PUT", parts.path, body=body, headers=dict(request.headers.items()))
    answer = connection.getresponse()
    return answer.status, answer.read(), dict(answer.getheaders())


CHECKSUMS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "SHA256": ("ChecksumSHA256", lambda body: hashlib.sha256(body).digest()),
    "SHA1": ("ChecksumSHA1", lambda body: hashlib.sha1(body, usedforsecurity=False).digest()),
    "CRC32": ("ChecksumCRC32", lambda body: zlib.crc32(body).to_bytes(4, "big")),
    "CRC32C": ("ChecksumCRC32C", lambda body: crt.crc32c(body).to_bytes(4, "big")),
    "CRC64NVME": ("ChecksumCRC64NVME", lambda body: crt.crc64nvme(body).to_bytes(8, "big")),
}


@pytest.mark.parametrize("algorithm", list(CHECKSUMS))
@pytest.mark.parametrize("size", [0, 5, 3 * MIB + 1])
def test_a_wrong_checksum_is_refused_and_nothing_is_stored(aws: Running, key: str, algorithm: str, size: int) -> None:
    """Each algorithm: the right checksum is taken and told back, a wrong one is BadDigest."""
    s3, body = aws.client("s3"), b"x" * size
    name, compute = CHECKSUMS[algorithm]
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=aws.bucket, Key=key, Body=body, **{name: b64(compute(WRONG))})
    assert code(caught) == (400, "BadDigest")
    assert s3.list_objects_v2(Bucket=aws.bucket, Prefix=key)["KeyCount"] == 0
    put = s3.put_object(Bucket=aws.bucket, Key=key, Body=body, **{name: b64(compute(body))})
    assert (put[name], put["ChecksumType"]) == (b64(compute(body)), "FULL_OBJECT")
    head = s3.head_object(Bucket=aws.bucket, Key=key, ChecksumMode="ENABLED")
    assert head[name] == b64(compute(body))


@pytest.mark.parametrize(
    ("given", "word"), [(b64(hashlib.md5(WRONG).digest()), "BadDigest"), ("AAAA", "InvalidDigest")]
)
def test_content_md5_is_verified(aws: Running, key: str, given: str, word: str) -> None:
    """A Content-MD5 of other bytes is BadDigest; one that is none is InvalidDigest."""
    with pytest.raises(ClientError) as caught:
        aws.client("s3").put_object(Bucket=aws.bucket, Key=key, Body=b"right", ContentMD5=given)
    assert code(caught) == (400, word)


def test_a_checksum_that_is_none_is_refused(aws: Running, key: str) -> None:
    """A checksum that is not base64 of the right length is InvalidRequest, as AWS answers."""
    with pytest.raises(ClientError) as caught:
        aws.client("s3").put_object(Bucket=aws.bucket, Key=key, Body=b"right", ChecksumSHA256="bad")
    assert code(caught) == (400, "InvalidRequest")


def test_a_body_that_was_not_signed_is_refused(aws: Running, key: str) -> None:
    """The hash of the payload in the signature is that of the bytes, or nothing is stored."""
    status, body, _ = send(aws, key, b"other bytes", {})
    assert status == 400
    assert b"XAmzContentSHA256Mismatch" in body


def framed(chunks: list[bytes], trailer: str) -> bytes:
    """A body in aws-chunked encoding."""
    framed_chunks = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return framed_chunks + b"0\r\n" + trailer.encode() + b"\r\n\r\n"


@pytest.mark.parametrize("size", [1, 65_536, 2 * MIB + 3])
def test_a_checksum_behind_the_body_is_verified(aws: Running, key: str, size: int) -> None:
    """An aws-chunked body is stored without its frame, its trailing checksum verified and kept."""
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    chunks = [body[start : start + 65_536] for start in range(0, size, 65_536)]
    for right in (False, True):
        crc = zlib.crc32(body if right else WRONG).to_bytes(4, "big")
        sent = framed(chunks, f"x-amz-checksum-crc32:{b64(crc)}")
        headers = {
            "X-Amz-Decoded-Content-Length": str(size),
            "X-Amz-Trailer": "x-amz-checksum-crc32",
            "Content-Encoding": "aws-chunked",
        }
        status, answer, told = send(aws, key, sent, headers, trailer="crc32")
        assert status == (200 if right else 400), answer
        assert right or b"BadDigest" in answer
    got = aws.client("s3").get_object(Bucket=aws.bucket, Key=key)
    assert got["Body"].read() == body
    assert "ContentEncoding" not in got
    assert told["x-amz-checksum-crc32"] == b64(crc)


def test_a_trailer_that_was_announced_must_come(aws: Running, key: str) -> None:
    """A body without the checksum that its headers announced is refused."""
    headers = {"X-Amz-Decoded-Content-Length": "4", "X-Amz-Trailer": "x-amz-checksum-crc32"}
    status, answer, _ = send(aws, key, b"4\r\nbody\r\n0\r\n\r\n", headers, trailer="crc32")
    assert (status, b"MalformedTrailerError" in answer) == (400, True)


def test_a_frame_cut_short_is_refused(aws: Running, key: str) -> None:
    """A framed body of another length than announced is IncompleteBody."""
    headers = {"X-Amz-Decoded-Content-Length": "9", "X-Amz-Trailer": "x-amz-checksum-crc32"}
    status, answer, _ = send(aws, key, framed([b"body"], "x-amz-checksum-crc32:AAAAAA=="), headers, trailer="crc32")
    assert (status, b"IncompleteBody" in answer) == (400, True)


@pytest.mark.parametrize(("size", "taken"), [(2_047, True), (2_048, True), (2_049, False)])
def test_user_metadata_end_at_2048_bytes(aws: Running, key: str, size: int, taken: bool) -> None:
    """Names and values of user metadata are 2 048 bytes at most, together."""
    s3 = aws.client("s3")
    metadata = {"name": "v" * (size - 4 - 5), "other": ""}
    if taken:
        s3.put_object(Bucket=aws.bucket, Key=key, Body=b"", Metadata=metadata)
        return
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=aws.bucket, Key=key, Body=b"", Metadata=metadata)
    assert code(caught) == (400, "MetadataTooLarge")


@pytest.mark.parametrize(("size", "taken"), [(1_023, True), (1_024, True), (1_025, False)])
def test_keys_end_at_1024_bytes(aws: Running, size: int, taken: bool) -> None:
    """A key is 1 024 bytes of UTF-8 at most."""
    key = "strict/" + "ü" * ((size - 7) // 2) + "x" * ((size - 7) % 2)
    assert len(key.encode()) == size
    if taken:
        aws.client("s3").put_object(Bucket=aws.bucket, Key=key, Body=b"")
        return
    with pytest.raises(ClientError) as caught:
        aws.client("s3").put_object(Bucket=aws.bucket, Key=key, Body=b"")
    assert code(caught) == (400, "KeyTooLongError")


# ---------------------------------------------------------------------------------------------- uploads in parts


class Parts:
    """An upload of two parts with checksums of their own."""

    bodies = (b"1" * 5 * MIB, b"2" * 7)

    def __init__(self, aws: Running, key: str, **begin: Any) -> None:
        self.s3, self.where = aws.client("s3"), {"Bucket": aws.bucket, "Key": key}
        self.where["UploadId"] = self.s3.create_multipart_upload(**self.where, **begin)["UploadId"]

    def send(self, number: int, **more: Any) -> Any:
        return self.s3.upload_part(**self.where, PartNumber=number, Body=self.bodies[number - 1], **more)

    def send_all(self) -> list[dict[str, Any]]:
        return [
            {
                "PartNumber": number,
                "ETag": self.send(number, ChecksumSHA256=sha256(body))["ETag"],
                "ChecksumSHA256": sha256(body),
            }
            for number, body in enumerate(self.bodies, 1)
        ]

    def complete(self, parts: list[dict[str, Any]], **more: Any) -> Any:
        return self.s3.complete_multipart_upload(**self.where, MultipartUpload={"Parts": parts}, **more)

    @property
    def composite(self) -> str:
        digests = b"".join(hashlib.sha256(body).digest() for body in self.bodies)
        return f"{sha256(digests)}-{len(self.bodies)}"


def test_parts_and_whole_are_verified_by_sha256(aws: Running, key: str) -> None:
    """With SHA-256 of each part, the object's checksum is the composite, and it is told by every reader."""
    upload = Parts(aws, key, ChecksumAlgorithm="SHA256")
    done = upload.complete(upload.send_all(), ChecksumSHA256=upload.composite)
    assert (done["ChecksumSHA256"], done["ChecksumType"]) == (upload.composite, "COMPOSITE")
    head = upload.s3.head_object(Bucket=aws.bucket, Key=key, ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] == upload.composite
    told = upload.s3.get_object_attributes(
        Bucket=aws.bucket, Key=key, ObjectAttributes=["Checksum", "ObjectParts", "ObjectSize"]
    )
    assert told["Checksum"]["ChecksumSHA256"] == upload.composite.split("-")[0] + "-2"
    assert [part["ChecksumSHA256"] for part in told["ObjectParts"]["Parts"]] == [sha256(b) for b in upload.bodies]
    assert told["ObjectSize"] == 5 * MIB + 7


def test_a_wrong_checksum_of_a_part_is_refused(aws: Running, key: str) -> None:
    """A part whose bytes are not those of its checksum is BadDigest and does not count as sent."""
    upload = Parts(aws, key, ChecksumAlgorithm="SHA256")
    with pytest.raises(ClientError) as caught:
        upload.send(1, ChecksumSHA256=sha256(WRONG))
    assert code(caught) == (400, "BadDigest")
    assert "Parts" not in upload.s3.list_parts(**upload.where)


def test_a_wrong_composite_is_refused(aws: Running, key: str) -> None:
    """A completing request whose checksum is not that of the parts is BadDigest; the upload stays and can complete."""
    upload = Parts(aws, key, ChecksumAlgorithm="SHA256")
    parts = upload.send_all()
    with pytest.raises(ClientError) as caught:
        upload.complete(parts, ChecksumSHA256=sha256(WRONG) + "-2")
    assert code(caught) == (400, "BadDigest")
    upload.complete(parts, ChecksumSHA256=upload.composite)


def test_every_part_must_name_its_checksum(aws: Running, key: str) -> None:
    """A completing request without the parts' checksums is InvalidRequest when the upload was begun with them."""
    upload = Parts(aws, key, ChecksumAlgorithm="SHA256")
    parts = upload.send_all()
    del parts[0]["ChecksumSHA256"]
    with pytest.raises(ClientError, match="It was missing for part 1") as caught:
        upload.complete(parts)
    assert code(caught) == (400, "InvalidRequest")


def test_a_part_claimed_with_another_checksum_is_refused(aws: Running, key: str) -> None:
    """A part claimed with the checksum of other bytes is InvalidPart."""
    upload = Parts(aws, key, ChecksumAlgorithm="SHA256")
    parts = upload.send_all()
    parts[1]["ChecksumSHA256"] = sha256(WRONG)
    with pytest.raises(ClientError) as caught:
        upload.complete(parts)
    assert code(caught) == (400, "InvalidPart")


def test_a_part_with_another_algorithm_is_refused(aws: Running, key: str) -> None:
    """An upload begun with SHA-256 takes no part with a CRC."""
    upload = Parts(aws, key, ChecksumAlgorithm="SHA256")
    crc = b64(zlib.crc32(upload.bodies[0]).to_bytes(4, "big"))
    with pytest.raises(ClientError, match="expected checksum Type: sha256, actual checksum Type: crc32") as caught:
        upload.send(1, ChecksumCRC32=crc)
    assert code(caught) == (400, "InvalidRequest")


def test_a_full_object_checksum_is_that_of_all_bytes(aws: Running, key: str) -> None:
    """With `FULL_OBJECT` the checksum of the whole is verified, whatever the parts were."""
    upload = Parts(aws, key, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    parts = [{"PartNumber": number, "ETag": upload.send(number)["ETag"]} for number in (1, 2)]
    with pytest.raises(ClientError) as caught:
        upload.complete(parts, ChecksumCRC32=b64(zlib.crc32(WRONG).to_bytes(4, "big")), ChecksumType="FULL_OBJECT")
    assert code(caught) == (400, "BadDigest")
    right = b64(zlib.crc32(b"".join(upload.bodies)).to_bytes(4, "big"))
    done = upload.complete(parts, ChecksumCRC32=right, ChecksumType="FULL_OBJECT")
    assert (done["ChecksumCRC32"], done["ChecksumType"]) == (right, "FULL_OBJECT")


def test_sha256_has_no_full_object_form(aws: Running, key: str) -> None:
    """AWS has full-object checksums of CRCs only."""
    with pytest.raises(ClientError) as caught:
        Parts(aws, key, ChecksumAlgorithm="SHA256", ChecksumType="FULL_OBJECT")
    assert code(caught) == (400, "InvalidRequest")


def test_a_whole_of_another_size_is_refused(aws: Running, key: str) -> None:
    """A completing request that says another size is refused."""
    upload = Parts(aws, key)
    parts = [{"PartNumber": 2, "ETag": upload.send(2)["ETag"]}]
    with pytest.raises(ClientError) as caught:
        upload.complete(parts, MpuObjectSize=8)
    assert code(caught) == (400, "InvalidRequest")


def test_an_upload_completes_once(aws: Running, key: str) -> None:
    """An upload that was completed is gone: a second completion does not make a second version."""
    upload = Parts(aws, key)
    parts = [{"PartNumber": 2, "ETag": upload.send(2)["ETag"]}]
    upload.complete(parts)
    with pytest.raises(ClientError) as caught:
        upload.complete(parts)
    assert code(caught) == (404, "NoSuchUpload")


# ---------------------------------------------------------------------------------------------- signatures


def fetch(url: str, method: str = "GET", body: bytes | None = None) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    connection.request(method, f"{parts.path}?{parts.query}" if parts.query else parts.path, body=body)
    answer = connection.getresponse()
    return answer.status, answer.read()


def presigned(aws: Running, key: str, expires_s: int = 60) -> str:
    client = aws.client("s3", config={"signature_version": "s3v4"})
    return str(
        client.generate_presigned_url("get_object", Params={"Bucket": aws.bucket, "Key": key}, ExpiresIn=expires_s)
    )


def test_a_presigned_address_is_for_one_object(aws: Running, key: str) -> None:
    """An address gives its object; with another key, verb or parameter it is SignatureDoesNotMatch."""
    aws.client("s3").put_object(Bucket=aws.bucket, Key=key, Body=b"frames")
    aws.client("s3").put_object(Bucket=aws.bucket, Key=key + "x", Body=b"others")
    url = presigned(aws, key)
    assert fetch(url) == (200, b"frames")
    tampered = [(url.replace(key, key + "x"), "GET"), (url, "DELETE"), (url + "&versionId=null", "GET")]
    for address, method in tampered:
        status, answer = fetch(address, method)
        assert (status, b"SignatureDoesNotMatch" in answer) == (403, True), address


def test_a_presigned_address_ends(aws: Running, key: str) -> None:
    """After its time an address is 403 AccessDenied."""
    aws.client("s3").put_object(Bucket=aws.bucket, Key=key, Body=b"frames")
    for never in ("0", "-1", "604801", "soon"):
        assert fetch(presigned(aws, key).replace("X-Amz-Expires=60", f"X-Amz-Expires={never}"))[0] == 400
    status, answer = fetch(aged(aws, key, age_s=61, expires_s=60))
    assert (status, b"AccessDenied" in answer, b"Request has expired" in answer) == (403, True, True)
    assert fetch(aged(aws, key, age_s=50, expires_s=60))[0] == 200


def sign_as_of(signer: Any, request: AWSRequest, age_s: int) -> None:
    """Signs as the signer would have done `age_s` ago."""
    then = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=age_s)
    request.context["timestamp"] = then.strftime("%Y%m%dT%H%M%SZ")
    signer._modify_request_before_signing(request)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    signer._inject_signature_to_request(request, signer.signature(text, request))


def aged(aws: Running, key: str, age_s: int, expires_s: int) -> str:
    """A presigned address as somebody got it `age_s` ago."""
    request = AWSRequest("GET", f"{aws.ready['endpoint_url']}/{aws.bucket}/{key}")
    credentials = Credentials(aws.ready["access_key_id"], aws.ready["secret_access_key"])
    sign_as_of(S3SigV4QueryAuth(credentials, "s3", aws.ready["region"], expires=expires_s), request, age_s)
    return str(request.url)


def client_of(aws: Running, access: str, secret: str, token: str | None = None) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=aws.ready["endpoint_url"],
        region_name=aws.ready["region"],
        aws_access_key_id=access,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}),
    )


def test_a_forged_signature_is_refused(aws: Running, key: str) -> None:
    """A wrong secret is SignatureDoesNotMatch; an access key that nobody was given is InvalidAccessKeyId."""
    for access, secret, word in (("local", "guess", "SignatureDoesNotMatch"), ("AKIA0", "local", "InvalidAccessKeyId")):
        with pytest.raises(ClientError) as caught:
            client_of(aws, access, secret).put_object(Bucket=aws.bucket, Key=key, Body=b"x")
        assert code(caught) == (403, word)


def test_nobody_comes_in_unsigned(aws: Running, key: str) -> None:
    """A request without a signature is 403 AccessDenied."""
    aws.client("s3").put_object(Bucket=aws.bucket, Key=key, Body=b"frames")
    status, answer = fetch(f"{aws.ready['endpoint_url']}/{aws.bucket}/{key}")
    assert (status, b"AccessDenied" in answer) == (403, True)


def test_a_role_that_was_assumed_may_sign(aws: Running, key: str) -> None:
    """The keys that STS gives out are good for S3."""
    role = f"arn:aws:iam::{aws.ready['account']}:role/{aws.ready['resources']['IndexRole']}"
    given = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    client = client_of(aws, given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    client.put_object(Bucket=aws.bucket, Key=key, Body=b"frames")


def test_a_clock_that_is_wrong_is_told(aws: Running, key: str) -> None:
    """A request signed more than 15 minutes ago or ahead is RequestTimeTooSkewed."""
    request = AWSRequest("GET", f"{aws.ready['endpoint_url']}/{aws.bucket}/{key}")
    sign_as_of(S3SigV4Auth(Credentials("local", "local"), "s3", aws.ready["region"]), request, 16 * 60)
    parts = urlsplit(str(request.url))
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    connection.request("GET", parts.path, headers=dict(request.headers.items()))
    answer = connection.getresponse()
    assert (answer.status, b"RequestTimeTooSkewed" in answer.read()) == (403, True)


def test_what_is_not_implemented_says_so(aws: Running, key: str) -> None:
    """An operation that the stand-in does not have is 501, not a success that means nothing."""
    s3 = aws.client("s3")
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=aws.bucket, Key=key, Body=b"", ServerSideEncryption="aws:kms")
    assert code(caught) == (501, "NotImplemented")
    with pytest.raises(ClientError) as caught:
        s3.put_bucket_notification_configuration(
            Bucket=aws.bucket,
            NotificationConfiguration={
                "QueueConfigurations": [{"QueueArn": "arn:aws:sqs:x:1:q", "Events": ["s3:ObjectCreated:*"]}]
            },
        )
    assert code(caught) == (501, "NotImplemented")

"""S3 as an object store: the one door to boto3 here.

Nothing is hashed twice: the SHA-256 that was taken while recording goes out as `x-amz-checksum-sha256`, S3 compares,
and the request is signed with an unsigned payload. The checksum header is part of what is signed, so that the body is
bound to the signature all the same, and the connection is TLS wherever an endpoint is not a stand-in.

One call is one request: boto3's own retries are off, because retry lives in one place (`core/retry.py`).

Credentials come from one place only, the container credentials endpoint that the core's Token Exchange Service names
in the environment; a credentials file that lies about on a box is not read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast, overload
from urllib.parse import urlencode

import botocore.config
import botocore.credentials
import botocore.session
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's, for all that fails before there is a connection
    CredentialRetrievalError,
    HTTPClientError,
    MetadataRetrievalError,
    NoCredentialsError,
    ParamValidationError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from components.cloud_sync.answer_limit import limit_answers
from components.cloud_sync.object_store import (
    Body,
    DigestRefused,
    NewObject,
    ObjectExists,
    PartToJoin,
    StoreAway,
    StoredObject,
    StoredPart,
    StoreUnreached,
    UploadGone,
)
from components.cloud_sync.paced_connection import pace_client
from components.cloud_sync.pacer import Pacer
from components.shared.errors import NvrError, Rejected, Transient

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse
    from botocore.model import OperationModel
    from mypy_boto3_s3.client import S3Client

T = TypeVar("T")

CONNECT_S_MAX = 20
"""To connect, and for one block of a body to leave: 16 KiB in 20 s is 7 kbit/s, less than any link that is up."""

ANSWER_S_MAX = 120
"""To answer once the body has left us: what still lies in socket buffers (up to 4 MB) must drain over a slow link."""

ANSWER_WHOLE_S_MAX = 300
"""For all of an answer to come: a list of parts is its largest, some 2 MB, which takes 4 minutes at 64 kbit/s."""

_ABOUT_THE_OBJECT: dict[str, type[NvrError]] = {
    "BadDigest": DigestRefused,
    "XAmzContentChecksumMismatch": DigestRefused,
    "XAmzContentSHA256Mismatch": DigestRefused,
    "NoSuchUpload": UploadGone,
    "InvalidPart": UploadGone,
    "InvalidPartOrder": UploadGone,
    "EntityTooSmall": UploadGone,
    "MetadataTooLarge": Rejected,
    "KeyTooLongError": Rejected,
    "EntityTooLarge": Rejected,
}
"""Only what is clearly this object's own fault is Rejected: a misjudged code would give up footage for good."""

_BUSY_CODES = frozenset({"SlowDown", "RequestTimeout", "Throttling", "ThrottlingException", "RequestLimitExceeded"})
_CREDENTIAL_CODES = frozenset({"ExpiredToken", "InvalidToken", "InvalidAccessKeyId", "SignatureDoesNotMatch", "400"})
"""400 stands for itself where an answer has no body: to a HEAD, S3 says so of credentials that have expired."""

_BUCKET_CODES = frozenset({"NoSuchBucket", "PermanentRedirect", "AuthorizationHeaderMalformed"})

_CREDENTIALS_ADVICE = "check the core's Token Exchange Service and the role alias that it is configured with"


_NO_ANSWER = (BotoCoreError, ResponseParserError)
"""What botocore raises for a request without an answer of S3."""


class S3Store:
    """One bucket, through one client that all workers share. The client is made at the first request.

    Made earlier it would ask for credentials at once, and a core without a network cannot give them.
    """

    def __init__(self, make_client: Callable[[], S3Client], bucket: str) -> None:
        self._make_client = make_client
        self._made_client: S3Client | None = None
        self._lock = threading.Lock()
        self._bucket = bucket

    @property
    def _client(self) -> S3Client:
        with self._lock:
            if self._made_client is None:
                self._made_client = self._make_client()
            return self._made_client

    def head(self, key: str) -> StoredObject | None:
        """See ObjectStore. To a role without s3:ListBucket, S3 says "forbidden" of an object that is not there."""
        step = f"object {key}: look"
        found = self._call(
            step,
            lambda: self._client.head_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED"),
            unknown=frozenset({403, 404}),
        )
        if found is None:
            return None
        etag = _told(found.get("ETag"), step)
        return StoredObject(found.get("ContentLength"), found.get("ChecksumSHA256"), etag, found["Metadata"])

    def put_object(self, new: NewObject, body: Body, sha256: str) -> StoredObject:
        """See ObjectStore."""
        step = f"object {new.key}: put"
        answer = self._call(
            step,
            lambda: self._client.put_object(
                Bucket=self._bucket,
                Key=new.key,
                Body=cast(IO[bytes], body),
                ContentLength=body.size_bytes,
                ContentType=new.content_type,
                Metadata=new.metadata,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=sha256,
                IfNoneMatch="*",
                **_kept(new),
            ),
        )
        return StoredObject(None, answer.get("ChecksumSHA256"), _told(answer.get("ETag"), step))

    def create_upload(self, new: NewObject) -> str:
        """See ObjectStore."""
        step = f"object {new.key}: begin a multipart upload"
        answer = self._call(
            step,
            lambda: self._client.create_multipart_upload(
                Bucket=self._bucket,
                Key=new.key,
                ContentType=new.content_type,
                Metadata=new.metadata,
                ChecksumAlgorithm="SHA256",
                ChecksumType="COMPOSITE",
                **_kept(new),
            ),
        )
        return _told(answer.get("UploadId"), step)

    def list_uploads(self, key: str) -> tuple[str, ...]:
        """See ObjectStore."""

        def found() -> tuple[str, ...]:
            pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket, Prefix=key)
            uploads = [upload for page in pages for upload in page.get("Uploads", ()) if upload["Key"] == key]
            return tuple(upload["UploadId"] for upload in sorted(uploads, key=lambda upload: upload["Initiated"]))

        # What we may not see, the bucket's lifecycle rule ends.
        return self._call(f"object {key}: list uploads", found, unknown=frozenset({403})) or ()

    def upload_part(self, key: str, upload_id: str, number: int, body: Body, sha256: str) -> str:
        """See ObjectStore."""
        step = f"object {key}: part {number}"
        answer = self._call(
            step,
            lambda: self._client.upload_part(
                Bucket=self._bucket,
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                Body=cast(IO[bytes], body),
                ContentLength=body.size_bytes,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=sha256,
            ),
        )
        return _told(answer.get("ETag"), step)

    def list_parts(self, key: str, upload_id: str) -> tuple[StoredPart, ...]:
        """See ObjectStore."""

        def found() -> tuple[StoredPart, ...]:
            pages = self._client.get_paginator("list_parts").paginate(Bucket=self._bucket, Key=key, UploadId=upload_id)
            return tuple(
                StoredPart(part["PartNumber"], part["Size"], part["ETag"], part.get("ChecksumSHA256"))
                for page in pages
                for part in page.get("Parts", ())
            )

        return self._call(f"object {key}: list parts", found)

    def complete_upload(self, key: str, upload_id: str, parts: Sequence[PartToJoin], size_bytes: int) -> StoredObject:
        """See ObjectStore."""
        step = f"object {key}: complete"
        answer = self._call(
            step,
            lambda: self._client.complete_multipart_upload(
                Bucket=self._bucket,
                Key=key,
                UploadId=upload_id,
                MultipartUpload={
                    "Parts": [
                        {"PartNumber": part.number, "ETag": part.etag, "ChecksumSHA256": part.sha256} for part in parts
                    ]
                },
                MpuObjectSize=size_bytes,
                IfNoneMatch="*",
            ),
        )
        return StoredObject(None, answer.get("ChecksumSHA256"), _told(answer.get("ETag"), step))

    def abort_upload(self, key: str, upload_id: str) -> None:
        """See ObjectStore."""
        self._call(
            f"object {key}: abort an upload",
            lambda: self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id),
            unknown=frozenset({404}),
        )

    def _forget_client(self) -> None:
        """The next request asks the core for credentials: these are good only by the box's clock, which may be slow."""
        with self._lock:
            self._made_client = None

    @overload
    def _call(self, step: str, request: Callable[[], T]) -> T: ...

    @overload
    def _call(self, step: str, request: Callable[[], T], unknown: frozenset[int]) -> T | None: ...

    def _call(self, step: str, request: Callable[[], T], unknown: frozenset[int] = frozenset()) -> T | None:
        """The answer to a request; None when its status is one of `unknown`. What is raised is one of ours."""
        try:
            return request()
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _CREDENTIAL_CODES:
                self._forget_client()
            if _status(error) in unknown:
                return None
            raise from_answer(error, step, self._bucket) from error
        except _NO_ANSWER as error:
            raise from_failure(error, step, self._bucket) from error


def open_s3(bucket: str, connections: int, pacer: Pacer, answer_s_max: float = ANSWER_WHOLE_S_MAX) -> S3Store:
    """A store for `bucket` in the region and at the endpoint that the environment names (as for every AWS client).

    What it sends passes the pacer.
    """

    def make_client() -> S3Client:
        session = botocore.session.Session()
        only_the_core = botocore.credentials.CredentialResolver([botocore.credentials.ContainerProvider()])
        session.register_component("credential_provider", only_the_core)
        config = botocore.config.Config(
            connect_timeout=CONNECT_S_MAX,
            read_timeout=ANSWER_S_MAX,
            max_pool_connections=connections,
            retries={"total_max_attempts": 1, "mode": "standard"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"payload_signing_enabled": False},
            tcp_keepalive=True,
        )
        client = session.create_client("s3", config=config)
        client.meta.events.register("after-call.s3", refuse_cut_answer)
        pace_client(client, pacer)
        client.meta.events.register("before-call.s3", follow_no_redirect)
        limit_answers(client, answer_s_max)
        return cast("S3Client", client)

    return S3Store(make_client, bucket)


def _kept(new: NewObject) -> Any:
    """How an object is to be kept. Nothing is said of what is the default: tags need a permission of their own."""
    kept = {} if new.storage_class == "STANDARD" else {"StorageClass": new.storage_class}
    return {**kept, "Tagging": urlencode(new.tags)} if new.tags else kept


def follow_no_redirect(context: dict[str, Any], **_: object) -> None:
    """Has botocore take a redirect for the answer that it is.

    It would ask HeadBucket where the bucket is, and again when that is redirected too, as by a sign-in page: 78
    requests in a row before its stack ends (seen with 1.44.5). The bucket is in the region of its site.
    """
    context.setdefault("s3_redirect", {})["redirected"] = True


def refuse_cut_answer(http_response: AWSResponse, model: OperationModel, **_: object) -> None:
    """StoreAway when an answer ended before its length: botocore takes what came for the whole (seen with 1.44.5).

    A list of parts that lost its body would say that there are none.
    """
    length = http_response.headers.get("Content-Length")
    if length is None or model.http.get("method") == "HEAD":
        return
    if len(http_response.content) < int(length):
        raise StoreAway(f"{model.name}: the answer was cut off after {len(http_response.content)} of {length} bytes")


def from_answer(error: ClientError, step: str, bucket: str) -> NvrError:
    """What an error answer of S3 means for us, and what an operator can do about it."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = _status(error)
    message = " ".join(
        str(error.response.get("Error", {}).get("Message") or code).split()
    )  # one line, whoever wrote it
    text = f"{step}: S3 answers {status} {message} ({code})"
    if status == 412:
        return ObjectExists(text)
    if code in _ABOUT_THE_OBJECT:
        return _ABOUT_THE_OBJECT[code](text)
    if advice := _advice(status, code, bucket):
        return StoreAway(f"{text}: {advice}")
    if status >= 500 or status == 429 or code in _BUSY_CODES:
        return StoreAway(text)
    return Transient(text)


def _advice(status: int, code: str, bucket: str) -> str | None:
    if code in _BUCKET_CODES:
        return f"check that bucket {bucket!r}, the component's mediaBucket, is there in this region"
    if code in _CREDENTIAL_CODES:
        return _CREDENTIALS_ADVICE
    if code == "RequestTimeTooSkewed":
        return "the box's clock is wrong, check its time service"
    if 300 <= status < 400:
        return f"check that bucket {bucket!r} is in this region, and whether a proxy or sign-in page is in between"
    if status == 403:
        return (
            "the role of the token exchange must allow s3:PutObject, s3:GetObject, s3:AbortMultipartUpload, "
            "s3:ListMultipartUploadParts and, where objects get tags, s3:PutObjectTagging on this site's prefix of "
            f"bucket {bucket!r}"
        )
    return None


def from_failure(error: Exception, step: str, bucket: str) -> NvrError:
    """What a request without an answer means for us. An error of our own while a body was read comes back as it was."""
    if isinstance(error, HTTPClientError):
        inner: Any = error.kwargs.get("error")
        if isinstance(inner, NvrError):
            return inner
    if isinstance(error, NoCredentialsError | CredentialRetrievalError | MetadataRetrievalError):
        return StoreAway(f"{step}: no credentials: {error}: {_CREDENTIALS_ADVICE}")
    if isinstance(error, SSLError):
        return StoreAway(f"{step}: {error}: check the box's clock and certificates, and whether a proxy opens TLS")
    if isinstance(error, ParamValidationError):
        return StoreAway(f"{step}: {error}: check the bucket {bucket!r}, the component's mediaBucket")
    if isinstance(error, HTTPClientError | ConnectionError):
        return StoreUnreached(f"{step}: {error}: check the network, its DNS and any firewall")
    return StoreAway(f"{step}: {error}")


def _told(value: str | None, step: str) -> str:
    """What every answer of S3 holds. One without it comes from something in between, such as a sign-in page."""
    if not value:
        raise StoreAway(f"{step}: the answer is not one of S3: check whether a proxy or sign-in page is in between")
    return value


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))

"""The WSGI application for requests signed for S3: has each checked, and finds who answers it.

Requests for buckets (settings, policies, creation) go on to moto, which also says which buckets there are. What is
not implemented is answered with 501, never with a success that means nothing.
"""

from __future__ import annotations

import io
import logging
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from local.aws.http_server import WsgiApp
from local.aws.s3 import headers as headers_of
from local.aws.s3.bodies import BodyReader, document
from local.aws.s3.faults import S3Fault, access_denied, not_implemented
from local.aws.s3.headers import Answer
from local.aws.s3.listing import Lists
from local.aws.s3.multipart import Uploads
from local.aws.s3.object_requests import Buckets, ObjectRequests
from local.aws.s3.objects import BucketState, Objects
from local.aws.s3.request import Request, from_environ
from local.aws.s3.upload_requests import UploadRequests
from local.aws.state import State

log = logging.getLogger(__name__)

_REASONS = {200: "OK", 204: "No Content", 206: "Partial Content", 304: "Not Modified"}
_SUB_RESOURCES = {
    "uploads",
    "uploadId",
    "tagging",
    "attributes",
    "acl",
    "retention",
    "legal-hold",
    "torrent",
    "restore",
    "select",
}
_OF_LISTS = {"prefix", "delimiter", "marker", "max-keys", "encoding-type"}


class S3Service:
    """The application.

    `check` raises when a request is not signed rightly or its sender may not do it; `hides_absence` says whether the
    sender is one who gets 403 where others get 404.
    """

    def __init__(
        self,
        state: State,
        objects: Objects,
        buckets: Buckets,
        moto: WsgiApp,
        check: Callable[[Request], None],
        hides_absence: Callable[[Request], bool],
    ) -> None:
        self._hides_absence = hides_absence
        self._objects = objects
        self._lists = Lists(state)
        self._reader = BodyReader()
        self._buckets = buckets
        self._moto = moto
        self._check = check
        whole = ObjectRequests(state, objects, self._reader, buckets)
        parts = UploadRequests(state, Uploads(state, objects), self._reader)
        self._whole, self._parts = whole, parts
        self._operations: dict[tuple[str, str], Callable[[Request, BucketState], Answer]] = {
            ("PUT", ""): whole.put,
            ("GET", ""): whole.get,
            ("HEAD", ""): whole.get,
            ("DELETE", ""): whole.delete,
            ("GET", "tagging"): whole.get_tags,
            ("PUT", "tagging"): whole.put_tags,
            ("DELETE", "tagging"): whole.delete_tags,
            ("GET", "attributes"): whole.get_attributes,
            ("POST", "uploads"): parts.begin_upload,
            ("PUT", "uploadId"): parts.put_part,
            ("GET", "uploadId"): parts.get_parts,
            ("DELETE", "uploadId"): parts.give_up,
            ("POST", "uploadId"): parts.complete,
        }

    def stop(self) -> None:
        """Ends its threads."""
        self._reader.stop()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answers one request."""
        request_id = uuid.uuid4().hex[:16].upper()
        try:
            request = from_environ(environ)
            self._check(request)
            if self._is_for_moto(request):
                if request.method == "PUT" and "notification" in request.query:
                    environ["wsgi.input"] = io.BytesIO(_bridge_only(document(request)))
                return self._moto(environ, start_response)
            status, headers, chunks = self._answer(request)
        except S3Fault as fault:
            log.info("s3_refused method=%s path=%s fault=%s", environ["REQUEST_METHOD"], environ["RAW_URI"], fault)
            body = fault.body(environ["PATH_INFO"], request_id)
            status = fault.status
            headers = {"Content-Type": "application/xml", "Content-Length": str(len(body)), **fault.headers}
            chunks = [body]
        answered = {"x-amz-request-id": request_id, "x-amz-id-2": request_id, "Server": "AmazonS3", **headers}
        start_response(f"{status} {_REASONS.get(status, 'Refused')}", list(answered.items()))
        return chunks

    def _is_for_moto(self, request: Request) -> bool:
        if request.key:
            return False
        if not request.bucket:
            return True
        query = set(request.query)
        if request.method in {"GET", "POST"}:
            return not {"list-type", "versions", "uploads", "delete"} & query and bool(query - _OF_LISTS)
        if request.method == "DELETE" and not query and self._objects.has_any(request.bucket):
            raise S3Fault(409, "BucketNotEmpty", "The bucket you tried to delete is not empty")
        return True

    def _answer(self, request: Request) -> Answer:
        bucket = self._buckets(request.bucket)
        if bucket is None:
            raise S3Fault(404, "NoSuchBucket", "The specified bucket does not exist")
        if not request.key:
            return self._for_bucket(request, bucket)
        named = _SUB_RESOURCES & set(request.query)
        operation = self._operations.get((request.method, min(named, default="")))
        if operation is None:
            raise not_implemented(f"{request.method} of an object with {sorted(named)}")
        try:
            return operation(request, bucket)
        except S3Fault as fault:
            if fault.code == "NoSuchKey" and self._hides_absence(request):
                raise access_denied() from fault
            raise

    def _for_bucket(self, request: Request, bucket: BucketState) -> Answer:
        query = request.query
        if request.method == "POST":
            return self._whole.delete_many(request, bucket)
        if "uploads" in query:
            return self._parts.all_of(request)
        if "versions" in query:
            return headers_of.xml(self._lists.versions(request.bucket, query))
        if query.get("list-type") == "2":
            return headers_of.xml(self._lists.objects_v2(request.bucket, query))
        return headers_of.xml(self._lists.objects_v1(request.bucket, query))


def _bridge_only(body: bytes) -> bytes:
    """A notification document that names EventBridge and nothing else, which is all that is told here."""
    if any(other in body for other in (b"QueueConfiguration", b"TopicConfiguration", b"CloudFunctionConfiguration")):
        raise not_implemented("notifications to anything but EventBridge")
    return body

"""Answers requests for uploads in parts."""

from __future__ import annotations

from local.aws.s3 import documents, listing
from local.aws.s3 import headers as headers_of
from local.aws.s3.bodies import BodyReader, declared_checksum, document
from local.aws.s3.checksums import ALGORITHMS
from local.aws.s3.faults import not_implemented
from local.aws.s3.headers import Answer
from local.aws.s3.multipart import Claimed, Uploads, Whole
from local.aws.s3.objects import BucketState
from local.aws.s3.request import Request
from local.aws.state import State


class UploadRequests:
    """Each method answers one operation."""

    def __init__(self, state: State, uploads: Uploads, reader: BodyReader) -> None:
        self._state = state
        self._uploads = uploads
        self._reader = reader

    def all_of(self, request: Request) -> Answer:
        """ListMultipartUploads."""
        found = self._uploads.all_of(request.bucket, request.query.get("prefix", ""))
        return headers_of.xml(listing.uploads(request.bucket, found, request.query))

    def begin_upload(self, request: Request, _bucket: BucketState) -> Answer:
        """CreateMultipartUpload."""
        headers = request.headers
        algorithm, kind = headers.get("x-amz-checksum-algorithm", ""), headers.get("x-amz-checksum-type", "")
        upload = self._uploads.begin(
            request.bucket, request.key, headers_of.facts(request), algorithm.upper(), kind.upper()
        )
        nodes: list[documents.Node] = [("Bucket", upload.bucket), ("Key", upload.key), ("UploadId", upload.id)]
        answer = {"x-amz-server-side-encryption": "AES256"}
        if algorithm:
            answer |= {
                "x-amz-checksum-algorithm": upload.facts.algorithm,
                "x-amz-checksum-type": upload.facts.checksum_kind,
            }
        return headers_of.xml(documents.document("InitiateMultipartUploadResult", nodes), answer)

    def put_part(self, request: Request, _bucket: BucketState) -> Answer:
        """UploadPart."""
        if "x-amz-copy-source" in request.headers:
            raise not_implemented("UploadPartCopy")
        upload = self._uploads.find(request.bucket, request.key, request.query["uploadId"])
        number = headers_of.number(request.query.get("partNumber", ""), "partNumber")
        body = self._state.new_body()
        default = ALGORITHMS.get(upload.facts.algorithm.lower(), "CRC64NVME")
        try:
            received = self._reader.receive(request, self._state.body_path(body), default)
            part = self._uploads.add(upload, number, body, received)
        except BaseException:
            self._state.sweep([body])
            raise
        headers = {"ETag": f'"{part.etag}"', "Content-Length": "0", "x-amz-server-side-encryption": "AES256"}
        if received.declared:
            headers[f"x-amz-checksum-{part.algorithm.lower()}"] = part.checksum
        return 200, headers, []

    def get_parts(self, request: Request, _bucket: BucketState) -> Answer:
        """ListParts."""
        upload = self._uploads.find(request.bucket, request.key, request.query["uploadId"])
        return headers_of.xml(listing.parts(upload, self._uploads.parts(upload), request.query))

    def give_up(self, request: Request, _bucket: BucketState) -> Answer:
        """AbortMultipartUpload."""
        self._uploads.give_up(self._uploads.find(request.bucket, request.key, request.query["uploadId"]))
        return 204, {}, []

    def complete(self, request: Request, bucket: BucketState) -> Answer:
        """CompleteMultipartUpload."""
        upload = self._uploads.find(request.bucket, request.key, request.query["uploadId"])
        claimed = []
        for element in documents.children(documents.parse(document(request), "CompleteMultipartUpload"), "Part"):
            named = documents.texts(element)
            checksums = {name.removeprefix("Checksum"): text for name, text in named.items() if "Checksum" in name}
            number = headers_of.number(named.get("PartNumber", ""), "PartNumber")
            claimed.append(Claimed(number, named.get("ETag", "").strip('"'), checksums))
        size = request.headers.get("x-amz-mp-object-size")
        whole = Whole(
            declared_checksum(request.headers),
            request.headers.get("x-amz-checksum-type"),
            None if size is None else headers_of.number(size, "x-amz-mp-object-size"),
        )
        stored = self._uploads.complete(upload, claimed, whole, bucket, headers_of.conditions(request))
        nodes: list[documents.Node] = [
            ("Location", f"http://s3.local/{stored.bucket}/{stored.key}"),
            ("Bucket", stored.bucket),
            ("Key", stored.key),
            ("ETag", f'"{stored.etag}"'),
            (f"Checksum{stored.facts.algorithm}", stored.facts.checksum),
            ("ChecksumType", stored.facts.checksum_kind),
        ]
        headers = {name: value for name, value in headers_of.identity(stored).items() if name != "ETag"}
        return headers_of.xml(documents.document("CompleteMultipartUploadResult", nodes), headers)

"""Answers requests for whole objects: put, get, copy, delete, and what goes with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from urllib.parse import parse_qsl, unquote

from local.aws.s3 import documents
from local.aws.s3 import headers as headers_of
from local.aws.s3.bodies import BLOCK_BYTES, BodyReader, document, sums_of
from local.aws.s3.checksums import ALGORITHMS, to_text
from local.aws.s3.faults import S3Fault, invalid_request, no_such_key, not_implemented
from local.aws.s3.headers import Answer
from local.aws.s3.objects import NULL_VERSION, BucketState, Facts, New, Objects, Stored
from local.aws.s3.request import Request
from local.aws.state import State

COPY_BYTES_MAX = 5 << 30  # of one CopyObject, as in AWS

Buckets = Callable[[str], BucketState | None]
"""What a bucket is set to, None when there is none of that name."""


class ObjectRequests:
    """Each method answers one operation."""

    def __init__(self, state: State, objects: Objects, reader: BodyReader, buckets: Buckets) -> None:
        self._state = state
        self._objects = objects
        self._reader = reader
        self._buckets = buckets

    def put(self, request: Request, bucket: BucketState) -> Answer:
        """PutObject, or CopyObject when a source is named."""
        if "x-amz-copy-source" in request.headers:
            return self._copy(request, bucket)
        facts = headers_of.facts(request)
        body = self._state.new_body()
        try:
            received = self._reader.receive(request, self._state.body_path(body))
            facts = replace(
                facts,
                bodies=((body, received.size_bytes),),
                algorithm=received.algorithm,
                checksum=received.checksum,
            )
            new = New(request.bucket, request.key, received.size_bytes, received.etag, facts)
            stored = self._objects.put(new, bucket, headers_of.conditions(request), "PutObject")
        except BaseException:
            self._state.sweep([body])
            raise
        return 200, {**headers_of.identity(stored), **headers_of.checksum_headers(stored), "Content-Length": "0"}, []

    def get(self, request: Request, _bucket: BucketState) -> Answer:
        """GetObject and HeadObject."""
        if "partNumber" in request.query:
            raise not_implemented("reading by part number")
        found = self._objects.find(request.bucket, request.key, request.query.get("versionId"))
        headers_of.check_read(request, found)
        first, last = 0, found.size_bytes - 1
        status = 200
        headers = headers_of.object_headers(found)
        asked = request.headers.get("range")
        if asked and (span := headers_of.span(asked, found.size_bytes)) is not None:
            first, last = span
            status = 206
            headers["Content-Range"] = f"bytes {first}-{last}/{found.size_bytes}"
        elif request.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED":
            headers.update(headers_of.checksum_headers(found))
        headers["Content-Length"] = str(last - first + 1)
        for name, value in request.query.items():
            if name.startswith("response-"):
                headers[name.removeprefix("response-").title()] = value
        if request.method == "HEAD":
            return status, headers, []
        return status, headers, self._bytes(found, first, last)

    def delete(self, request: Request, bucket: BucketState) -> Answer:
        """DeleteObject."""
        version, marker = self._objects.delete(
            request.bucket, request.key, request.query.get("versionId"), bucket, headers_of.conditions(request)
        )
        headers = {}
        if version is not None:
            headers["x-amz-version-id"] = version
        if marker:
            headers["x-amz-delete-marker"] = "true"
        return 204, headers, []

    def delete_many(self, request: Request, bucket: BucketState) -> Answer:
        """DeleteObjects."""
        root = documents.parse(document(request), "Delete")
        quiet = documents.texts(root).get("Quiet") == "true"
        nodes: list[documents.Node] = []
        for element in documents.children(root, "Object"):
            named = documents.texts(element)
            if "ETag" in named:
                raise not_implemented("conditions within DeleteObjects")
            version, marker = self._objects.delete(request.bucket, named["Key"], named.get("VersionId"), bucket)
            if not quiet:
                about: list[documents.Node] = [("Key", named["Key"]), ("VersionId", named.get("VersionId"))]
                if marker:
                    about += [("DeleteMarker", True), ("DeleteMarkerVersionId", version)]
                nodes.append(("Deleted", about))
        return headers_of.xml(documents.document("DeleteResult", nodes))

    def _copy(self, request: Request, bucket: BucketState) -> Answer:
        path, _, version_query = request.headers["x-amz-copy-source"].partition("?")
        source_bucket, _, source_key = unquote(path).lstrip("/").partition("/")
        version = dict(parse_qsl(version_query)).get("versionId")
        if self._buckets(source_bucket) is None:
            raise S3Fault(404, "NoSuchBucket", "The specified bucket does not exist")
        source = self._objects.find(source_bucket, source_key, version)
        if source.size_bytes > COPY_BYTES_MAX:
            raise invalid_request(
                "The specified copy source is larger than the maximum allowable size for a copy source:"
                f" {COPY_BYTES_MAX}"
            )
        headers_of.check_copy_source(request, source)
        asked = headers_of.facts(request)
        replaces = request.headers.get("x-amz-metadata-directive", "COPY") == "REPLACE"
        same = (source.bucket, source.key) == (request.bucket, request.key)
        if same and not replaces and version is None:
            raise invalid_request("This copy request is illegal because it is trying to copy an object to itself.")
        wanted = request.headers.get("x-amz-checksum-algorithm") or source.facts.algorithm or "CRC64NVME"
        algorithm = ALGORITHMS.get(wanted.lower())
        if algorithm is None:
            raise invalid_request("Checksum algorithm provided is unsupported.")
        bodies: list[str] = []
        try:
            bodies.extend(self._state.same_body(name) for name, _ in source.facts.bodies)
            # As in AWS the copy is one piece: its ETag and checksum are those of all its bytes.
            sums = sums_of([self._state.body_path(name) for name in bodies], ["MD5", algorithm])
            facts = Facts(
                bodies=tuple((name, size) for name, (_, size) in zip(bodies, source.facts.bodies, strict=True)),
                headers=asked.headers if replaces else source.facts.headers,
                metadata=asked.metadata if replaces else source.facts.metadata,
                tags=asked.tags
                if request.headers.get("x-amz-tagging-directive", "COPY") == "REPLACE"
                else source.facts.tags,
                algorithm=algorithm,
                checksum=to_text(sums[algorithm]),
            )
            new = New(request.bucket, request.key, source.size_bytes, sums["MD5"].hex(), facts)
            stored = self._objects.put(new, bucket, headers_of.conditions(request), "CopyObject")
        except FileNotFoundError as error:  # the source was removed for good meanwhile
            self._state.sweep(bodies)
            raise no_such_key() from error
        except BaseException:
            self._state.sweep(bodies)
            raise
        nodes: list[documents.Node] = [
            ("ETag", f'"{stored.etag}"'),
            ("LastModified", documents.iso_time(stored.modified_ms)),
            (f"Checksum{algorithm}", stored.facts.checksum),
            ("ChecksumType", "FULL_OBJECT"),
        ]
        headers = {"x-amz-copy-source-version-id": source.version} if source.version != NULL_VERSION else {}
        return headers_of.xml(documents.document("CopyObjectResult", nodes), {**headers_of.identity(stored), **headers})

    def _bytes(self, found: Stored, first: int, last: int) -> Iterator[bytes]:
        """The bytes `first` to `last`, both included, of an object. Opens its files before it returns."""
        opened = []
        start = 0
        for name, size in found.facts.bodies:
            if start <= last and start + size > first:
                low, high = max(first, start) - start, min(last + 1, start + size) - start
                try:
                    opened.append((self._state.body_path(name).open("rb", buffering=0), low, high))
                except FileNotFoundError as error:
                    raise S3Fault(503, "SlowDown", "The object was replaced while it was being read.") from error
            start += size

        def chunks() -> Iterator[bytes]:
            for file, low, high in opened:
                with file:
                    file.seek(low)
                    left = high - low
                    while left > 0 and (chunk := file.read(min(BLOCK_BYTES, left))):
                        left -= len(chunk)
                        yield chunk

        return chunks()

    # ------------------------------------------------------------------------------------------ what goes with them

    def get_tags(self, request: Request, _bucket: BucketState) -> Answer:
        """GetObjectTagging."""
        found = self._objects.find(request.bucket, request.key, request.query.get("versionId"))
        tags: list[documents.Node] = [
            ("Tag", [("Key", key), ("Value", value)]) for key, value in found.facts.tags.items()
        ]
        return headers_of.xml(documents.document("Tagging", [("TagSet", tags)]), headers_of.version_header(found))

    def put_tags(self, request: Request, _bucket: BucketState) -> Answer:
        """PutObjectTagging."""
        found = self._objects.find(request.bucket, request.key, request.query.get("versionId"))
        self._objects.set_tags(found, documents.tags_of(document(request)))
        return 200, {**headers_of.version_header(found), "Content-Length": "0"}, []

    def delete_tags(self, request: Request, _bucket: BucketState) -> Answer:
        """DeleteObjectTagging."""
        found = self._objects.find(request.bucket, request.key, request.query.get("versionId"))
        self._objects.set_tags(found, {})
        return 204, headers_of.version_header(found), []

    def get_attributes(self, request: Request, _bucket: BucketState) -> Answer:
        """GetObjectAttributes."""
        found = self._objects.find(request.bucket, request.key, request.query.get("versionId"))
        asked = {name.strip() for name in request.headers.get("x-amz-object-attributes", "").split(",")}
        facts = found.facts
        nodes: list[documents.Node] = []
        if "ETag" in asked:
            nodes.append(("ETag", found.etag))
        if "Checksum" in asked and facts.algorithm:
            checksum: list[documents.Node] = [(f"Checksum{facts.algorithm}", facts.checksum)]
            nodes.append(("Checksum", [*checksum, ("ChecksumType", facts.checksum_kind)]))
        if "ObjectParts" in asked and facts.parts:
            parts: list[documents.Node] = [
                ("Part", [("PartNumber", number), ("Size", size), (f"Checksum{facts.algorithm}", checksum_text)])
                for number, size, checksum_text in facts.parts
            ]
            nodes.append(("ObjectParts", [("TotalPartsCount", len(facts.parts)), ("IsTruncated", False), *parts]))
        if "ObjectSize" in asked:
            nodes.append(("ObjectSize", found.size_bytes))
        headers = {**headers_of.version_header(found), "Last-Modified": documents.http_time(found.modified_ms)}
        return headers_of.xml(documents.document("GetObjectAttributesResponse", nodes), headers)

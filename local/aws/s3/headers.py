"""What the headers of a request say, and what the headers of an answer say of an object. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl

from local.aws.s3 import documents
from local.aws.s3.faults import S3Fault, not_implemented, precondition_failed
from local.aws.s3.objects import NULL_VERSION, Conditions, Facts, Stored
from local.aws.s3.request import Request

_KEPT = ("cache-control", "content-disposition", "content-encoding", "content-language", "expires", "content-type")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")

Answer = tuple[int, dict[str, str], Iterable[bytes]]
"""Status, headers, body."""


def facts(request: Request) -> Facts:
    """What a request says goes with the object; what the stand-in cannot keep a promise on is refused."""
    headers = request.headers
    if headers.get("x-amz-server-side-encryption", "AES256") != "AES256":
        raise not_implemented("encryption with other keys than S3's own")
    for name in headers:
        if name.startswith(
            ("x-amz-object-lock-", "x-amz-server-side-encryption-customer-", "x-amz-grant-", "x-amz-website-")
        ):
            raise not_implemented(name)
    if headers.get("x-amz-acl", "bucket-owner-full-control") != "bucket-owner-full-control":
        raise S3Fault(400, "AccessControlListNotSupported", "The bucket does not allow ACLs")
    kept = {name: headers[name] for name in _KEPT if name in headers}
    encodings = [part.strip() for part in kept.pop("content-encoding", "").split(",")]
    left = ",".join(part for part in encodings if part and part != "aws-chunked")
    if left:
        kept["content-encoding"] = left
    if "x-amz-storage-class" in headers:
        kept["x-amz-storage-class"] = headers["x-amz-storage-class"]
    tags = dict(parse_qsl(headers.get("x-amz-tagging", ""), keep_blank_values=True))
    return Facts(headers=kept, metadata=request.metadata(), tags=documents.checked_tags(tags))


def conditions(request: Request) -> Conditions:
    """What must hold for a write."""
    absent = request.headers.get("if-none-match")
    if absent not in {None, "*"}:
        raise not_implemented("If-None-Match with anything but * on a write")
    etag = request.headers.get("if-match")
    return Conditions(absent == "*", etag.strip('"') if etag else None)


def check_read(request: Request, found: Stored) -> None:
    """Raises 304 or 412 when a condition of a read does not hold."""
    headers = {"ETag": f'"{found.etag}"'}
    match, none_match = request.headers.get("if-match"), request.headers.get("if-none-match")
    if match is not None and match.strip('"') not in {found.etag, "*"}:
        raise precondition_failed()
    if none_match is not None and none_match.strip('"') in {found.etag, "*"}:
        raise S3Fault(304, "NotModified", "Not Modified", headers)


def check_copy_source(request: Request, source: Stored) -> None:
    """Raises 412 when a condition on the source of a copy does not hold."""
    match = request.headers.get("x-amz-copy-source-if-match")
    none_match = request.headers.get("x-amz-copy-source-if-none-match")
    if (match is not None and match.strip('"') != source.etag) or (
        none_match is not None and none_match.strip('"') == source.etag
    ):
        raise precondition_failed()


def span(asked: str, size_bytes: int) -> tuple[int, int] | None:
    """First and last byte of a Range header; None when it is to be ignored, as several ranges are."""
    found = _RANGE.fullmatch(asked.strip())
    if found is None or found.groups() == ("", ""):
        return None
    low, high = found.groups()
    first = int(low) if low else max(0, size_bytes - int(high))
    last = min(int(high), size_bytes - 1) if low and high else size_bytes - 1
    if low and high and int(low) > int(high):
        return None
    if first >= size_bytes:
        headers = {"Content-Range": f"bytes */{size_bytes}"}
        raise S3Fault(416, "InvalidRange", "The requested range is not satisfiable", headers)
    return first, last


def number(text: str, what: str) -> int:
    """A whole number in a request."""
    try:
        return int(text)
    except ValueError as error:
        raise S3Fault(400, "InvalidArgument", f"{what} must be a whole number") from error


def version_header(stored: Stored) -> dict[str, str]:
    """Which version it is, where there are versions."""
    return {} if stored.version == NULL_VERSION else {"x-amz-version-id": stored.version}


def identity(stored: Stored) -> dict[str, str]:
    """What says which bytes these are."""
    return {"ETag": f'"{stored.etag}"', "x-amz-server-side-encryption": "AES256", **version_header(stored)}


def checksum_headers(stored: Stored) -> dict[str, str]:
    """The checksum of an object."""
    facts = stored.facts
    return {
        f"x-amz-checksum-{facts.algorithm.lower()}": facts.checksum,
        "x-amz-checksum-type": facts.checksum_kind,
    }


def object_headers(found: Stored) -> dict[str, str]:
    """What a read says of an object besides its length."""
    facts = found.facts
    headers = {
        "Content-Type": "binary/octet-stream",
        "Accept-Ranges": "bytes",
        "Last-Modified": documents.http_time(found.modified_ms),
        **identity(found),
        **{name.title() if not name.startswith("x-") else name: value for name, value in facts.headers.items()},
    }
    for name, value in facts.metadata.items():
        headers[f"x-amz-meta-{name}"] = value.encode().decode("latin-1")
    if facts.tags:
        headers["x-amz-tagging-count"] = str(len(facts.tags))
    if facts.parts:
        headers["x-amz-mp-parts-count"] = str(len(facts.parts))
    return headers


def xml(body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
    """200 with a document."""
    return 200, {"Content-Type": "application/xml", "Content-Length": str(len(body)), **(headers or {})}, [body]

"""A request to S3, taken apart: which bucket and object, which operation, which headers. Pure but for the body."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from local.aws.http_server import HEADERS_KEY
from local.aws.s3.faults import S3Fault

KEY_BYTES_MAX = 1_024
METADATA_BYTES_MAX = 2_048
DOCUMENT_BYTES_MAX = 1 << 20  # of an XML body; AWS's own largest, a list of 10 000 parts, is below it
_METADATA = "x-amz-meta-"


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `raw_path` and `raw_query` are as they came, which signatures are made of."""

    method: str
    raw_path: str
    raw_query: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    stream: io.BufferedReader

    def metadata(self) -> dict[str, str]:
        """User metadata, names without their prefix; more than AWS takes is refused."""
        found = {
            name.removeprefix(_METADATA): value for name, value in self.headers.items() if name.startswith(_METADATA)
        }
        size_bytes = sum(len(name.encode()) + len(value.encode()) for name, value in found.items())
        if size_bytes > METADATA_BYTES_MAX:
            raise S3Fault(
                400,
                "MetadataTooLarge",
                f"Your metadata headers exceed the maximum allowed metadata size ({size_bytes} of"
                f" {METADATA_BYTES_MAX} bytes)",
            )
        return found

    def document(self) -> bytes:
        """The body of a request whose body is a document, not an object."""
        length = int(self.headers.get("content-length") or 0)
        if length > DOCUMENT_BYTES_MAX:
            raise S3Fault(400, "MaxMessageLengthExceeded", "Your request was too big.")
        return self.stream.read(length)


def from_environ(environ: Mapping[str, Any]) -> Request:
    """The request of a WSGI environment; addresses are of the form `/bucket/key`."""
    raw_path, _, raw_query = str(environ["RAW_URI"]).partition("?")
    bucket, _, raw_key = raw_path.lstrip("/").partition("/")
    key = unquote(raw_key)
    if len(key.encode()) > KEY_BYTES_MAX:
        raise S3Fault(400, "KeyTooLongError", f"Your key is too long ({len(key.encode())} of {KEY_BYTES_MAX} bytes)")
    headers: dict[str, str] = {}
    for name, value in environ[HEADERS_KEY]:
        lower = name.lower()
        text = value.encode("latin-1").decode("utf-8", "replace").strip()
        headers[lower] = f"{headers[lower]},{text}" if lower in headers else text
    return Request(
        method=environ["REQUEST_METHOD"],
        raw_path=raw_path,
        raw_query=raw_query,
        bucket=unquote(bucket),
        key=key,
        query=dict(parse_qsl(raw_query, keep_blank_values=True)),
        headers=headers,
        stream=environ["wsgi.input"],
    )

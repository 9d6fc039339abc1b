"""Lists of objects, versions, parts and uploads, page by page, with prefixes and delimiters as S3 has them."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from local.aws.s3.documents import Node, document, iso_time
from local.aws.s3.faults import S3Fault
from local.aws.s3.multipart import Part, Upload
from local.aws.s3.objects import COLUMNS, Stored, stored
from local.aws.state import State

PAGE_MAX = 1_000
_LAST = "\U0010ffff"  # sorts after every other character in UTF-8


@dataclass(frozen=True, slots=True)
class _Page:
    entries: Sequence[Stored]
    prefixes: Sequence[str]
    next_key: str | None


class Lists:
    """The lists of all buckets."""

    def __init__(self, state: State) -> None:
        self._state = state

    def objects_v2(self, bucket: str, query: Mapping[str, str]) -> bytes:
        """ListObjectsV2."""
        token = query.get("continuation-token")
        after = _from_token(token) if token else query.get("start-after", "")
        page = self._page(bucket, query, after)
        name = _namer(query)
        nodes: list[Node] = [
            ("Name", bucket),
            ("Prefix", name(query.get("prefix", ""))),
            ("Delimiter", name(query["delimiter"]) if "delimiter" in query else None),
            ("MaxKeys", _page_size(query)),
            ("EncodingType", query.get("encoding-type")),
            ("KeyCount", len(page.entries) + len(page.prefixes)),
            ("IsTruncated", page.next_key is not None),
            ("ContinuationToken", token),
            ("NextContinuationToken", _to_token(page.next_key) if page.next_key is not None else None),
            ("StartAfter", name(query["start-after"]) if "start-after" in query else None),
            *[_object(entry, name(entry.key)) for entry in page.entries],
            *_prefixes(page, query),
        ]
        return document("ListBucketResult", nodes)

    def objects_v1(self, bucket: str, query: Mapping[str, str]) -> bytes:
        """ListObjects."""
        page = self._page(bucket, query, query.get("marker", ""))
        name = _namer(query)
        nodes: list[Node] = [
            ("Name", bucket),
            ("Prefix", name(query.get("prefix", ""))),
            ("Marker", name(query.get("marker", ""))),
            ("Delimiter", name(query["delimiter"]) if "delimiter" in query else None),
            ("MaxKeys", _page_size(query)),
            ("EncodingType", query.get("encoding-type")),
            ("IsTruncated", page.next_key is not None),
            ("NextMarker", name(page.next_key) if page.next_key is not None and "delimiter" in query else None),
            *[_object(entry, name(entry.key)) for entry in page.entries],
            *_prefixes(page, query),
        ]
        return document("ListBucketResult", nodes)

    def versions(self, bucket: str, query: Mapping[str, str]) -> bytes:
        """ListObjectVersions, newest first within a key; without a delimiter, which nobody here uses."""
        if query.get("delimiter"):
            raise S3Fault(501, "NotImplemented", "The stand-in lists versions without a delimiter only.")
        size, name = _page_size(query), _namer(query)
        prefix, key_marker = query.get("prefix", ""), query.get("key-marker", "")
        version_marker = query.get("version-id-marker")
        before = 0
        if version_marker:
            rows = self._state.read("SELECT seq FROM object WHERE bucket = ? AND version = ?", (bucket, version_marker))
            before = rows[0][0] if rows else 0
        rows = self._state.read(
            f"SELECT {COLUMNS} FROM object WHERE bucket = ? AND key >= ? AND key < ?"  # noqa: S608
            " AND (key > ? OR (key = ? AND seq < ?)) ORDER BY key, seq DESC LIMIT ?",
            (bucket, prefix, prefix + _LAST, key_marker, key_marker, before, size + 1),
        )
        found = [stored(row) for row in rows]
        more = len(found) > size
        found = found[:size]
        nodes: list[Node] = [
            ("Name", bucket),
            ("Prefix", name(prefix)),
            ("KeyMarker", name(key_marker)),
            ("MaxKeys", size),
            ("EncodingType", query.get("encoding-type")),
            ("IsTruncated", more),
            ("NextKeyMarker", name(found[-1].key) if more else None),
            ("NextVersionIdMarker", found[-1].version if more else None),
            *[_version(entry, name(entry.key)) for entry in found],
        ]
        return document("ListVersionsResult", nodes)

    def _page(self, bucket: str, query: Mapping[str, str], after: str) -> _Page:
        prefix, delimiter, size = query.get("prefix", ""), query.get("delimiter", ""), _page_size(query)
        entries: list[Stored] = []
        prefixes: list[str] = []
        if delimiter and after.startswith(prefix) and after.endswith(delimiter) and after != prefix:
            after += _LAST  # a page that ended with a group goes on behind it
        if size == 0:
            return _Page([], [], None)
        while True:
            rows = self._state.read(
                f"SELECT {COLUMNS} FROM object WHERE bucket = ? AND latest = 1 AND marker = 0"  # noqa: S608
                " AND key > ? AND key >= ? AND key < ? ORDER BY key LIMIT ?",
                (bucket, after, prefix, prefix + _LAST, size + 1),
            )
            if not rows:
                return _Page(entries, prefixes, None)
            for row in rows:
                entry = stored(row)
                if len(entries) + len(prefixes) == size:
                    last = max([*prefixes[-1:], *[one.key for one in entries[-1:]]], default="")
                    return _Page(entries, prefixes, last)
                after = entry.key
                if delimiter and delimiter in entry.key[len(prefix) :]:
                    group = _group(entry.key, prefix, delimiter)
                    prefixes.append(group)
                    after = group + _LAST
                    break
                entries.append(entry)


def parts(upload: Upload, found: Sequence[Part], query: Mapping[str, str]) -> bytes:
    """ListParts."""
    marker, size = int(query.get("part-number-marker") or 0), int(query.get("max-parts") or PAGE_MAX)
    behind = [part for part in found if part.number > marker]
    page = behind[:size]
    composite = upload.facts.algorithm
    nodes: list[Node] = [
        ("Bucket", upload.bucket),
        ("Key", upload.key),
        ("UploadId", upload.id),
        ("PartNumberMarker", marker),
        ("NextPartNumberMarker", page[-1].number if page else 0),
        ("MaxParts", size),
        ("IsTruncated", len(behind) > size),
        ("StorageClass", "STANDARD"),
        ("ChecksumAlgorithm", composite or None),
        ("ChecksumType", upload.facts.checksum_kind if composite else None),
    ]
    for part in page:
        checksum: list[Node] = [(f"Checksum{part.algorithm}", part.checksum)] if composite else []
        nodes.append(
            (
                "Part",
                [
                    ("PartNumber", part.number),
                    ("LastModified", iso_time(part.modified_ms)),
                    ("ETag", f'"{part.etag}"'),
                    ("Size", part.size_bytes),
                    *checksum,
                ],
            )
        )
    return document("ListPartsResult", nodes)


def uploads(bucket: str, found: Sequence[Upload], query: Mapping[str, str]) -> bytes:
    """ListMultipartUploads, all on one page: nobody here has a thousand under way."""
    name = _namer(query)
    nodes: list[Node] = [
        ("Bucket", bucket),
        ("Prefix", name(query.get("prefix", ""))),
        ("EncodingType", query.get("encoding-type")),
        ("MaxUploads", PAGE_MAX),
        ("IsTruncated", False),
    ]
    nodes.extend(
        (
            "Upload",
            [
                ("Key", name(upload.key)),
                ("UploadId", upload.id),
                ("StorageClass", "STANDARD"),
                ("Initiated", iso_time(upload.begun_ms)),
            ],
        )
        for upload in found
    )
    return document("ListMultipartUploadsResult", nodes)


def _object(entry: Stored, key: str) -> Node:
    return (
        "Contents",
        [
            ("Key", key),
            ("LastModified", iso_time(entry.modified_ms)),
            ("ETag", f'"{entry.etag}"'),
            ("ChecksumAlgorithm", entry.facts.algorithm or None),
            ("ChecksumType", entry.facts.checksum_kind if entry.facts.algorithm else None),
            ("Size", entry.size_bytes),
            ("StorageClass", entry.facts.headers.get("x-amz-storage-class", "STANDARD")),
        ],
    )


def _version(entry: Stored, key: str) -> Node:
    common: list[Node] = [
        ("Key", key),
        ("VersionId", entry.version),
        ("IsLatest", entry.latest),
        ("LastModified", iso_time(entry.modified_ms)),
    ]
    if entry.marker:
        return ("DeleteMarker", common)
    return ("Version", [*common, ("ETag", f'"{entry.etag}"'), ("Size", entry.size_bytes), ("StorageClass", "STANDARD")])


def _prefixes(page: _Page, query: Mapping[str, str]) -> list[Node]:
    name = _namer(query)
    return [("CommonPrefixes", [("Prefix", name(prefix))]) for prefix in page.prefixes]


def _group(key: str, prefix: str, delimiter: str) -> str:
    end = key.index(delimiter, len(prefix)) + len(delimiter)
    return key[:end]


def _page_size(query: Mapping[str, str]) -> int:
    try:
        size = int(query.get("max-keys") or PAGE_MAX)
    except ValueError as error:
        raise S3Fault(400, "InvalidArgument", "Provided max-keys not an integer or within integer range") from error
    return min(size, PAGE_MAX)


class _Namer:
    def __init__(self, url: bool) -> None:
        self._url = url

    def __call__(self, text: str) -> str:
        return quote(text, safe="/-_.~*'()!") if self._url else text


def _namer(query: Mapping[str, str]) -> _Namer:
    return _Namer(query.get("encoding-type") == "url")


def _to_token(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _from_token(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except ValueError as error:
        raise S3Fault(400, "InvalidArgument", "The continuation token provided is incorrect") from error

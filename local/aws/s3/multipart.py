"""Uploads in parts: begun, filled in any order, put together without copying a byte, or given up.

Verified as AWS does: the parts' sizes and ETags, the checksum of each part and of the whole, composite or full.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from local.aws.s3.bodies import Received, sums_of
from local.aws.s3.checksums import ALGORITHMS, Algorithm, Kind, allows, composite, default_kind, from_text, to_text
from local.aws.s3.checksums import SIZES_BYTES as SUM_BYTES
from local.aws.s3.faults import S3Fault, bad_digest, invalid_request, no_such_upload
from local.aws.s3.objects import BucketState, Conditions, Facts, New, Objects, Stored
from local.aws.state import State

PART_BYTES_MIN = 5 << 20  # of every part but the last
PARTS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload under way. `algorithm` is empty when its beginner named none."""

    id: str
    bucket: str
    key: str
    begun_ms: int
    facts: Facts


@dataclass(frozen=True, slots=True)
class Part:
    """A part that has arrived."""

    number: int
    size_bytes: int
    etag: str
    modified_ms: int
    body: str
    algorithm: Algorithm
    checksum: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """A part as the request that completes the upload describes it."""

    number: int
    etag: str
    checksums: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Whole:
    """What the completing request says of the whole: checksum with its kind, size; None where it says nothing."""

    checksum: tuple[Algorithm, str] | None
    kind: str | None
    size_bytes: int | None


class Uploads:
    """The uploads of all buckets."""

    def __init__(self, state: State, objects: Objects) -> None:
        self._state = state
        self._objects = objects

    def begin(self, bucket: str, key: str, facts: Facts, algorithm: str, kind: str) -> Upload:
        """Begins an upload whose parts are to carry checksums of `algorithm` (none when empty)."""
        if algorithm:
            known = ALGORITHMS.get(algorithm.lower())
            if known is None:
                raise invalid_request("Checksum algorithm provided is unsupported.")
            decided: Kind = default_kind(known) if not kind else "FULL_OBJECT" if kind == "FULL_OBJECT" else "COMPOSITE"
            if kind not in {"", "FULL_OBJECT", "COMPOSITE"} or not allows(known, decided):
                raise invalid_request(
                    f"The {kind} checksum type cannot be used with the {algorithm.lower()} checksum algorithm."
                )
            facts = replace(facts, algorithm=known, checksum_kind=decided)
        elif kind:
            raise invalid_request("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm")
        upload = Upload(uuid.uuid4().hex + uuid.uuid4().hex, bucket, key, _now_ms(), facts)
        self._state.write(
            "INSERT INTO upload VALUES (?, ?, ?, ?, ?)", (upload.id, bucket, key, upload.begun_ms, facts.to_json())
        )
        return upload

    def find(self, bucket: str, key: str, upload: str) -> Upload:
        """The upload of that id, else NoSuchUpload."""
        rows = self._state.read("SELECT * FROM upload WHERE id = ? AND bucket = ? AND key = ?", (upload, bucket, key))
        if not rows:
            raise no_such_upload()
        return _upload(rows[0])

    def all_of(self, bucket: str, prefix: str) -> list[Upload]:
        """The uploads under way in a bucket, in order of key and time."""
        rows = self._state.read("SELECT * FROM upload WHERE bucket = ? ORDER BY key, begun_ms", (bucket,))
        return [upload for upload in map(_upload, rows) if upload.key.startswith(prefix)]

    def add(self, upload: Upload, number: int, body: str, received: Received) -> Part:
        """Keeps a part, in place of an earlier one of that number."""
        if not 1 <= number <= PARTS_MAX:
            raise S3Fault(
                400, "InvalidArgument", f"Part number must be an integer between 1 and {PARTS_MAX}, inclusive"
            )
        expected = upload.facts.algorithm
        actual = received.algorithm if received.declared else ""
        # Found on AWS: a part must carry its checksum when they are composite, and never another's.
        needed = expected and (actual or upload.facts.checksum_kind == "COMPOSITE")
        if needed and actual != expected:
            raise invalid_request(
                f"Checksum Type mismatch occurred, expected checksum Type: {expected.lower()},"
                f" actual checksum Type: {actual.lower() or 'null'}"
            )
        part = Part(number, received.size_bytes, received.etag, _now_ms(), body, received.algorithm, received.checksum)
        facts = json.dumps({"body": body, "algorithm": part.algorithm, "checksum": part.checksum})
        with self._state.change() as db:
            if not db.execute("SELECT 1 FROM upload WHERE id = ?", (upload.id,)).fetchall():
                raise no_such_upload()
            old = [earlier.body for earlier in self.parts(upload) if earlier.number == number]
            db.execute(
                "INSERT OR REPLACE INTO part VALUES (?, ?, ?, ?, ?, ?)",
                (upload.id, number, part.size_bytes, part.etag, part.modified_ms, facts),
            )
            self._state.release(old)
            self._state.claim([body])
        self._state.sweep(old)
        return part

    def parts(self, upload: Upload) -> list[Part]:
        """The parts that have arrived, in order of number."""
        rows = self._state.read(
            "SELECT number, size_bytes, etag, modified_ms, facts FROM part WHERE upload = ? ORDER BY number",
            (upload.id,),
        )
        return [_part(row) for row in rows]

    def give_up(self, upload: Upload) -> None:
        """Forgets the upload and its parts."""
        bodies = [part.body for part in self.parts(upload)]
        with self._state.change():
            self._forget(upload)
            self._state.release(bodies)
        self._state.sweep(bodies)

    def complete(
        self, upload: Upload, claimed: Sequence[Claimed], whole: Whole, state: BucketState, conditions: Conditions
    ) -> Stored:
        """Puts the claimed parts together as one object."""
        held = {part.number: part for part in self.parts(upload)}
        parts = _chosen(upload, claimed, held)
        size_bytes = sum(part.size_bytes for part in parts)
        if whole.size_bytes is not None and whole.size_bytes != size_bytes:
            raise invalid_request(
                f"The provided 'x-amz-mp-object-size' header value {whole.size_bytes} does not match what was"
                f" computed: {size_bytes}"
            )
        algorithm, kind, checksum = self._checksum(upload, parts)
        _check_whole(whole, algorithm, kind, checksum)
        etag = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in parts), usedforsecurity=False).hexdigest()
        facts = replace(
            upload.facts,
            bodies=tuple((part.body, part.size_bytes) for part in parts),
            algorithm=algorithm,
            checksum=checksum,
            checksum_kind=kind,
            parts=tuple((part.number, part.size_bytes, part.checksum) for part in parts),
        )
        unused = [part.body for part in held.values() if part not in parts]
        with self._state.change() as db:
            if not db.execute("SELECT 1 FROM upload WHERE id = ?", (upload.id,)).fetchall():
                raise no_such_upload()
            self._forget(upload)
            self._state.release(unused)
            new = New(upload.bucket, upload.key, size_bytes, f"{etag}-{len(parts)}", facts)
            stored = self._objects.put(new, state, conditions, "CompleteMultipartUpload")
        self._state.sweep(unused)
        return stored

    def _checksum(self, upload: Upload, parts: Sequence[Part]) -> tuple[Algorithm, Kind, str]:
        algorithm: Algorithm = ALGORITHMS[upload.facts.algorithm.lower()] if upload.facts.algorithm else "CRC64NVME"
        if upload.facts.algorithm and upload.facts.checksum_kind == "COMPOSITE":
            digests = [from_text(part.checksum, SUM_BYTES[algorithm]) or b"" for part in parts]
            return algorithm, "COMPOSITE", composite(algorithm, digests)
        sums = sums_of([self._state.body_path(part.body) for part in parts], [algorithm])
        return algorithm, "FULL_OBJECT", to_text(sums[algorithm])

    def _forget(self, upload: Upload) -> None:
        self._state.write("DELETE FROM part WHERE upload = ?", (upload.id,))
        self._state.write("DELETE FROM upload WHERE id = ?", (upload.id,))


def _chosen(upload: Upload, claimed: Sequence[Claimed], held: Mapping[int, Part]) -> list[Part]:
    """The parts that the request claims, each checked against what arrived."""
    if not claimed:
        raise S3Fault(400, "MalformedXML", "The XML you provided was not well-formed or did not validate.")
    numbers = [claim.number for claim in claimed]
    if numbers != sorted(set(numbers)):
        raise S3Fault(400, "InvalidPartOrder", "The list of parts was not in ascending order.")
    composite_of = upload.facts.algorithm if upload.facts.checksum_kind == "COMPOSITE" else ""
    parts = []
    for claim in claimed:
        part = held.get(claim.number)
        if composite_of and composite_of not in claim.checksums:
            raise invalid_request(
                f"The upload was created using a {composite_of.lower()} checksum. The complete request must include"
                f" the checksum for each part. It was missing for part {claim.number} in the request."
            )
        said = [text for name, text in claim.checksums.items() if part is not None and name == part.algorithm]
        if part is None or part.etag != claim.etag or any(text != part.checksum for text in said):
            raise S3Fault(
                400,
                "InvalidPart",
                "One or more of the specified parts could not be found. The part may not have been uploaded, or the"
                " specified entity tag may not match the part's entity tag.",
            )
        parts.append(part)
    if any(part.size_bytes < PART_BYTES_MIN for part in parts[:-1]):
        raise S3Fault(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed object size.")
    return parts


def _check_whole(whole: Whole, algorithm: Algorithm, kind: Kind, checksum: str) -> None:
    if whole.kind is not None and whole.kind != kind:
        raise invalid_request(
            f"The upload was created using the {kind} checksum mode. The complete request must use the same checksum"
            " mode."
        )
    if whole.checksum is None:
        return
    said_algorithm, said = whole.checksum
    if said_algorithm != algorithm or said not in {checksum, checksum.partition("-")[0]}:
        raise bad_digest(said_algorithm.lower())


def _upload(row: tuple[Any, ...]) -> Upload:
    upload, bucket, key, begun_ms, facts = row
    return Upload(upload, bucket, key, begun_ms, Facts.from_json(facts))


def _part(row: tuple[Any, ...]) -> Part:
    number, size_bytes, etag, modified_ms, text = row
    facts = json.loads(text)
    return Part(number, size_bytes, etag, modified_ms, facts["body"], facts["algorithm"], facts["checksum"])


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

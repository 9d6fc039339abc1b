"""An object store in memory, as strict as S3, with faults on order: proven by the same contract suite as the real one.

A fault is asked for before every request. `BEFORE` loses the request, `AFTER` loses the answer, `LATE` answers that
the store is away and lets the request arrive just before the next one that writes, `DAMAGED` flips a bit of the body.
A callback that raises is a crash of the caller at that moment.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TypeVar

from components.cloud_sync.object_store import (
    Body,
    DigestRefused,
    NewObject,
    ObjectExists,
    PartToJoin,
    StoreAway,
    StoredObject,
    StoredPart,
    UploadGone,
)

T = TypeVar("T")


class Fault(Enum):
    """What happens to one request."""

    NONE = auto()
    BEFORE = auto()
    AFTER = auto()
    LATE = auto()
    DAMAGED = auto()


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object."""

    data: bytes
    new: NewObject
    sha256: str
    etag: str


@dataclass
class Upload:
    """One unfinished multipart upload."""

    new: NewObject
    is_late: bool
    parts: dict[int, bytes] = field(default_factory=dict)


READS = frozenset({"head", "list_uploads", "list_parts"})


def no_fault(operation: str, key: str) -> Fault:
    """A good day."""
    return Fault.NONE


class FakeObjectStore:
    """One bucket in memory; `faults(operation, key)` is called before every request, `after(...)` behind it."""

    def __init__(
        self,
        faults: Callable[[str, str], Fault] = no_fault,
        after: Callable[[str, str], None] = lambda operation, key: None,
        part_bytes_min: int = 1,
    ) -> None:
        self.versions: dict[str, list[Version]] = {}
        self.uploads: dict[str, Upload] = {}
        self.requests: list[tuple[str, str]] = []
        self.faults = faults
        self.after = after
        self._part_bytes_min = part_bytes_min
        self._late: list[Callable[[], object]] = []
        self._lock = threading.Lock()
        self._uploads_begun = 0
        self._is_arriving_late = False

    # what an observer sees

    def data_of(self, key: str) -> bytes:
        """The newest version's bytes."""
        return self.versions[key][-1].data

    def versions_of(self, key: str) -> int:
        """How many versions there are."""
        return len(self.versions.get(key, []))

    def expire_uploads(self) -> None:
        """What the bucket's lifecycle does to uploads that are left unfinished."""
        with self._lock:
            self.uploads.clear()

    def deliver_late(self) -> None:
        """Lets everything arrive that is still under way."""
        with self._lock:
            self._arrive_late()

    # the protocol

    def head(self, key: str) -> StoredObject | None:
        """See ObjectStore."""
        return self._request("head", key, lambda: self._head(key))

    def put_object(self, new: NewObject, body: Body, sha256: str) -> StoredObject:
        """See ObjectStore."""
        return self._send("put_object", new.key, body, lambda data: self._create(new, data, _digest(data), sha256))

    def create_upload(self, new: NewObject) -> str:
        """See ObjectStore."""
        return self._request("create_upload", new.key, lambda: self._begin(new))

    def list_uploads(self, key: str) -> tuple[str, ...]:
        """See ObjectStore."""
        return self._request(
            "list_uploads", key, lambda: tuple(name for name, upload in self.uploads.items() if upload.new.key == key)
        )

    def upload_part(self, key: str, upload_id: str, number: int, body: Body, sha256: str) -> str:
        """See ObjectStore."""
        return self._send("upload_part", key, body, lambda data: self._put_part(key, upload_id, number, data, sha256))

    def list_parts(self, key: str, upload_id: str) -> tuple[StoredPart, ...]:
        """See ObjectStore."""

        def parts() -> tuple[StoredPart, ...]:
            held = self._upload(key, upload_id).parts
            return tuple(
                StoredPart(number, len(held[number]), _etag(held[number]), _digest(held[number]))
                for number in sorted(held)
            )

        return self._request("list_parts", key, parts)

    def complete_upload(self, key: str, upload_id: str, parts: Sequence[PartToJoin], size_bytes: int) -> StoredObject:
        """See ObjectStore."""
        return self._request("complete_upload", key, lambda: self._complete(key, upload_id, parts, size_bytes))

    def abort_upload(self, key: str, upload_id: str) -> None:
        """See ObjectStore."""
        self._request("abort_upload", key, lambda: self.uploads.pop(upload_id, None))

    # what a request does once it has arrived

    def _head(self, key: str) -> StoredObject | None:
        versions = self.versions.get(key)
        if not versions:
            return None
        newest = versions[-1]
        return StoredObject(len(newest.data), newest.sha256, newest.etag, dict(newest.new.metadata))

    def _create(self, new: NewObject, data: bytes, sha256: str, promised: str) -> StoredObject:
        if sha256 != promised:
            raise DigestRefused(f"object {new.key}: received {sha256}, promised {promised}")
        if self.versions.get(new.key):
            raise ObjectExists(f"object {new.key} exists")
        version = Version(data, new, sha256, _etag(data))
        self.versions.setdefault(new.key, []).append(version)
        return StoredObject(len(data), sha256, version.etag, {})

    def _begin(self, new: NewObject) -> str:
        self._uploads_begun += 1
        upload_id = f"upload-{self._uploads_begun}"
        self.uploads[upload_id] = Upload(new, self._is_arriving_late)
        return upload_id

    def _upload(self, key: str, upload_id: str) -> Upload:
        upload = self.uploads.get(upload_id)
        if upload is None or upload.new.key != key:
            raise UploadGone(f"object {key}: no upload {upload_id}")
        return upload

    def _put_part(self, key: str, upload_id: str, number: int, data: bytes, promised: str) -> str:
        upload = self._upload(key, upload_id)
        if _digest(data) != promised:
            raise DigestRefused(f"object {key}: part {number} has another SHA-256 than promised")
        upload.parts[number] = data
        return _etag(data)

    def _complete(self, key: str, upload_id: str, parts: Sequence[PartToJoin], size_bytes: int) -> StoredObject:
        upload = self._upload(key, upload_id)
        if self.versions.get(key):
            raise ObjectExists(f"object {key} exists")
        digests = b""
        data = b""
        for part in parts:
            held = upload.parts.get(part.number)
            if held is None or _etag(held) != part.etag or _digest(held) != part.sha256:
                raise UploadGone(f"object {key}: upload {upload_id} has no such part {part.number}")
            if part is not parts[-1] and len(held) < self._part_bytes_min:
                raise UploadGone(f"object {key}: part {part.number} is too small")
            digests += hashlib.sha256(held).digest()
            data += held
        if len(data) != size_bytes:
            raise UploadGone(f"object {key}: the parts have {len(data)} bytes, not {size_bytes}")
        del self.uploads[upload_id]
        sha256 = f"{_digest(digests)}-{len(parts)}"
        return self._create(upload.new, data, sha256, sha256)

    # the way there and back

    def _request(self, operation: str, key: str, effect: Callable[[], T]) -> T:
        return self._send(operation, key, None, lambda data: effect())

    def _send(self, operation: str, key: str, body: Body | None, effect: Callable[[bytes], T]) -> T:
        fault = self.faults(operation, key)
        if fault is Fault.BEFORE:
            raise StoreAway(f"object {key}: {operation} was lost")
        data = b"" if body is None else _read_all(body)
        if fault is Fault.DAMAGED and data:
            data = bytes([data[0] ^ 1]) + data[1:]
        with self._lock:
            if fault is Fault.LATE:
                self._late.append(lambda: effect(data))
                raise StoreAway(f"object {key}: {operation} is slow")
            if operation not in READS:
                self._arrive_late()
            self.requests.append((operation, key))
            result = effect(data)
        self.after(operation, key)
        if fault is Fault.AFTER:
            raise StoreAway(f"object {key}: the answer to {operation} was lost")
        return result

    def _arrive_late(self) -> None:
        self._is_arriving_late = True
        while self._late:
            try:
                self._late.pop(0)()
            except (ObjectExists, UploadGone, DigestRefused):
                continue  # nobody waits for this answer any more
        self._is_arriving_late = False


def _read_all(body: Body) -> bytes:
    data = b""
    while block := body.read(64 * 1024):
        data += block
    return data


def _digest(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def _etag(data: bytes) -> str:
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'

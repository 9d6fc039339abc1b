"""The few things that CloudSync asks of an object store, and what may go wrong there.

Every creation is conditional: it succeeds only while nothing is at the key, so that a request repeated after a lost
answer, or one that arrives late, can never make a second version. Every body is sent with the SHA-256 that it must
have; a store that receives other bytes refuses them.

The contract suite (`tests/contract/object_store`) holds for every implementation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from components.shared.errors import Rejected, Transient
from components.shared.wire.sync_config import StorageClass


class StoreAway(Transient):
    """The store cannot be used now (network, throttle, credentials, permission): nothing is said about the object."""


class StoreUnreached(StoreAway):
    """No answer came, or none of the store: a request costs it nothing, and it may be back at any moment."""


class ObjectExists(Rejected):
    """A conditional creation found an object at its key."""


class UploadGone(Transient):
    """The store does not know this multipart upload, or not these parts of it: completed, aborted or expired."""


class DigestRefused(Transient):
    """The bytes that arrived do not have the SHA-256 that was sent with them."""


class Stopped(Transient):
    """The component is stopping: the request in hand was given up and its connection closed."""


class Held(Transient):
    """The site's settings let nothing out now: the request in hand was given up and its connection closed."""


class Body(Protocol):
    """Bytes to send, read once from the front; it may be told to start again."""

    @property
    def size_bytes(self) -> int:
        """How many bytes `read` gives in all."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, none at the end."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Starts again at `offset`."""

    def tell(self) -> int:
        """How many bytes were read."""


@dataclass(frozen=True, slots=True)
class NewObject:
    """What an object is to be called and to carry, and how it is kept: fixed when its upload begins."""

    key: str
    content_type: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    storage_class: StorageClass = "STANDARD"
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What the store says of an object. `sha256` is in S3's form (base64, `-N` for N parts), None when not told."""

    size_bytes: int | None
    sha256: str | None
    etag: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredPart:
    """What the store says of one part of a multipart upload; `sha256` as in `StoredObject`."""

    number: int
    size_bytes: int
    etag: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class PartToJoin:
    """A part as named when an upload is completed; `sha256` in S3's form."""

    number: int
    etag: str
    sha256: str


class ObjectStore(Protocol):
    """One bucket. Every method is one attempt: it raises StoreAway, or another Transient, or what it says."""

    def head(self, key: str) -> StoredObject | None:
        """What is at `key`; None when nothing is, or when we may not know (a role without ListBucket)."""

    def put_object(self, new: NewObject, body: Body, sha256: str) -> StoredObject:
        """Creates the object in one request. Raises ObjectExists, DigestRefused."""

    def create_upload(self, new: NewObject) -> str:
        """Begins a multipart upload: its id."""

    def list_uploads(self, key: str) -> tuple[str, ...]:
        """The ids of the unfinished uploads of `key`, oldest first; none when we may not know."""

    def upload_part(self, key: str, upload_id: str, number: int, body: Body, sha256: str) -> str:
        """Sends part `number` (from 1): its ETag. Raises UploadGone, DigestRefused."""

    def list_parts(self, key: str, upload_id: str) -> tuple[StoredPart, ...]:
        """The parts that have arrived, by number. Raises UploadGone."""

    def complete_upload(self, key: str, upload_id: str, parts: Sequence[PartToJoin], size_bytes: int) -> StoredObject:
        """Makes the object of its parts, all at once. Raises ObjectExists, UploadGone."""

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Forgets an upload and its parts; one that is gone already is no error."""

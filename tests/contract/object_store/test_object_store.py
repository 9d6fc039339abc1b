"""What every object store does, the fake one and S3 behind its real client."""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from components.cloud_sync.object_store import (
    DigestRefused,
    NewObject,
    ObjectExists,
    ObjectStore,
    PartToJoin,
    UploadGone,
)
from components.shared.errors import Rejected
from tests.contract.object_store.conftest import PART_BYTES_MIN, Subject

_numbers = itertools.count()
METADATA = {"nvr-version": "1", "nvr-sha256": "00"}


class BytesBody(io.BytesIO):
    """Bytes as a request body."""

    @property
    def size_bytes(self) -> int:
        return len(self.getvalue())


class BrokenBody(BytesBody):
    """A body whose file turns out to be damaged while it is sent."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise Rejected("file x ends at byte 0")


def digest(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def composite(*parts: bytes) -> str:
    return f"{digest(b''.join(hashlib.sha256(part).digest() for part in parts))}-{len(parts)}"


def new_object() -> NewObject:
    """An object at a key that no other test uses."""
    number = next(_numbers)
    return NewObject(f"sites/site-1/cameras/cam-{number}/2026/cam-{number}_1.mp4", "video/mp4", METADATA)


PARTS = (b"a" * PART_BYTES_MIN, b"b" * PART_BYTES_MIN, b"the end")


def send_parts(store: ObjectStore, key: str, upload_id: str, *numbers: int) -> list[PartToJoin]:
    """Sends those of PARTS."""
    return [
        PartToJoin(
            number,
            store.upload_part(key, upload_id, number, BytesBody(PARTS[number - 1]), digest(PARTS[number - 1])),
            digest(PARTS[number - 1]),
        )
        for number in numbers
    ]


def test_put_creates_the_object_with_its_metadata_and_checksum(subject: Subject) -> None:
    """A put object has the bytes and metadata that were sent, and the store answers with its SHA-256."""
    new, data = new_object(), bytes(range(256)) * 1000
    stored = subject.store.put_object(new, BytesBody(data), digest(data))
    assert stored.sha256 == digest(data)
    assert subject.observer.data_of(new.key) == data
    assert subject.observer.metadata_of(new.key) == METADATA
    head = subject.store.head(new.key)
    assert head is not None
    assert (head.size_bytes, head.sha256, head.metadata) == (len(data), digest(data), METADATA)
    assert head.etag == stored.etag


def test_objects_are_kept_as_said(subject: Subject) -> None:
    """Storage class and tags are those that were sent, for a put and for parts; without any it is the standard."""
    tags = {"team": "night watch", "cost-centre": "a=1+b"}
    put = replace(new_object(), storage_class="STANDARD_IA", tags=tags)
    subject.store.put_object(put, BytesBody(b"data"), digest(b"data"))
    assert subject.observer.kept_of(put.key) == ("STANDARD_IA", tags)
    joined = replace(new_object(), storage_class="GLACIER_IR", tags=tags)
    upload_id = subject.store.create_upload(joined)
    parts = send_parts(subject.store, joined.key, upload_id, 1)
    subject.store.complete_upload(joined.key, upload_id, parts, len(PARTS[0]))
    assert subject.observer.kept_of(joined.key) == ("GLACIER_IR", tags)
    plain = new_object()
    subject.store.put_object(plain, BytesBody(b"data"), digest(b"data"))
    assert subject.observer.kept_of(plain.key) == ("STANDARD", {})


def test_head_of_nothing_is_none(subject: Subject) -> None:
    """A key where nothing is has no head."""
    assert subject.store.head(new_object().key) is None


def test_second_put_finds_the_object(subject: Subject) -> None:
    """A put on a key that has an object fails and leaves one version, whatever its bytes are."""
    new = new_object()
    subject.store.put_object(new, BytesBody(b"first"), digest(b"first"))
    for data in (b"first", b"other"):
        with pytest.raises(ObjectExists, match=new.key):
            subject.store.put_object(new, BytesBody(data), digest(data))
    assert subject.observer.data_of(new.key) == b"first"
    assert subject.observer.versions_of(new.key) == 1


def test_one_of_many_puts_at_once_wins(subject: Subject) -> None:
    """Of several puts on one key at the same time exactly one creates the object."""
    new = new_object()

    def put(number: int) -> bool:
        data = b"%d" % number
        try:
            subject.store.put_object(new, BytesBody(data), digest(data))
        except ObjectExists:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(put, range(4))) == 1
    assert subject.observer.versions_of(new.key) == 1


def test_put_of_other_bytes_than_promised_is_refused(subject: Subject) -> None:
    """A body that does not have the SHA-256 sent with it creates nothing."""
    new = new_object()
    with pytest.raises(DigestRefused, match=new.key):
        subject.store.put_object(new, BytesBody(b"damaged"), digest(b"sound"))
    assert subject.store.head(new.key) is None
    assert subject.observer.versions_of(new.key) == 0


def test_error_of_the_body_comes_back_as_it_was(subject: Subject) -> None:
    """What is wrong with the file while it is sent is what the caller gets, and nothing is created."""
    new = new_object()
    with pytest.raises(Rejected, match="file x ends"):
        subject.store.put_object(new, BrokenBody(b"123"), digest(b"123"))
    assert subject.observer.versions_of(new.key) == 0


def test_multipart_makes_one_object_of_its_parts(subject: Subject) -> None:
    """A completed upload is one version with the parts' bytes in order, their composite SHA-256 and the metadata."""
    new, store = new_object(), subject.store
    upload_id = store.create_upload(new)
    parts = send_parts(store, new.key, upload_id, 2, 1, 3)
    assert store.head(new.key) is None
    parts.sort(key=lambda part: part.number)
    stored = store.complete_upload(new.key, upload_id, parts, sum(map(len, PARTS)))
    assert stored.sha256 in {composite(*PARTS), None}
    head = store.head(new.key)
    assert head is not None
    assert (head.size_bytes, head.sha256, head.metadata) == (sum(map(len, PARTS)), composite(*PARTS), METADATA)
    assert subject.observer.data_of(new.key) == b"".join(PARTS)
    assert subject.observer.versions_of(new.key) == 1
    assert subject.observer.uploads_of(new.key) == 0


def test_listed_parts_are_those_that_arrived(subject: Subject) -> None:
    """The parts of an unfinished upload are listed by number with size, ETag and SHA-256."""
    new, store = new_object(), subject.store
    upload_id = store.create_upload(new)
    assert store.list_parts(new.key, upload_id) == ()
    assert store.list_uploads(new.key) == (upload_id,)
    sent = send_parts(store, new.key, upload_id, 3, 1)
    listed = store.list_parts(new.key, upload_id)
    assert [(part.number, part.size_bytes, part.sha256) for part in listed] == [
        (1, len(PARTS[0]), digest(PARTS[0])),
        (3, len(PARTS[2]), digest(PARTS[2])),
    ]
    assert {part.number: part.etag for part in listed} == {part.number: part.etag for part in sent}


def test_part_sent_again_replaces_itself(subject: Subject) -> None:
    """A part may be repeated; the upload holds it once."""
    new, store = new_object(), subject.store
    upload_id = store.create_upload(new)
    send_parts(store, new.key, upload_id, 3)
    parts = send_parts(store, new.key, upload_id, 3)
    assert len(store.list_parts(new.key, upload_id)) == 1
    store.complete_upload(new.key, upload_id, parts, len(PARTS[2]))
    assert subject.observer.data_of(new.key) == PARTS[2]


def test_part_of_other_bytes_than_promised_is_refused(subject: Subject) -> None:
    """A part that does not have the SHA-256 sent with it is not kept."""
    new, store = new_object(), subject.store
    upload_id = store.create_upload(new)
    with pytest.raises(DigestRefused, match=new.key):
        store.upload_part(new.key, upload_id, 1, BytesBody(b"damaged"), digest(b"sound"))
    assert store.list_parts(new.key, upload_id) == ()


def test_completing_over_an_object_fails_and_leaves_it(subject: Subject) -> None:
    """An upload cannot be completed where an object is; the object stays the only version."""
    new, store = new_object(), subject.store
    upload_id = store.create_upload(new)
    parts = send_parts(store, new.key, upload_id, 3)
    store.put_object(new, BytesBody(b"earlier"), digest(b"earlier"))
    with pytest.raises(ObjectExists, match=new.key):
        store.complete_upload(new.key, upload_id, parts, len(PARTS[2]))
    assert subject.observer.data_of(new.key) == b"earlier"
    assert subject.observer.versions_of(new.key) == 1
    store.abort_upload(new.key, upload_id)
    assert subject.observer.uploads_of(new.key) == 0


def test_completing_with_a_part_that_never_arrived_makes_nothing(subject: Subject) -> None:
    """Naming a part that the store does not have, or has with another ETag, is UploadGone: begin anew."""
    new, store = new_object(), subject.store
    upload_id = store.create_upload(new)
    parts = send_parts(store, new.key, upload_id, 1)
    missing = PartToJoin(2, '"00000000000000000000000000000000"', digest(PARTS[1]))
    with pytest.raises(UploadGone):
        store.complete_upload(new.key, upload_id, [*parts, missing], len(PARTS[0]) + len(PARTS[1]))
    assert subject.observer.versions_of(new.key) == 0


def test_completing_twice_makes_one_version(subject: Subject) -> None:
    """Completing a completed upload succeeds, or says that it is over: never a second version."""
    new, store = new_object(), subject.store
    upload_id = store.create_upload(new)
    parts = send_parts(store, new.key, upload_id, 3)
    store.complete_upload(new.key, upload_id, parts, len(PARTS[2]))
    try:
        again = store.complete_upload(new.key, upload_id, parts, len(PARTS[2]))
        assert again.sha256 in {composite(PARTS[2]), None}
    except (UploadGone, ObjectExists):
        pass
    assert subject.observer.versions_of(new.key) == 1


def test_aborted_upload_is_gone(subject: Subject) -> None:
    """After an abort, sending and listing parts say that the upload is gone; a second abort does no harm."""
    new, store = new_object(), subject.store
    upload_id = store.create_upload(new)
    store.abort_upload(new.key, upload_id)
    store.abort_upload(new.key, upload_id)
    with pytest.raises(UploadGone, match=new.key):
        store.list_parts(new.key, upload_id)
    with pytest.raises(UploadGone, match=new.key):
        store.upload_part(new.key, upload_id, 1, BytesBody(b"x"), digest(b"x"))
    assert store.list_uploads(new.key) == ()


def test_uploads_are_listed_by_their_own_key_only(subject: Subject) -> None:
    """The unfinished uploads of a key do not include those of a key that begins with it."""
    new, store = new_object(), subject.store
    longer = NewObject(new.key + ".more", "video/mp4")
    first = store.create_upload(new)
    store.create_upload(longer)
    second = store.create_upload(new)
    assert set(store.list_uploads(new.key)) == {first, second}

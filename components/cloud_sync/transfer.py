"""One attempt to bring one file into the store. It raises; when to try again is decided elsewhere.

What it keeps, whatever it is interrupted by:

- At most one version of an object. Every creation is conditional, and an object that an earlier attempt may have left
  there is looked for before anything is sent.
- Nothing is called uploaded that the store did not confirm with the checksum taken while recording.
- What the store already has of a multipart upload is not sent again: its id is on record before its first part, and
  on resuming the store's own list of parts is what counts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from components.cloud_sync.core.checksums import is_composite, s3_form
from components.cloud_sync.core.parts import (
    STANDARD_SIZES,
    ListedPart,
    Part,
    Sizes,
    is_same,
    is_single,
    part_count,
    parts_held,
    parts_of,
)
from components.cloud_sync.core.plan import CONTENT_TYPES
from components.cloud_sync.object_store import (
    DigestRefused,
    NewObject,
    ObjectExists,
    ObjectStore,
    PartToJoin,
    StoredObject,
    UploadGone,
)
from components.cloud_sync.ranged_file import open_upload
from components.cloud_sync.source_file import SourceFile
from components.shared.catalogue.sync import SyncWriter, UploadRow
from components.shared.errors import Rejected, Transient
from components.shared.wire.sync_config import SyncSection


class Transfer:
    """Attempts on one store, their parts on record in one ledger. Any thread may call."""

    def __init__(
        self, store: ObjectStore, ledger: SyncWriter, stop: threading.Event, sizes: Sizes = STANDARD_SIZES
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._stop = stop
        self._sizes = sizes
        self._kept = SyncSection()

    def follow(self, sync: SyncSection) -> None:
        """New objects are kept as these settings say; an upload that has begun stays as it began."""
        self._kept = sync

    def upload(self, row: UploadRow, path: Path, may_exist: bool, on_part: Callable[[int, int], None]) -> str:
        """The ETag of the object, once the store holds this file. `on_part(number, of)` is called after each part.

        `may_exist`: an earlier attempt may have brought it there, or have begun a multipart upload.
        """
        if may_exist:
            stored = self._store.head(row.key)
            if stored is not None:
                return self._found(row, path, stored, row.part_sha256s)
        with open_upload(row, path, self._stop) as source:
            if is_single(row.size_bytes, self._sizes):
                return self._put(row, path, source)
            return self._put_parts(row, path, source, may_exist, on_part)

    def forget(self, row: UploadRow) -> None:
        """Ends the multipart upload that is on record for a row which will never be uploaded."""
        if row.upload_id is not None:
            self._store.abort_upload(row.key, row.upload_id)

    def _put(self, row: UploadRow, path: Path, source: SourceFile) -> str:
        body = source.section(0, row.size_bytes)
        try:
            stored = self._store.put_object(self._new_object(row), body, s3_form(row.sha256))
        except ObjectExists as error:
            return self._exists(row, path, row.part_sha256s, error)
        except DigestRefused as error:
            self._check_file(row, source)
            raise Transient(f"{_named(row)}: damaged on its way, the file is sound: {error}") from error
        return self._confirmed(row, stored, row.part_sha256s)

    def _put_parts(
        self, row: UploadRow, path: Path, source: SourceFile, may_exist: bool, on_part: Callable[[int, int], None]
    ) -> str:
        hashes: Sequence[str] = row.part_sha256s
        if len(hashes) != part_count(row.size_bytes, self._sizes):
            hashes = self._check_file(row, source)
        if row.upload_id is None and may_exist:
            row = self._adopt(row)
        try:
            return self._send_parts(row, path, source, hashes, on_part)
        except DigestRefused as error:
            measured = self._check_file(row, source)
            if measured == tuple(hashes):
                raise Transient(f"{_named(row)}: damaged on its way, the file is sound: {error}") from error
        # The file is sound and the hashes of its parts on record are not: those just measured are.
        return self._send_parts(self._reread(row), path, source, measured, on_part)

    def _adopt(self, row: UploadRow) -> UploadRow:
        """The row with an upload that was begun and not recorded, if there is one; others of its key are ended."""
        *others, newest = self._store.list_uploads(row.key) or (None,)
        for upload_id in others:
            if upload_id is not None:
                self._store.abort_upload(row.key, upload_id)
        if newest is None:
            return row
        self._ledger.record_upload_id(row.key, newest)
        return self._reread(row)

    def _send_parts(
        self, row: UploadRow, path: Path, source: SourceFile, hashes: Sequence[str], on_part: Callable[[int, int], None]
    ) -> str:
        parts = parts_of(row.size_bytes, hashes, self._sizes)
        upload_id, held = self._resume(row, parts)
        if upload_id is None:
            upload_id = self._store.create_upload(self._new_object(row))
            self._ledger.record_upload_id(row.key, upload_id)
        try:
            for part in parts:
                if part.number not in held:
                    body = source.section(part.offset_bytes, part.size_bytes)
                    etag = self._store.upload_part(row.key, upload_id, part.number, body, part.sha256)
                    self._ledger.record_part(row.key, part.number, etag)
                    held[part.number] = etag
                    on_part(part.number, len(parts))
            joined = [PartToJoin(part.number, held[part.number], part.sha256) for part in parts]
            stored = self._store.complete_upload(row.key, upload_id, joined, row.size_bytes)
        except UploadGone:
            self._abandon(row, upload_id)
            raise
        except ObjectExists as error:
            self._store.abort_upload(row.key, upload_id)
            return self._exists(row, path, hashes, error)
        return self._confirmed(row, stored, hashes)

    def _resume(self, row: UploadRow, parts: Sequence[Part]) -> tuple[str | None, dict[int, str]]:
        """The upload on record that the store still knows, and what it has of it."""
        if row.upload_id is None:
            return None, {}
        try:
            listed = self._store.list_parts(row.key, row.upload_id)
        except UploadGone:
            self._ledger.record_upload_id(row.key, None)
            return None, {}
        known = [ListedPart(part.number, part.size_bytes, part.etag, part.sha256) for part in listed]
        return row.upload_id, parts_held(parts, known, row.parts)

    def _abandon(self, row: UploadRow, upload_id: str) -> None:
        """The store refuses this upload or its parts: the next attempt begins another."""
        self._store.abort_upload(row.key, upload_id)
        self._ledger.record_upload_id(row.key, None)

    def _exists(self, row: UploadRow, path: Path, hashes: Sequence[str], error: ObjectExists) -> str:
        stored = self._store.head(row.key)
        if stored is None:
            raise Transient(
                f"{_named(row)}: there is an object, and we may not see which: the role needs s3:GetObject: {error}"
            ) from error
        return self._found(row, path, stored, hashes)

    def _found(self, row: UploadRow, path: Path, stored: StoredObject, hashes: Sequence[str]) -> str:
        """The ETag of an object that was there before, which must be this file."""
        if not _is_same(row, stored, hashes) and is_composite(stored.sha256):
            # Sent in parts whose hashes are not those on record: only the file can tell.
            with open_upload(row, path, self._stop) as source:
                hashes = self._check_file(row, source)
        if not _is_same(row, stored, hashes):
            raise Rejected(
                f"{_named(row)}: there is another object already, of {stored.size_bytes} bytes and SHA-256 "
                f"{stored.sha256}; it was left as it is"
            )
        if row.upload_id is not None:
            self._store.abort_upload(row.key, row.upload_id)
        return stored.etag

    def _confirmed(self, row: UploadRow, stored: StoredObject, hashes: Sequence[str]) -> str:
        """The ETag of an object that was just made, once the store has said that it has the checksum we meant."""
        if stored.sha256 is None:
            seen = self._store.head(row.key)
            if seen is None:
                raise Transient(f"{_named(row)}: the store does not tell whether it holds it")
            stored = seen
        if not _is_same(row, stored, hashes):
            raise Rejected(f"{_named(row)}: the store made an object of SHA-256 {stored.sha256} of it: integrity lost")
        return stored.etag

    def _check_file(self, row: UploadRow, source: SourceFile) -> tuple[str, ...]:
        """The hashes of the file's parts as it is now (hex); Rejected unless the whole is what was recorded."""
        measured = source.measure(self._sizes.part_bytes)
        if measured.sha256 != row.sha256:
            raise Rejected(
                f"{_named(row)}: file {row.path} has SHA-256 {measured.sha256}, recorded was {row.sha256}: "
                f"it is damaged on disk"
            )
        return measured.part_sha256s

    def _new_object(self, row: UploadRow) -> NewObject:
        kept = self._kept.thumbnail if row.kind == "thumbnail" else self._kept.segment
        return NewObject(row.key, CONTENT_TYPES[row.kind], row.metadata, kept.storage_class, kept.tags)

    def _reread(self, row: UploadRow) -> UploadRow:
        current = self._ledger.upload(row.key)
        return row if current is None else current


def _is_same(row: UploadRow, stored: StoredObject, hashes: Sequence[str]) -> bool:
    return is_same(row.size_bytes, row.sha256, hashes, stored.size_bytes, stored.sha256, stored.metadata)


def _named(row: UploadRow) -> str:
    return f"camera {row.camera}, {row.kind} {row.segment}"

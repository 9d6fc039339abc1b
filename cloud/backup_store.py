"""Where backups lie: a folder, or a prefix of a bucket. It moves bytes and knows nothing of what they mean.

A file is written once, whole; what is there is never written over.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

from components.shared.errors import Rejected

S3_SCHEME = "s3://"


class BackupStore(Protocol):
    """A place for files by path, `/` between the parts."""

    def put(self, path: str, data: bytes) -> None:
        """Keep a new file durably; Rejected when there is one with other bytes."""

    def get(self, path: str) -> bytes:
        """A file's bytes; Rejected when it is not there."""

    def names(self) -> list[str]:
        """The first parts of all paths."""

    def describe(self) -> str:
        """The place, for people."""


class FolderStore:
    """Backups below a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, path: str, data: bytes) -> None:
        """See BackupStore."""
        target = self._folder / path
        if target.exists():
            if target.read_bytes() != data:
                raise Rejected(f"{target} is there already, with other content: nothing was written over")
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(target.name + ".part")
        # Configuration of cameras and the addresses of people: nobody else's business.
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(target)
        descriptor = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def get(self, path: str) -> bytes:
        """See BackupStore."""
        try:
            return (self._folder / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise Rejected(f"{self._folder / path} is not there") from error

    def names(self) -> list[str]:
        """See BackupStore."""
        return sorted(path.name for path in self._folder.iterdir()) if self._folder.is_dir() else []

    def describe(self) -> str:
        """See BackupStore."""
        return str(self._folder)


class BucketStore:
    """Backups below a prefix of a bucket, which should be in another account or region than what it is a backup of."""

    def __init__(self, s3: Any, url: str) -> None:
        """`s3` is a client of boto3; `url` is `s3://BUCKET` or `s3://BUCKET/PREFIX`."""
        bucket, _, prefix = url.removeprefix(S3_SCHEME).partition("/")
        if not url.startswith(S3_SCHEME) or not bucket:
            raise Rejected(f"{url!r} is not s3://BUCKET/PREFIX")
        self._s3, self._bucket = s3, bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def put(self, path: str, data: bytes) -> None:
        """See BackupStore."""
        key = self._prefix + path
        try:
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=data, ChecksumAlgorithm="SHA256", IfNoneMatch="*")
        except self._s3.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "PreconditionFailed":
                raise
            if self.get(path) != data:
                raise Rejected(
                    f"{S3_SCHEME}{self._bucket}/{key} is there already, with other content: nothing was written over"
                ) from error

    def get(self, path: str) -> bytes:
        """See BackupStore."""
        key = self._prefix + path
        try:
            body: bytes = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except self._s3.exceptions.NoSuchKey as error:
            raise Rejected(f"{S3_SCHEME}{self._bucket}/{key} is not there") from error
        return body

    def names(self) -> list[str]:
        """See BackupStore."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix, Delimiter="/"
        )
        folders = [one["Prefix"] for page in pages for one in page.get("CommonPrefixes", [])]
        return sorted(folder.removeprefix(self._prefix).rstrip("/") for folder in folders)

    def describe(self) -> str:
        """See BackupStore."""
        return f"{S3_SCHEME}{self._bucket}/{self._prefix}"

"""Where objects are: rows of the state, bodies as files. Versions, delete markers, uploads in parts, and the event of
each change, written in the same transaction as the change itself.

It knows what S3 keeps, not how S3 is spoken to. Sequencers grow with every change, also when the clock goes back.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from local.aws.s3.faults import S3Fault, no_such_key, precondition_failed
from local.aws.state import State

COLUMNS = "seq, bucket, key, version, latest, marker, size_bytes, etag, modified_ms, facts"
NULL_VERSION = "null"


@dataclass(frozen=True, slots=True)
class Facts:
    """What goes with an object besides its bytes. `bodies` are names and sizes, in order."""

    bodies: tuple[tuple[str, int], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    algorithm: str = ""
    checksum: str = ""
    checksum_kind: str = "FULL_OBJECT"
    parts: tuple[tuple[int, int, str], ...] = ()  # number, size, checksum

    def to_json(self) -> str:
        """As a row keeps it."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Facts:
        """The inverse of `to_json`."""
        values = json.loads(text)
        values["bodies"] = tuple((name, size) for name, size in values["bodies"])
        values["parts"] = tuple((number, size, checksum) for number, size, checksum in values["parts"])
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Stored:
    """A version of an object, or a delete marker."""

    seq: int
    bucket: str
    key: str
    version: str
    latest: bool
    marker: bool
    size_bytes: int
    etag: str
    modified_ms: int
    facts: Facts


@dataclass(frozen=True, slots=True)
class New:
    """An object about to be stored."""

    bucket: str
    key: str
    size_bytes: int
    etag: str
    facts: Facts


@dataclass(frozen=True, slots=True)
class Conditions:
    """What must hold for a write: no object yet, or this ETag."""

    absent: bool = False
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class BucketState:
    """What a bucket is set to, as far as objects care."""

    versioned: bool
    tells: bool


def stored(row: tuple[Any, ...]) -> Stored:
    """A row of `COLUMNS` as a value."""
    seq, bucket, key, version, latest, marker, size_bytes, etag, modified_ms, facts = row
    return Stored(
        seq, bucket, key, version, bool(latest), bool(marker), size_bytes, etag, modified_ms, Facts.from_json(facts)
    )


class Objects:
    """The objects of all buckets. `told` is called after a change that has left an event."""

    def __init__(self, state: State, told: Callable[[], None], now_ms: Callable[[], int] | None = None) -> None:
        self._state = state
        self._told = told
        self._now_ms = now_ms or (lambda: time.time_ns() // 1_000_000)

    def find(self, bucket: str, key: str, version: str | None = None) -> Stored:
        """The latest version, or that version; a missing one is NoSuchKey or NoSuchVersion."""
        if version is None:
            rows = self._state.read(
                f"SELECT {COLUMNS} FROM object WHERE bucket = ? AND key = ? AND latest = 1",  # noqa: S608
                (bucket, key),
            )
        else:
            rows = self._state.read(
                f"SELECT {COLUMNS} FROM object WHERE bucket = ? AND key = ? AND version = ?",  # noqa: S608
                (bucket, key, version),
            )
        if not rows:
            if version is None:
                raise no_such_key()
            raise S3Fault(404, "NoSuchVersion", "The specified version does not exist.")
        found = stored(rows[0])
        if found.marker:
            headers = {"x-amz-delete-marker": "true", "x-amz-version-id": found.version}
            if version is None:
                fault = no_such_key()
                raise S3Fault(fault.status, fault.code, fault.message, headers)
            what = "The specified method is not allowed against this resource."
            raise S3Fault(405, "MethodNotAllowed", what, headers)
        return found

    def put(self, new: New, state: BucketState, conditions: Conditions, reason: str) -> Stored:
        """Stores an object whose bodies are loose yet, claims them, and leaves the event."""
        gone: list[str] = []
        with self._state.change():
            _check(self._current(new.bucket, new.key), conditions)
            if not state.versioned:
                gone = self._remove(new.bucket, new.key, NULL_VERSION)
            seq = self._state.next_number("object")
            version = uuid.uuid4().hex if state.versioned else NULL_VERSION
            self._forget_latest(new.bucket, new.key)
            result = Stored(
                seq, new.bucket, new.key, version, True, False, new.size_bytes, new.etag, self._now_ms(), new.facts
            )
            self._insert(result)
            self._state.claim([name for name, _ in new.facts.bodies])
            if state.tells:
                detail = {"size": new.size_bytes, "etag": new.etag}
                self._leave_event(result, "Object Created", detail, {"reason": reason})
        self._state.sweep(gone)
        self._told()
        return result

    def delete(
        self,
        bucket: str,
        key: str,
        version: str | None,
        state: BucketState,
        conditions: Conditions = Conditions(),
    ) -> tuple[str | None, bool]:
        """Deletes: the version and whether it is (or was) a delete marker. Deleting what is not there succeeds."""
        gone: list[str] = []
        answer: tuple[str | None, bool]
        with self._state.change():
            _check(self._current(bucket, key), conditions)
            if version is None and state.versioned:
                answer = self._mark_deleted(bucket, key, state)
            else:
                named = version or NULL_VERSION
                target = next(iter(self._rows(bucket, key, named)), None)
                gone = self._remove(bucket, key, named)
                self._settle_latest(bucket, key)
                answer = (version, bool(target and target.marker))
                if target is not None and state.tells:
                    self._leave_event(
                        replace(target, seq=self._state.next_number("object")),
                        "Object Deleted",
                        {"etag": target.etag},
                        {"reason": "DeleteObject", "deletion-type": "Permanently Deleted"},
                    )
        self._state.sweep(gone)
        self._told()
        return answer

    def set_tags(self, target: Stored, tags: Mapping[str, str]) -> None:
        """Replaces the tags of a version."""
        facts = replace(target.facts, tags=dict(tags)).to_json()
        self._state.write("UPDATE object SET facts = ? WHERE seq = ?", (facts, target.seq))

    def has_any(self, bucket: str) -> bool:
        """Whether a bucket holds anything, be it an old version."""
        return bool(self._state.read("SELECT 1 FROM object WHERE bucket = ? LIMIT 1", (bucket,)))

    def _mark_deleted(self, bucket: str, key: str, state: BucketState) -> tuple[str, bool]:
        self._forget_latest(bucket, key)
        seq = self._state.next_number("object")
        marker = Stored(seq, bucket, key, uuid.uuid4().hex, True, True, 0, "", self._now_ms(), Facts())
        self._insert(marker)
        if state.tells:
            extra = {"reason": "DeleteObject", "deletion-type": "Delete Marker Created"}
            self._leave_event(marker, "Object Deleted", {}, extra)
        return marker.version, True

    def _rows(self, bucket: str, key: str, version: str) -> list[Stored]:
        rows = self._state.read(
            f"SELECT {COLUMNS} FROM object WHERE bucket = ? AND key = ? AND version = ?",  # noqa: S608
            (bucket, key, version),
        )
        return [stored(row) for row in rows]

    def _current(self, bucket: str, key: str) -> Stored | None:
        rows = self._state.read(
            f"SELECT {COLUMNS} FROM object WHERE bucket = ? AND key = ? AND latest = 1",  # noqa: S608
            (bucket, key),
        )
        found = stored(rows[0]) if rows else None
        return None if found is None or found.marker else found

    def _insert(self, new: Stored) -> None:
        self._state.write(
            f"INSERT INTO object ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            (
                new.seq,
                new.bucket,
                new.key,
                new.version,
                int(new.latest),
                int(new.marker),
                new.size_bytes,
                new.etag,
                new.modified_ms,
                new.facts.to_json(),
            ),
        )

    def _remove(self, bucket: str, key: str, version: str) -> list[str]:
        bodies = [name for row in self._rows(bucket, key, version) for name, _ in row.facts.bodies]
        self._state.write("DELETE FROM object WHERE bucket = ? AND key = ? AND version = ?", (bucket, key, version))
        self._state.release(bodies)
        return bodies

    def _forget_latest(self, bucket: str, key: str) -> None:
        self._state.write("UPDATE object SET latest = 0 WHERE bucket = ? AND key = ? AND latest = 1", (bucket, key))

    def _settle_latest(self, bucket: str, key: str) -> None:
        self._forget_latest(bucket, key)
        self._state.write(
            "UPDATE object SET latest = 1 WHERE seq = (SELECT max(seq) FROM object WHERE bucket = ? AND key = ?)",
            (bucket, key),
        )

    def _leave_event(self, what: Stored, kind: str, about: dict[str, Any], extra: dict[str, str]) -> None:
        about = {"key": what.key, **about, "sequencer": self._sequencer(what.seq)}
        if what.version != NULL_VERSION:
            about["version-id"] = what.version
        body = {
            "kind": kind,
            "moment_ms": self._now_ms(),
            "detail": {
                "version": "0",
                "bucket": {"name": what.bucket},
                "object": about,
                "request-id": uuid.uuid4().hex[:16].upper(),
                "requester": "123456789012",
                "source-ip-address": "127.0.0.1",
                **extra,
            },
        }
        self._state.write("INSERT INTO event (body) VALUES (?)", (json.dumps(body),))

    def _sequencer(self, seq: int) -> str:
        """Hexadecimal, seconds first as AWS's are; the seconds never go back, whatever the clock does."""
        seconds = self._now_ms() // 1000
        with self._state.change() as db:
            db.execute("INSERT OR IGNORE INTO counter VALUES ('second', ?)", (seconds,))
            db.execute("UPDATE counter SET value = max(value, ?) WHERE name = 'second'", (seconds,))
            ((seconds,),) = db.execute("SELECT value FROM counter WHERE name = 'second'").fetchall()
        return f"{seconds:010X}{seq:08X}"


def _check(current: Stored | None, conditions: Conditions) -> None:
    if conditions.absent and current is not None:
        raise precondition_failed()
    if conditions.etag is not None:
        if current is None:
            raise no_such_key()
        if conditions.etag not in {current.etag, "*"}:
            raise precondition_failed()

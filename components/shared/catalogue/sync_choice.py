"""What of the queue in sync.db is uploaded, and what first: policies of cameras, and what was decided of each upload.

An upload that a policy leaves out keeps its row and is held: it is not in the queue, waits for nothing, and goes back
into the queue when the policy is changed back. Held is only what is not uploaded; no policy undoes an upload. What
somebody has asked for by itself (`pulls`) is held by no policy.

Every call is one transaction. Whoever has an upload under way goes on with it, whatever is decided meanwhile.
"""
# ruff: noqa: S608 - statements are put together from constants of this module; values are always bound

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from components.shared.catalogue.database import READ_ROWS_MAX, Do
from components.shared.catalogue.sync import HOLDS, Hold, SyncReader, SyncWriter, UploadKind, UploadRow, insert_upload
from components.shared.wire.recording_config import UploadPolicy
from components.shared.wire.units import WallNs

_NOT_PULLED = "key NOT IN (SELECT key FROM pull_object)"
_QUEUED_OF_CAMERA = f"camera = ? AND state = 'queued' AND {_NOT_PULLED}"


@dataclass(frozen=True, slots=True)
class Undecided:
    """A queued upload of which it is not known yet whether it is of an event."""

    number: int
    key: str
    kind: UploadKind
    camera: str
    segment: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of an upload: whether it is held, and its place in the queue, which is never moved back.

    It counts only while the camera's policy is the one under which it was made.
    """

    key: str
    policy: UploadPolicy
    hold: Hold
    priority: int
    rank: int


@dataclass(frozen=True, slots=True)
class Held:
    """An upload that a policy leaves out, or may leave out."""

    number: int
    key: str
    segment: str


def policies(reader: SyncReader) -> dict[str, UploadPolicy]:
    """The policies in force, by camera, at most READ_ROWS_MAX; a camera without one uploads all."""
    return dict(reader.database.read("SELECT camera, policy FROM upload_policy LIMIT ?", READ_ROWS_MAX))


def set_policy(writer: SyncWriter, camera: str, policy: UploadPolicy, now_ns: WallNs) -> bool:
    """Puts a camera's policy in force for all that it has in the queue; whether it is another than before.

    What a new policy wants again waits from now on. Under `events`, everything is decided anew.
    """
    with writer.database.transaction(f"camera {camera}, upload policy {policy}") as do:
        before = do("SELECT policy FROM upload_policy WHERE camera = ?", camera)
        if (before[0][0] if before else "all") == policy:
            return False
        do(
            "INSERT INTO upload_policy (camera, policy) VALUES (?, ?) "
            "ON CONFLICT (camera) DO UPDATE SET policy = excluded.policy",
            *(camera, policy),
        )
        hold = HOLDS[policy]
        change = "hold = ?, enqueued_ns = iif(? = '' AND hold <> '', ?, enqueued_ns)"
        change += {"all": "", "events": ", is_looked_at = 0", "none": ", is_looked_at = 1"}[policy]
        sql = f"UPDATE upload SET {change} WHERE {_QUEUED_OF_CAMERA} AND kind <> 'clip'"
        do(sql, hold, hold, now_ns, camera)
        # Where whole segments go, their clips need not; where nothing goes, neither.
        clips = f"UPDATE upload SET hold = ? WHERE {_QUEUED_OF_CAMERA} AND kind = 'clip'"
        do(clips, "" if policy == "events" else "left_out", camera)
    return True


def to_look_at(reader: SyncReader, kind: UploadKind, after: int, limit: int) -> list[Undecided]:
    """The next uploads of a kind, after a number, of which nobody has looked yet whether they are of an event."""
    sql = (
        "SELECT number, key, kind, camera, segment FROM upload WHERE state = 'queued' AND is_looked_at = 0 "
        "AND kind = ? AND number > ? ORDER BY number LIMIT ?"
    )
    return [Undecided(*row) for row in reader.database.read(sql, kind, after, min(limit, READ_ROWS_MAX))]


def of_segments(reader: SyncReader, segments: Sequence[str]) -> list[Undecided]:
    """The queued files and pictures of these segments, at most READ_ROWS_MAX of them, looked at or not."""
    sql = (
        "SELECT number, key, kind, camera, segment FROM upload WHERE segment IN (SELECT value FROM json_each(?)) "
        "AND state = 'queued' AND kind <> 'clip' ORDER BY number LIMIT ?"
    )
    return [Undecided(*row) for row in reader.database.read(sql, json.dumps(list(segments)), READ_ROWS_MAX)]


def decide(writer: SyncWriter, decisions: Sequence[Decision], clips: Sequence[UploadRow], now_ns: WallNs) -> int:
    """Writes down what becomes of uploads, and queues clips; how many of all these came into the queue.

    Clips are for cameras that upload events: of one whose policy has changed meanwhile there is none.
    """
    with writer.database.transaction(f"decide on {len(decisions)} uploads") as do:
        eventful = {row[0] for row in do("SELECT camera FROM upload_policy WHERE policy = 'events'")}
        added = sum(insert_upload(do, clip) for clip in clips if clip.camera in eventful)
        return added + sum(_decide(do, decision, now_ns) for decision in decisions)


def look_again(writer: SyncWriter, segments: Collection[str], rank: int) -> int:
    """Has uploads of these segments looked at again that stand behind `rank`: an event was found that touches them."""
    with writer.database.transaction(f"look again at {len(segments)} segments") as do:
        sql = (
            "UPDATE upload SET is_looked_at = 0 WHERE segment IN (SELECT value FROM json_each(?)) "
            f"AND state = 'queued' AND is_looked_at = 1 AND kind <> 'clip' AND rank > ? AND {_NOT_PULLED} "
            "RETURNING key"
        )
        return len(do(sql, json.dumps(sorted(segments)), rank))


def held_after(reader: SyncReader, number: int, limit: int, camera: str | None = None) -> list[Held]:
    """The next held uploads after a number, of all cameras or of one."""
    sql = (
        "SELECT number, key, segment FROM upload WHERE state = 'queued' AND hold <> '' AND number > ? "
        "AND (? IS NULL OR camera = ?) ORDER BY number LIMIT ?"
    )
    return [Held(*row) for row in reader.database.read(sql, number, camera, camera, min(limit, READ_ROWS_MAX))]


def forget_held(writer: SyncWriter, keys: Sequence[str]) -> None:
    """Removes uploads whose files are gone and that nobody waits for; one that is in the queue by now stays.

    One of which a multipart upload is on record stays too: it may be under way.
    """
    with writer.database.transaction(f"forget {len(keys)} uploads") as do:
        do(
            "DELETE FROM upload WHERE key IN (SELECT value FROM json_each(?)) AND state = 'queued' AND hold <> '' "
            "AND upload_id IS NULL AND attempts = 0",
            json.dumps(list(keys)),
        )


def _decide(do: Do, decision: Decision, now_ns: WallNs) -> bool:
    changed = do(
        "UPDATE upload SET hold = ?, enqueued_ns = iif(? = '' AND hold <> '', ?, enqueued_ns), is_looked_at = 1, "
        f"priority = min(priority, ?), rank = min(rank, ?) WHERE key = ? AND state = 'queued' AND {_NOT_PULLED} "
        "AND ? = coalesce((SELECT policy FROM upload_policy WHERE upload_policy.camera = upload.camera), 'all') "
        "RETURNING hold = ''",
        *(decision.hold, decision.hold, now_ns, decision.priority, decision.rank, decision.key, decision.policy),
    )
    return bool(changed and changed[0][0])

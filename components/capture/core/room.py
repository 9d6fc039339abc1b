"""Whether a volume has room to record.

Recording stops while there is still some room, so that open segments can be closed and the catalogue written: a full
disk must neither corrupt nor lose what is there. It goes on when there is clearly more room than that, so that a disk
at the limit does not stop and go every second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

RESERVE_BYTES = 64 * 1024 * 1024
"""Room for the last fragments and trailers of 32 segments and for the catalogues' write-ahead logs."""


class FollowsRoom(Protocol):
    """Who says whether there is room: by what it has seen, or because it was told."""

    reserve_bytes: int
    has_room: bool

    def seen(self, free_bytes: int) -> bool:
        """Take note of the free space; whether the answer to `has_room` changed."""


@dataclass(slots=True)
class Room:
    """Follows a volume's free space."""

    reserve_bytes: int = RESERVE_BYTES
    has_room: bool = True

    def seen(self, free_bytes: int) -> bool:
        """Take note of the free space; whether the answer to `has_room` changed."""
        limit_bytes = self.reserve_bytes if self.has_room else self.reserve_bytes * 3 // 2
        has_room = free_bytes >= limit_bytes
        changed = has_room != self.has_room
        self.has_room = has_room
        return changed

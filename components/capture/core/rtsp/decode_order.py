"""Decode times of pictures from their presentation times, which are all that RTP tells.

Without B-frames they are the same. With them pictures come in decode order and are shown in another: with a depth of
d, the n-th picture is decoded when the (n - d)-th in order of presentation is shown. The depth is what the sequence
parameter set says, or, where that says nothing, as much as the times themselves have shown to be needed.

Source: ITU-T H.264 C.4.5 (bumping), E.2.1 `max_num_reorder_frames`; H.265 `sps_max_num_reorder_pics`.
"""

from __future__ import annotations

import heapq
from collections import deque

DEPTH_MAX = 16
"""Pictures that either codec can hold back."""

BACK_TICKS_MAX = 90_000
"""A second at RTP's clock: a time further back is no B-frame but a sender that began anew."""

FIRST_STEP_TICKS = 3_600
"""How far apart the first pictures are decoded, before any was shown: 25 a second."""

_WRAP = 1 << 32


class DecodeOrder:
    """Gives each picture its times; fed in the order of decoding. Wrapped timestamps go on beyond 32 bits."""

    def __init__(self, depth: int | None) -> None:
        """`depth` is None where it is not known."""
        self._depth = 0
        self._is_known = False
        self.set_depth(depth)
        self._waiting: list[int] = []
        self._recent: deque[int] = deque(maxlen=DEPTH_MAX)
        self._newest: int | None = None

    def set_depth(self, depth: int | None) -> None:
        """From the next picture on the depth is this; None where it is not known."""
        self._depth = min(depth or 0, DEPTH_MAX)
        self._is_known = depth is not None

    def feed(self, timestamp: int) -> tuple[int, int]:
        """The decode and presentation time of a picture with that RTP timestamp, in its ticks."""
        newest = self._newest
        pts = timestamp if newest is None else newest + _nearest(timestamp - newest)
        if newest is not None and newest - pts > BACK_TICKS_MAX:
            # What another beginning is worth is the timeline's to say: the time stands as it was sent.
            self._waiting.clear()
            self._recent.clear()
            newest, pts = None, timestamp
        if self._is_known and not self._depth and not self._waiting:  # as nearly all cameras send
            self._newest = pts if newest is None else max(newest, pts)
            return pts, pts
        if not self._is_known and newest is not None and pts < newest:
            self._depth = min(max(self._depth, sum(shown > pts for shown in self._recent)), DEPTH_MAX)
        self._newest = pts if newest is None else max(newest, pts)
        self._recent.append(pts)
        heapq.heappush(self._waiting, pts)
        while len(self._waiting) > self._depth + 1:  # the depth has become less
            heapq.heappop(self._waiting)
        early = self._depth + 1 - len(self._waiting)
        dts = self._waiting[0] - early * FIRST_STEP_TICKS if early > 0 else heapq.heappop(self._waiting)
        return min(dts, pts), pts


def _nearest(difference: int) -> int:
    """A difference of timestamps, which wrap at 32 bits, as the nearest one."""
    return (difference + (_WRAP >> 1)) % _WRAP - (_WRAP >> 1)

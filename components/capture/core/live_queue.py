"""What one reader of a live stream is still to be sent, bounded, so that a slow reader costs nobody but itself.

Frames go in as they come and out as far as the reader takes them. When more waits than is allowed, everything that is
not begun is dropped and the reader waits for the next keyframe. Wherever a reader comes in, at first or after that, a
hello is put before the keyframe: between two hellos nothing is missing.
"""

from __future__ import annotations

from collections import deque

WAITING_BYTES_MAX = 6 * 1024 * 1024
"""More than the GOP that a new reader is given at once. The bytes are shared by all readers of a stream."""

WAITING_FRAMES_MAX = 2_048
"""The same for many small frames: half a minute of 60 pictures a second."""

BUFFERS_MAX = 32
"""Given to the system in one call; well below its own limit of 1 024."""

Frame = tuple[bytes, bytes]
"""The bytes before the coded ones, and the coded ones, which are never copied."""


class ReaderQueue:
    """The frames that wait for one reader; see the module."""

    def __init__(self, bytes_max: int = WAITING_BYTES_MAX, frames_max: int = WAITING_FRAMES_MAX) -> None:
        self._bytes_max = bytes_max
        self._frames_max = frames_max
        self._frames: deque[Frame] = deque()
        self._bytes = 0
        self._begun = 0
        self._waits = True
        self.dropped = 0
        """Frames that the reader was too slow for."""

    @property
    def waiting_bytes(self) -> int:
        """What is still to be sent."""
        return self._bytes - self._begun

    def begin_anew(self) -> None:
        """What comes next does not belong to what came before; the reader goes on with a hello and a keyframe."""
        self._waits = True

    def put(self, frame: Frame, is_keyframe: bool, hello: Frame) -> None:
        """The stream's next frame; `is_keyframe` only of a picture."""
        is_full = self._bytes + _size(frame) > self._bytes_max or len(self._frames) >= self._frames_max
        if is_full and (is_keyframe or not self._waits):
            self._drop()
        if self._waits:
            if not is_keyframe:
                return
            self._add(hello)
            self._waits = False
        self._add(frame)

    def buffers(self) -> list[memoryview]:
        """What to send next, in order; empty when nothing waits."""
        found: list[memoryview] = []
        skip = self._begun
        for frame in self._frames:
            for part in frame:
                if skip < len(part):
                    found.append(memoryview(part)[skip:])
                    skip = 0
                else:
                    skip -= len(part)
            if len(found) >= BUFFERS_MAX:
                break
        return found

    def sent(self, count: int) -> None:
        """So many bytes of the buffers are on their way."""
        self._begun += count
        while self._frames and self._begun >= _size(self._frames[0]):
            size = _size(self._frames.popleft())
            self._begun -= size
            self._bytes -= size

    def _add(self, frame: Frame) -> None:
        self._frames.append(frame)
        self._bytes += _size(frame)

    def _drop(self) -> None:
        """Forget all frames but one that is on its way already; the next keyframe goes on."""
        kept = 1 if self._begun else 0
        self.dropped += len(self._frames) - kept
        while len(self._frames) > kept:
            self._bytes -= _size(self._frames.pop())
        self._waits = True


def _size(frame: Frame) -> int:
    return len(frame[0]) + len(frame[1])

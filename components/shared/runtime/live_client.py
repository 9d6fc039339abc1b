"""Reads a stream's live socket: for whoever shows or analyses what a camera sees now.

A reader that is too slow misses whole GOPs and nothing else happens; it needs no threads of its own. When the recorder
restarts, the connection ends (Transient) and is made anew by whoever wants to go on.
"""

from __future__ import annotations

import socket
from collections import deque
from pathlib import Path
from types import TracebackType

from components.shared.errors import Transient
from components.shared.runtime.live_socket import live_folder, short_folder, socket_name
from components.shared.wire.live import Frame, LiveParser
from components.shared.wire.object_keys import StreamName
from components.shared.wire.units import NS_PER_S

READ_BYTES = 256 * 1024


class LiveClient:
    """One connection to one stream, used by one thread."""

    def __init__(self, data: Path, camera: str, stream: StreamName = "main") -> None:
        """Connects; Transient while nobody serves the stream."""
        self._where = f"live socket of camera {camera}, stream {stream}"
        self._parser = LiveParser()
        self._frames: deque[Frame] = deque()
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with short_folder(live_folder(data)) as folder:
                self._connection.connect(f"{folder}/{socket_name(camera, stream)}")
        except OSError as error:
            self._connection.close()
            raise Transient(f"{self._where}: nobody serves it ({error.strerror or error})") from error

    def __enter__(self) -> LiveClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; may be called twice."""
        self._connection.close()

    def receive(self, within_ns: int) -> Frame | None:
        """The next frame, None when none is complete in time. Transient when the server is gone, Rejected for garbage.

        The limit is for each wait, not for a frame that comes in many pieces.
        """
        while not self._frames:
            self._connection.settimeout(max(within_ns, 0) / NS_PER_S)
            try:
                data = self._connection.recv(READ_BYTES)
            except (TimeoutError, BlockingIOError):
                return None
            except OSError as error:
                raise Transient(f"{self._where} broke off: {error.strerror or error}") from error
            if not data:
                raise Transient(f"{self._where}: the recorder has ended it")
            self._frames.extend(self._parser.feed(data))
        return self._frames.popleft()

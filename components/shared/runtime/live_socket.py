"""Where a stream's live socket is, and how to reach it however deep the data root lies.

A socket's address holds 107 bytes, a data root may be longer. So the folder is opened and the socket named through the
process's own list of files, `/proc/self/fd/7/cam-1.main.sock`, which is short whatever the folder is called.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.shared.wire.object_keys import StreamName, check_id


def live_folder(data: Path) -> Path:
    """Where the live sockets and last pictures are."""
    return data / "live"


def socket_name(camera: str, stream: StreamName) -> str:
    """The socket's name in that folder."""
    return f"{check_id(camera, 'camera id')}.{stream}.sock"


@contextmanager
def short_folder(folder: Path) -> Iterator[str]:
    """The folder under a short name while the context lasts; OSError when it cannot be opened."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)

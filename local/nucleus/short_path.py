"""A path to a folder that is short enough for a Unix socket's address.

The kernel takes 107 bytes. A longer one is reached through a link in a private folder of the temporary one,
with a name made from the path, so that the next run finds the same.
"""

import hashlib
import os
import stat
import tempfile
from pathlib import Path

SOCKET_PATH_BYTES_MAX = 107  # sun_path of 108 bytes, the last of them zero


def reachable(folder: Path, name: str) -> Path:
    """Return a path of the file `name` in `folder` that a socket can have."""
    direct = folder / name
    if len(os.fsencode(direct)) <= SOCKET_PATH_BYTES_MAX:
        return direct
    private = Path(tempfile.gettempdir()) / f"greengrass-{os.getuid()}"
    private.mkdir(mode=0o700, exist_ok=True)
    found = private.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{private} is not a private folder of this user")
    link = private / hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    if not link.is_symlink() or link.readlink() != folder:
        link.unlink(missing_ok=True)
        link.symlink_to(folder)
    return link / name

"""The last picture of a camera, `<data>/live/<camera>.jpg`, and what it is, `<data>/live/<camera>.json`.

Both are replaced as a whole, the picture first. They stay when the camera is lost: what was seen last is what people
look for then. After a power cut a file may be empty; that counts as none, and the next picture replaces it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from components.shared.errors import Rejected
from components.shared.runtime.files import disk_errors, make_folders, replace_file
from components.shared.runtime.live_socket import live_folder
from components.shared.wire.object_keys import StreamName, check_id
from components.shared.wire.units import WallNs, format_iso

JSON_BYTES_MAX = 4_096
"""Far above what is written; a longer file is not one of ours."""


@dataclass(frozen=True, slots=True)
class LastPicture:
    """When it was taken, from which stream, and how large it is."""

    camera: str
    stream: StreamName
    taken_ns: WallNs
    width: int
    height: int
    size_bytes: int


def picture_path(data: Path, camera: str) -> Path:
    """Where the JPEG is."""
    return live_folder(data) / f"{check_id(camera, 'camera id')}.jpg"


def write_last_picture(data: Path, picture: LastPicture, jpeg: bytes) -> None:
    """Replace a camera's last picture. Transient when the disk does not take it."""
    path = picture_path(data, picture.camera)
    make_folders(path.parent)
    facts = {**asdict(picture), "taken": format_iso(picture.taken_ns)}
    replace_file(path, jpeg)
    replace_file(path.with_suffix(".json"), json.dumps(facts).encode())


def read_last_picture(data: Path, camera: str) -> LastPicture | None:
    """What is told of a camera's last picture; None without one."""
    path = picture_path(data, camera).with_suffix(".json")
    try:
        with path.open("rb") as file:
            facts = json.loads(file.read(JSON_BYTES_MAX))
        picture = LastPicture(**{name: facts[name] for name in LastPicture.__slots__})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):  # empty after a power cut
        return None
    except OSError as error:
        raise Rejected(f"{path} cannot be read: {error.strerror}") from error
    return picture if path.with_suffix(".jpg").exists() else None


def remove_last_picture(data: Path, camera: str) -> None:
    """Take the last picture of a camera away that is no longer the site's. Transient when the disk does not let us."""
    path = picture_path(data, camera)
    with disk_errors(path, "remove"):
        path.with_suffix(".json").unlink(missing_ok=True)
        path.unlink(missing_ok=True)

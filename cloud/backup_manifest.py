"""What a backup of the cloud side consists of, and how it is known to be whole. Pure.

    <name>/manifest.json                 written last: a backup without it is none
    <name>/stack.json                    parameters, outputs and resources of the stack, for people
    <name>/things.json                   the registry: names, attributes, types
    <name>/shadows/<thing>/<name>.json   the state, desired and reported, of each named shadow
    <name>/tables/<table>/<nnnnn>.json   items in DynamoDB's own JSON, so many to a file
    <name>/secrets.json                  the names of all secrets. Never a value.
    <name>/subscriptions.json            who hears of alerts

`<name>` is the time at which it was begun, so that backups sort by their age and none is written over.

What follows from the media bucket is not in it (`follows_from_bucket`): every fact about an object travels with it, so
the index is made again from there. Nor does it hold who was connected to a message broker that is gone.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cloud.index_items import CAMERAS
from cloud.site_items import PRESENCE
from components.shared.errors import Rejected

FORMAT = 1
"""The form of a backup; a reader takes its own and older ones."""

MANIFEST = "manifest.json"
STACK, THINGS, SECRETS, SUBSCRIPTIONS = "stack.json", "things.json", "secrets.json", "subscriptions.json"
SHADOWS, TABLES = "shadows/", "tables/"
ITEMS_PER_FILE = 1_000  # at most 400 KB each: what one file costs in memory is bounded

Item = Mapping[str, Mapping[str, Any]]
"""An item as DynamoDB gives it."""

_NAME = re.compile(r"\d{8}T\d{6}\.\d{3}Z")
_PATH = re.compile(r"[A-Za-z0-9:_$.-]+(/[A-Za-z0-9:_$.-]+)*")
_OF_OBJECT = ("mp4_mark", "object_key", "thumbnail_key", "details_key")


@dataclass(frozen=True, slots=True)
class BackupFile:
    """One file of a backup: its path below the backup's name, and what its bytes must be."""

    path: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds. `media_bucket` is where the footage was, which is not in it."""

    format: int
    name: str
    region: str
    account: str
    media_bucket: str
    files: tuple[BackupFile, ...]
    counts: Mapping[str, int]


def described(path: str, data: bytes) -> BackupFile:
    """A file's entry in the manifest."""
    return BackupFile(path, hashlib.sha256(data).hexdigest(), len(data))


def check_file(file: BackupFile, data: bytes) -> bytes:
    """`data` when it is what the manifest says; else Rejected, naming the file."""
    if len(data) != file.size_bytes:
        raise Rejected(f"backup: {file.path} has {len(data)} bytes, its manifest says {file.size_bytes}")
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise Rejected(f"backup: {file.path} has another SHA-256 than its manifest says: it was changed or damaged")
    return data


def encode(value: Any) -> bytes:
    """A document of a backup: the same for the same value, so that two backups can be compared."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode()


def encode_manifest(manifest: Manifest) -> bytes:
    """The manifest's own bytes."""
    return encode(asdict(manifest))


def decode_manifest(data: bytes) -> Manifest:
    """The inverse; Rejected when it is none, or of a newer form."""
    try:
        told = json.loads(data)
        if told["format"] > FORMAT:
            raise Rejected(f"backup: its form is {told['format']}, this release reads up to {FORMAT}: use a newer one")
        files = tuple(BackupFile(str(one["path"]), str(one["sha256"]), int(one["size_bytes"])) for one in told["files"])
        manifest = Manifest(
            format=int(told["format"]),
            name=str(told["name"]),
            region=str(told["region"]),
            account=str(told["account"]),
            media_bucket=str(told["media_bucket"]),
            files=files,
            counts={str(name): int(count) for name, count in told["counts"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Rejected(f"backup: its manifest cannot be read: {error!r}") from error
    for file in manifest.files:
        check_path(file.path)
    check_name(manifest.name)
    return manifest


def check_name(name: str) -> str:
    """`name` when it is one of a backup, else Rejected."""
    if not _NAME.fullmatch(name):
        raise Rejected(f"backup {name!r} is not named by a time such as 20261121T100000.000Z")
    return name


def check_path(path: str) -> str:
    """`path` when it stays below the backup, else Rejected: a manifest from elsewhere must not lead us astray."""
    if not _PATH.fullmatch(path) or any(part.strip(".") == "" for part in path.split("/")):
        raise Rejected(f"backup: {path!r} is no path of a file in a backup")
    return path


def newest(names: Iterable[str]) -> str:
    """The newest of the backups with these names; Rejected when there is none."""
    found = sorted(name for name in names if _NAME.fullmatch(name))
    if not found:
        raise Rejected("there is no backup there: make one with `./nvr cloud backup`")
    return found[-1]


def shadow_path(thing: str, shadow: str) -> str:
    """Where a shadow is kept."""
    return f"{SHADOWS}{thing}/{shadow}.json"


def shadow_of(path: str) -> tuple[str, str]:
    """Thing and shadow of a path."""
    thing, _, file = path.removeprefix(SHADOWS).partition("/")
    return thing, file.removesuffix(".json")


def table_path(table: str, number: int) -> str:
    """Where items of a table are kept; `table` is its name in the template."""
    return f"{TABLES}{table}/{number:05d}.json"


def table_of(path: str) -> str:
    """The table of a path, by its name in the template."""
    return path.removeprefix(TABLES).partition("/")[0]


def follows_from_bucket(item: Item) -> bool:
    """Whether an item is made from an object of the media bucket, and so can be made from it again."""
    if item.get("pk", {}).get("S") == CAMERAS:
        return True
    return any(name in item for name in _OF_OBJECT) or any(name.endswith("_mark") for name in item)


def is_of_old_broker(item: Item) -> bool:
    """Whether an item says who was connected: nobody is, to an account that was just made.

    Without it a site is `site_unreachable` until it connects, which is so; with it, it would be called connected.
    """
    return item.get("pk", {}).get("S") == PRESENCE


def is_kept(item: Item) -> bool:
    """Whether an item belongs in a backup."""
    return not follows_from_bucket(item) and not is_of_old_broker(item)

"""The configuration of one component as a tree of leaves with timestamps.

Pure: a tree and a change in, a tree changed in place and the key paths of the changed leaves out. Knows
nothing of files or subscribers. A leaf is anything but a map; a list is one leaf. A leaf keeps the newest
value: a change with an older timestamp leaves it as it is. What a recipe gives by default has timestamp 0.
"""

import json
from dataclasses import dataclass, field
from typing import TypeAlias

from local.nucleus.ipc_error import SERVICE_ERROR, STALE_UPDATE, IpcError
from local.nucleus.json_limits import object_cost
from local.nucleus.json_value import Json, JsonObject, compact
from local.nucleus.profile import Profile

KeyPath: TypeAlias = tuple[str, ...]

DEFAULT_TIMESTAMP_MS = 0
WRITE_FRAME_OBJECTS = 9  # key path, value and timestamp with their names, and the path's own first three keys


@dataclass(frozen=True)
class Leaf:
    """One value and when it was set."""

    value: Json
    timestamp_ms: int


@dataclass
class Branch:
    """A map of leaves and branches."""

    children: dict[str, "Branch | Leaf"] = field(default_factory=dict)


Node: TypeAlias = Branch | Leaf


class MissingKeyError(LookupError):
    """No value and no map stands at this key path."""


def find(tree: Branch, path: KeyPath) -> Node:
    """Return what stands at a key path, or raise MissingKeyError."""
    node: Node = tree
    for key in path:
        if not isinstance(node, Branch) or key not in node.children:
            raise MissingKeyError("/".join(path))
        node = node.children[key]
    return node


def value_of(node: Node) -> Json:
    """Return a node as plain JSON."""
    if isinstance(node, Leaf):
        return node.value
    return {key: value_of(child) for key, child in node.children.items()}


def leaves(node: Node, path: KeyPath = ()) -> dict[KeyPath, Leaf]:
    """Return every leaf below a node by its key path."""
    if isinstance(node, Leaf):
        return {path: node}
    return {at: leaf for key, child in node.children.items() for at, leaf in leaves(child, (*path, key)).items()}


def write(tree: Branch, path: KeyPath, value: Json, timestamp_ms: int, profile: Profile) -> list[KeyPath]:
    """Merge a value into the tree and return the key paths whose value changed.

    Raises IpcError, and then has written what came before the fault, as the real runtimes do.
    """
    if isinstance(value, dict):
        if not value:
            _branch(tree, path, profile)
        return [
            changed
            for key, child in value.items()
            for changed in write(tree, (*path, key), child, timestamp_ms, profile)
        ]
    return [path] if _write_leaf(tree, path, Leaf(value, timestamp_ms), profile) else []


def check_update(tree: Branch, path: KeyPath, value: Json, timestamp_ms: int, profile: Profile) -> None:
    """Raise IpcError for an update that this runtime refuses as a whole."""
    limit = profile.update_objects_max
    if limit is not None and object_cost(value) + WRITE_FRAME_OBJECTS + len(path) > limit:
        raise IpcError(SERVICE_ERROR, "the update holds too many objects")
    if not profile.stale_update_refused:
        return
    try:
        present = leaves(find(tree, path))
    except MissingKeyError:
        return
    if any(leaf.timestamp_ms > timestamp_ms for leaf in present.values()):
        raise IpcError(STALE_UPDATE, "the configuration was changed after the time of this update")


def too_long(value: Json, profile: Profile) -> int | None:
    """Return the length of a leaf when it is longer than this runtime can keep, else None."""
    length = len(compact(value))
    return length if profile.leaf_bytes_max is not None and length > profile.leaf_bytes_max else None


def pointer_path(pointer: str) -> KeyPath:
    """Return the key path of a JSON pointer (RFC 6901); "" is the root."""
    if not pointer.strip("/"):
        return ()
    parts = pointer.removeprefix("/").split("/")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in parts)


def deployed(old: Branch, defaults: JsonObject, resets: list[KeyPath], profile: Profile) -> Branch:
    """Return the tree after a deployment: the recipe's values, over them what was set since and not reset."""
    tree = Branch()
    write(tree, (), defaults, DEFAULT_TIMESTAMP_MS, profile)
    for path, leaf in leaves(old).items():
        was_reset = any(path[: len(reset)] == reset for reset in resets)
        if leaf.timestamp_ms > DEFAULT_TIMESTAMP_MS and not was_reset:
            try:
                _write_leaf(tree, path, leaf, profile)
            except IpcError:
                continue  # the new recipe has a map where a value was, or the reverse: the recipe wins
    return tree


def differences(old: Branch, new: Branch) -> list[KeyPath]:
    """Return the key paths whose value is not the same in both trees."""
    before = {path: leaf.value for path, leaf in leaves(old).items()}
    after = {path: leaf.value for path, leaf in leaves(new).items()}
    return [path for path in {**before, **after} if (path in before) != (path in after) or before[path] != after[path]]


def to_json(node: Node) -> Json:
    """Return a node with its timestamps, for `from_json`."""
    if isinstance(node, Leaf):
        return {"value": node.value, "timestamp_ms": node.timestamp_ms}
    return {"children": {key: to_json(child) for key, child in node.children.items()}}


def from_json(value: Json) -> Node:
    """Read what `to_json` wrote, or raise ValueError."""
    if isinstance(value, dict) and isinstance(children := value.get("children"), dict):
        return Branch({key: from_json(child) for key, child in children.items()})
    if isinstance(value, dict) and isinstance(timestamp := value.get("timestamp_ms"), int):
        return Leaf(value.get("value"), timestamp)
    raise ValueError(f"no part of a stored configuration: {json.dumps(value)[:80]}")


def _branch(tree: Branch, path: KeyPath, profile: Profile) -> Branch:
    branch = tree
    for key in path:
        child = branch.children.get(key)
        if not isinstance(child, Branch):
            if child is not None and not profile.kind_may_change:
                raise IpcError(SERVICE_ERROR, f"{key} is a value and cannot become a map")
            child = branch.children[key] = Branch()
        branch = child
    return branch


def _write_leaf(tree: Branch, path: KeyPath, leaf: Leaf, profile: Profile) -> bool:
    if not path:
        raise IpcError(SERVICE_ERROR, "the whole configuration cannot be a value")
    if length := too_long(leaf.value, profile):
        told = f"{'/'.join(path)} has {length} bytes, {profile.leaf_bytes_max} fit into one key"
        raise IpcError(SERVICE_ERROR, told)
    branch = _branch(tree, path[:-1], profile)
    present = branch.children.get(path[-1])
    if isinstance(present, Branch) and not profile.kind_may_change:
        raise IpcError(SERVICE_ERROR, f"{path[-1]} is a map and cannot become a value")
    if isinstance(present, Leaf) and present.timestamp_ms > leaf.timestamp_ms:
        return False
    branch.children[path[-1]] = leaf
    return not isinstance(present, Leaf) or present.value != leaf.value

"""What becomes of the edits made at the site when the shadows' desired states are looked at.

An edit stays as long as the desired state is what it was made on. If somebody has changed that meanwhile, the cloud
wins: for a camera's document as a whole, for the site's document leaf by leaf. What is lost is told.

Invariants: what is left is a valid document; a desired state that is not valid wins against nothing; what we sent
ourselves is never a conflict; an edit that has arrived is no edit any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from components.shared.wire.json_patch import merge_changes, same
from components.shared.wire.site_config import SITE, camera_of_shadow
from components.site_config.core.documents import ANY, Desired, Edit, Raw, is_valid


@dataclass(frozen=True, slots=True)
class Lost:
    """An edit, or a part of one, that gave way to a change in the cloud."""

    document: str
    ids: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Rebased:
    """The edits that are left, each made on the desired state as it is now, and what was lost."""

    edits: Mapping[str, Edit]
    lost: tuple[Lost, ...]


def rebase(edits: Mapping[str, Edit], desired: Mapping[str, Desired]) -> Rebased:
    """The edits against what the cloud wants now; one whose shadow was not fetched yet stays as it is."""
    left: dict[str, Edit] = {}
    lost: list[Lost] = []
    for name, edit in edits.items():
        found = desired.get(name)
        reason = _change_of_hash(name, edits.get(SITE), desired.get(SITE))
        if reason is not None:
            lost.append(Lost(name, edit.ids, reason))
        elif name == SITE or found is None:
            left[name] = edit
        elif _is_ours(edit, found) or found.raw is None or not is_valid(name, found.raw):
            if not _has_arrived(edit, found):
                left[name] = replace(edit, base=found.raw)
        else:
            reason = f"the cloud has changed {name} to version {found.version} since the edit was made"
            lost.append(Lost(name, edit.ids, reason))
    if SITE in left:
        site = _without_hashes(left.pop(SITE), [item.document for item in lost])
        rebased, reason_lost = _rebase_site(site, desired.get(SITE))
        if rebased is not None:
            left[SITE] = rebased
        if reason_lost is not None:
            lost.append(Lost(SITE, site.ids, reason_lost))
    return Rebased(left, tuple(lost))


def _change_of_hash(name: str, site: Edit | None, found: Desired | None) -> str | None:
    """Why an edit of a camera cannot stay: the cloud's site names another document for it now, or none."""
    camera = camera_of_shadow(name)
    if camera is None or site is None or found is None or found.raw is None or not is_valid(SITE, found.raw):
        return None
    before, here, there = (_hash_of(raw, camera) for raw in (site.base, site.local, found.raw))
    if here == before or there in (before, here, ANY):
        return None
    change = "named another document for" if there else "removed"
    return f"the cloud has {change} {name} in version {found.version} of the site since the edit was made"


def _hash_of(site: Raw | None, camera: str) -> str | None:
    found: str | None = (site or {}).get("cameras", {}).get(camera)
    return found


def _is_ours(edit: Edit, found: Desired) -> bool:
    """Whether nobody else has changed the desired state since the edit was made."""
    return same(found.raw, edit.base) or same(found.raw, edit.local) or found.sha256 in edit.sent


def _has_arrived(edit: Edit, found: Desired) -> bool:
    """Whether the shadow holds the edit and nothing else that was sent may still arrive and replace it."""
    return same(found.raw, edit.local) and set(edit.sent) <= {found.sha256}


def _without_hashes(site: Edit, documents: list[str]) -> Edit:
    """The site's edit without the hashes of cameras whose own edit is lost: they would name what nobody has."""
    cameras: dict[str, Any] = dict(site.local.get("cameras", {}))
    before: Mapping[str, Any] = (site.base or {}).get("cameras", {})
    for document in documents:
        camera = camera_of_shadow(document) or ""
        if camera in before:
            cameras[camera] = before[camera]
        else:
            cameras.pop(camera, None)
    if same(cameras, site.local.get("cameras", {})):
        return site
    return replace(site, local={**site.local, "cameras": cameras})


def _rebase_site(edit: Edit, found: Desired | None) -> tuple[Edit | None, str | None]:
    if found is None:
        return edit, None
    if found.raw is None:
        return replace(edit, base=None), None
    if _is_ours(edit, found):
        return (None if _has_arrived(edit, found) else replace(edit, base=found.raw)), None
    merged = merge_changes(edit.base or {}, edit.local, found.raw)
    if not is_valid(SITE, merged.result):
        if not is_valid(SITE, found.raw):
            return replace(edit, base=found.raw), None
        return None, f"the edit does not fit the cloud's version {found.version} of the site"
    reason = None
    if merged.lost:
        reason = f"the cloud has changed {', '.join(merged.lost)} in version {found.version} since the edit was made"
    if same(merged.result, found.raw) and not edit.sent:
        return None, reason
    version = edit.version if same(merged.result, edit.local) else max(edit.version, found.shadow_version) + 1
    return replace(edit, base=found.raw, local=merged.result, version=version), reason

"""What an edit made at the site changes: the document itself and, for a camera, its hash in the site's document.

An edit is a JSON merge patch of the document as it is in force (a whole document when there is none). It is Rejected
as a whole or accepted as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from components.shared.errors import Rejected
from components.shared.wire.json_patch import apply_patch, same
from components.shared.wire.schema_steps import OLDEST_SCHEMA, with_schema_of_members
from components.shared.wire.site_config import SITE, camera_of_shadow, document_sha256
from components.site_config.core.documents import ANY, Edit, Held, Picture, Raw, parse

EDIT_IDS_MAX = 16
"""So many proposals are remembered by id in one unsent edit; the changes of all of them are in it."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change that somebody at the site wants. `base_version` is what the proposer saw, None for whatever is there."""

    id: str
    document: str
    changes: Mapping[str, Any]
    base_version: int | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The edits with the proposal in them, and the version of the document it changed."""

    edits: Mapping[str, Edit]
    version: int


def propose(picture: Picture, proposal: Proposal) -> Accepted:
    """The edits after the proposal; Rejected with the reason when it cannot be put in force."""
    name = proposal.document
    before = _current(picture, name)
    if proposal.base_version is not None and proposal.base_version != (before.version if before else 0):
        raise Rejected(
            f"document {name}: it is at version {before.version if before else 0} now, "
            f"the edit was made on version {proposal.base_version}"
        )
    after = apply_patch(before.raw if before else {}, proposal.changes)
    after = with_schema_of_members("site" if name == SITE else "camera", after)
    parse(name, after)
    edits = dict(picture.edits)
    if before is not None and same(before.raw, after):
        if name in edits:  # asked for again before it was sent: if it is lost, both are told
            edits[name] = _with_id(edits[name], proposal.id)
        return Accepted(edits, before.version)
    edits[name] = _edited(picture, name, after, proposal.id)
    camera = camera_of_shadow(name)
    if camera is not None:
        site = _with_hash(_current(picture, SITE), camera, document_sha256(after))
        if site is not None:
            parse(SITE, site)
            edits[SITE] = _edited(picture, SITE, site, proposal.id)
    else:
        kept = after.get("cameras", {})
        edits = {key: edit for key, edit in edits.items() if key == SITE or camera_of_shadow(key) in kept}
    return Accepted(edits, edits[name].version)


def _current(picture: Picture, name: str) -> Held | None:
    """The document as the site has it: with its edits."""
    edit = picture.edits.get(name)
    return Held(edit.local, edit.version, edit.sha256) if edit else picture.in_force.get(name)


def _edited(picture: Picture, name: str, after: Raw, proposal_id: str) -> Edit:
    edit = picture.edits.get(name)
    held = picture.in_force.get(name)
    desired = picture.desired.get(name)
    versions = [known for known in (edit and edit.version, held and held.version) if known]
    version = max([*versions, desired.shadow_version if desired else 0]) + 1
    if edit is None:
        # Made on what the cloud is known to want: an edit may replace a document that was refused or is pending.
        base = desired.raw if desired else held.raw if held else None
        return Edit(base, after, version, (proposal_id,))
    return _with_id(replace(edit, local=after, version=version), proposal_id)


def _with_id(edit: Edit, proposal_id: str) -> Edit:
    return replace(edit, ids=(*edit.ids, proposal_id)[-EDIT_IDS_MAX:])


def _with_hash(site: Held | None, camera: str, sha256: str) -> Raw | None:
    """The site's document that names the camera's new one; None when it does so already."""
    raw: dict[str, Any] = dict(site.raw) if site else {"schema": OLDEST_SCHEMA}
    cameras: dict[str, str] = dict(raw.get("cameras", {}))
    if cameras.get(camera) in (ANY, sha256):
        return None
    return {**raw, "cameras": {**cameras, camera: sha256}}

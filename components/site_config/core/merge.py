"""What to put in force, what to send and how every document stands: decided on everything that is known.

A document is put in force when it is valid and, for a camera, when the site names it and its hash (or `any`).
Otherwise the last good one stays and the reason is told: `refused` for a document that is not valid, `pending` for one
that does not match the site or is not there. A document that was not fetched yet is left as it is.

Invariants: cameras' documents come before the site's, in what is put and in what is sent; nothing is ever replaced by
nothing; an edit made at the site counts as what the cloud wants until it has arrived there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from components.shared.errors import Rejected
from components.shared.wire.json_patch import Json, make_patch
from components.shared.wire.site_config import SITE, SiteDocument, camera_of_shadow, camera_shadow, parse_site
from components.site_config.core.documents import ANY, Desired, DocumentState, Edit, Held, Picture, Raw, parse
from components.site_config.core.rebase import Lost, rebase

_HASH_SHOWN = 12
"""Enough of a hash to tell two apart."""


@dataclass(frozen=True, slots=True)
class Push:
    """A change of a shadow's desired state, made on its version; 0 when there is no shadow yet."""

    document: str
    patch: Json
    version: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, in this order: keep `edits`, write `put` in turn, remove `remove`, send `push` in turn."""

    edits: Mapping[str, Edit]
    lost: tuple[Lost, ...]
    put: tuple[tuple[str, Held], ...]
    remove: tuple[str, ...]
    push: tuple[Push, ...]
    states: Mapping[str, DocumentState]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A document that wants to be in force; `raw` is None when the shadow holds none."""

    raw: Raw | None
    version: int
    sha256: str


def decide(picture: Picture) -> Decision:
    """Everything that follows from the picture; deciding again after doing it gives nothing to do."""
    rebased = rebase(picture.edits, picture.desired)
    edits = dict(rebased.edits)
    lost = list(rebased.lost)
    put: list[tuple[str, Held]] = []
    states: dict[str, DocumentState] = {}

    site_held = picture.in_force.get(SITE)
    wanted = _wanted(SITE, picture.desired, edits)
    if wanted is not None and (wanted.raw is not None or site_held is not None):
        states[SITE] = _judge(SITE, wanted, site_held, None)
        if _is_new(states[SITE], site_held):
            site_held = _held(wanted)
            put.append((SITE, site_held))
    if site_held is None:
        return Decision(edits, tuple(lost), (), (), _pushes(edits, picture.desired), states)

    cameras = parse_site(site_held.raw).document.cameras
    for name in [name for name in edits if name != SITE and camera_of_shadow(name) not in cameras]:
        edit = edits.pop(name)
        lost.append(Lost(name, edit.ids, f"the site does not name {name} any more"))
    for camera, named in sorted(cameras.items(), reverse=True):
        name = camera_shadow(camera)
        wanted = _wanted(name, picture.desired, edits)
        held = picture.in_force.get(name)
        if wanted is None:
            continue
        states[name] = _judge(name, wanted, held, named)
        if _is_new(states[name], held):
            put.insert(0, (name, _held(wanted)))
    gone = [name for name in picture.in_force if name != SITE and camera_of_shadow(name) not in cameras]
    return Decision(edits, tuple(lost), tuple(put), tuple(sorted(gone)), _pushes(edits, picture.desired), states)


def effective_site(picture: Picture) -> SiteDocument | None:
    """The site's document that is in force once the decision is done: it says which cameras there are."""
    edits = rebase(picture.edits, picture.desired).edits
    for candidate in (_wanted(SITE, picture.desired, edits), picture.in_force.get(SITE)):
        if candidate is not None and candidate.raw is not None:
            try:
                return parse_site(candidate.raw).document
            except Rejected:
                continue
    return None


def secret_names(picture: Picture) -> tuple[str, ...]:
    """The secrets that the documents in force, or wanting to be, refer to."""
    raws = [held.raw for held in picture.in_force.values()]
    raws += [desired.raw for desired in picture.desired.values() if desired.raw is not None]
    return tuple(sorted({secret for raw in raws if (secret := secret_of(raw)) is not None}))


def secret_of(raw: Mapping[str, object]) -> str | None:
    """The secret that a document refers to, if it does; the document need not be valid."""
    source = raw.get("source")
    secret = source.get("secret") if isinstance(source, Mapping) else None
    return secret if isinstance(secret, str) else None


def _wanted(name: str, desired: Mapping[str, Desired], edits: Mapping[str, Edit]) -> _Wanted | None:
    edit = edits.get(name)
    if edit is not None:
        return _Wanted(edit.local, edit.version, edit.sha256)
    found = desired.get(name)
    return None if found is None else _Wanted(found.raw, found.version, found.sha256)


def _held(wanted: _Wanted) -> Held:
    assert wanted.raw is not None
    return Held(wanted.raw, wanted.version, wanted.sha256)


def _is_new(state: DocumentState, held: Held | None) -> bool:
    return state.state == "in_force" and (held is None or held.sha256 != state.sha256)


def _judge(name: str, wanted: _Wanted, held: Held | None, named: str | None) -> DocumentState:
    """How the wanted document stands; `named` is the hash that the site names, None for the site itself."""
    in_force_version = held.version if held else None
    in_force_sha256 = held.sha256 if held else None

    def but(state: str, error: str) -> DocumentState:
        return DocumentState(
            "refused" if state == "refused" else "pending",
            wanted.version,
            wanted.sha256,
            error,
            (),
            in_force_version,
            in_force_sha256,
        )

    if wanted.raw is None:
        stays = "; the last good one stays in force" if held else ""
        return but("pending", f"document {name}: its shadow holds no desired state{stays}")
    try:
        parsed = parse(name, wanted.raw)
    except Rejected as error:
        return but("refused", str(error))
    if named not in (None, ANY, wanted.sha256):
        return but(
            "pending",
            f"document {name}: the site names hash {named[:_HASH_SHOWN]}..., the camera's shadow holds "
            f"{wanted.sha256[:_HASH_SHOWN]}...: write the camera's document, then its hash into the site",
        )
    version = held.version if held and held.sha256 == wanted.sha256 else wanted.version
    return DocumentState("in_force", version, wanted.sha256, None, parsed.ignored)


def _pushes(edits: Mapping[str, Edit], desired: Mapping[str, Desired]) -> tuple[Push, ...]:
    """What to send of the edits whose shadow is known; the site's waits until all cameras' are known."""
    names = sorted(name for name in edits if name != SITE)
    if SITE in edits and all(name in desired for name in names):
        names.append(SITE)
    found = []
    for name in names:
        shadow = desired.get(name)
        if shadow is not None:
            patch = make_patch(shadow.raw or {}, edits[name].local)
            found.append(Push(name, patch, shadow.shadow_version, edits[name].sha256))
    return tuple(found)

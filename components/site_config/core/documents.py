"""What is known of a document: what the cloud wants, what is in force, what was changed at the site, how it stands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from components.shared.errors import Rejected
from components.shared.wire.messages import ConfigState
from components.shared.wire.site_config import (
    SITE,
    CameraDocument,
    Parsed,
    SiteDocument,
    camera_of_shadow,
    document_sha256,
    parse_camera,
    parse_site,
)

Raw = Mapping[str, Any]

ANY = "any"
"""Stands in the site's document for a camera's hash: whatever the camera's shadow holds."""

_CAMERA_ID = re.compile(r"[a-z0-9-]{1,32}")
"""The rule of the site's document: a document's name becomes a file's name."""


@dataclass(frozen=True, slots=True)
class Desired:
    """The desired state of a shadow as it was last fetched; `raw` is None when there is none.

    `version` is the shadow's when this content was first seen, `shadow_version` its newest (0: there is no shadow).
    """

    raw: Raw | None
    version: int = 0
    shadow_version: int = 0
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """A document in force."""

    raw: Raw
    version: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Edit:
    """What was changed at the site and is not in the shadow yet: the document as it was in force before, and after.

    `base` is None when there was none. `sent` are the hashes of what was sent to the shadow without knowing whether it
    arrived: a desired state with one of them is ours, not somebody else's change.
    """

    base: Raw | None
    local: Raw
    version: int
    ids: tuple[str, ...] = ()
    sent: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """The hash of the document with the edit."""
        return document_sha256(self.local)


@dataclass(frozen=True, slots=True)
class DocumentState:
    """How a document stands. `version` and `sha256` are those of the document that the state is about."""

    state: ConfigState
    version: int
    sha256: str
    error: str | None = None
    ignored: tuple[str, ...] = ()
    in_force_version: int | None = None
    in_force_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that is known; a document that was not fetched yet is not in `desired`."""

    desired: Mapping[str, Desired] = field(default_factory=dict)
    in_force: Mapping[str, Held] = field(default_factory=dict)
    edits: Mapping[str, Edit] = field(default_factory=dict)


def parse(name: str, raw: object) -> Parsed[SiteDocument] | Parsed[CameraDocument]:
    """The document of that name; Rejected with all its faults, or when there is no document of that name."""
    camera = camera_of_shadow(name)
    if name == SITE:
        return parse_site(raw)
    if camera is not None and _CAMERA_ID.fullmatch(camera):
        return parse_camera(camera, raw)
    raise Rejected(f"document {name!r} is neither `site` nor `camera-ID` with an ID of 1 to 32 of a-z, 0-9 and -")


def is_valid(name: str, raw: object) -> bool:
    """Whether it could be put in force."""
    try:
        parse(name, raw)
    except Rejected:
        return False
    return True

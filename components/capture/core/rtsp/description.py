"""A camera's session description (SDP): which streams it offers, how they are packed, and where each is controlled.

Sources: RFC 8866 (SDP), RFC 2326 C.1 (control URLs), RFC 6184 8.2.1 (H.264), RFC 7798 7.1 (H.265), RFC 3640 4.1 (AAC).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass

from components.shared.errors import Rejected

_RTPMAP = re.compile(r"(\d{1,3})\s+([A-Za-z0-9._-]+)/(\d{1,9})(?:/(\d{1,2}))?")
_STATIC = {0: ("pcmu", 8000), 8: ("pcma", 8000), 26: ("jpeg", 90_000)}
"""Payload types that need no rtpmap (RFC 3551, 6)."""

_START_CODE = b"\x00\x00\x00\x01"
_CLOCK_HZ = 90_000
MEDIA_MAX = 16
"""Streams of one description: a camera has two or three."""


@dataclass(frozen=True, slots=True)
class Media:
    """One stream: `kind` video, audio or another; `encoding` in lower case; `format` the fields of its fmtp line."""

    kind: str
    payload_type: int
    encoding: str
    clock_hz: int
    channels: int
    format: Mapping[str, str]
    control: str


@dataclass(frozen=True, slots=True)
class Description:
    """A session: its streams, and the URL that controls all of them."""

    media: tuple[Media, ...]
    control: str


def parse_description(text: bytes, base_url: str) -> Description:
    """What an SDP says, its control URLs made whole with `base_url`; Rejected when it is none."""
    lines = [line.strip() for line in text.decode("utf-8", errors="replace").splitlines()]
    if not any(line.startswith("v=") for line in lines) or not any(line.startswith("m=") for line in lines):
        raise Rejected("what it describes itself with is no session description (SDP)")
    sections: list[list[str]] = [[]]
    for line in lines:
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line)
    control = _control(sections[0], base_url) or base_url
    found = [_media(section, base_url) for section in sections[1 : 1 + MEDIA_MAX]]
    return Description(tuple(media for media in found if media is not None), control)


def parameter_sets(media: Media) -> bytes:
    """The parameter sets that the description of a video stream tells, with start codes; those that are garbled are
    left out.
    """
    names = ("sprop-parameter-sets",) if media.encoding == "h264" else ("sprop-vps", "sprop-sps", "sprop-pps")
    units = []
    for name in names:
        for part in media.format.get(name, "").split(","):
            try:
                unit = base64.b64decode(part, validate=True)
            except (binascii.Error, ValueError):
                continue
            if unit:
                units.append(_START_CODE + unit)
    return b"".join(units)


def audio_config(media: Media) -> bytes:
    """The AudioSpecificConfig of an AAC stream; empty when the description does not tell a whole one."""
    try:
        return bytes.fromhex(media.format.get("config", ""))
    except ValueError:
        return b""


def _media(lines: list[str], base_url: str) -> Media | None:
    fields = lines[0].removeprefix("m=").split()
    if len(fields) < 4 or not fields[3].isdecimal():
        return None
    kind, payload_type = fields[0].lower(), int(fields[3])
    encoding, clock_hz = _STATIC.get(payload_type, ("", 0))
    channels = 1
    formats: dict[str, str] = {}
    for line in lines[1:]:
        name, _, value = line.removeprefix("a=").partition(":")
        if name == "rtpmap" and (found := _RTPMAP.match(value)) and int(found[1]) == payload_type:
            encoding, clock_hz, channels = found[2].lower(), int(found[3]), int(found[4] or 1)
        elif name == "fmtp":
            number, _, text = value.strip().partition(" ")
            if number == str(payload_type):
                formats |= _format(text)
    control = _control(lines, base_url) or base_url
    return Media(kind, payload_type, encoding or "unknown", clock_hz or _CLOCK_HZ, channels, formats, control)


def _format(text: str) -> dict[str, str]:
    fields = (field.strip().partition("=") for field in text.split(";"))
    return {name.strip().lower(): value.strip() for name, equals, value in fields if equals}


def _control(lines: list[str], base_url: str) -> str | None:
    for line in lines:
        if line.startswith("a=control:"):
            control = line.removeprefix("a=control:").strip()
            if control in ("*", ""):
                return base_url
            if "://" in control:
                return control
            # Put behind the base, as deployed clients do: many cameras leave out the slash at the end of theirs.
            return f"{base_url.rstrip('/')}/{control.lstrip('/')}"
    return None

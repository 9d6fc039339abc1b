"""The trailer of a segment file: a `uuid` box of ours after the last fragment, from which its row can be made again.

Players skip a `uuid` box they do not know. Its content is JSON, so that fields can be added for ever; a reader
ignores those it does not know. Bytes that are none are Rejected.
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass
from typing import Any

from components.shared.errors import Rejected
from components.shared.wire.object_keys import StreamName, check_id
from components.shared.wire.units import TimeBase, WallNs

TRAILER_BYTES_MAX = 4_096
"""A trailer has about 400 bytes; a longer `uuid` box is somebody else's."""

_UUID = bytes.fromhex("8d0d1e3ce5a94d0f9c1b6e64676e7672")
"""Of our own making (the last bytes spell `dgnvr`); it never changes, because old files never do."""

_HEAD = struct.Struct(">I4s16s")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Trailer:
    """What a segment says of itself.

    The video frame with the decode time `start_ticks` (of `time_base`) happened at `start_ns`: that ties the media
    time of its run to the wall. `sha256` is of the `offset_bytes` before the trailer.
    """

    camera: str
    stream: StreamName
    run: str
    start_ns: WallNs
    end_ns: WallNs
    start_ticks: int
    time_base: TimeBase
    frames: int
    offset_bytes: int
    sha256: str


def encode_trailer(trailer: Trailer) -> bytes:
    """The trailer as a box."""
    base = trailer.time_base
    fields = {
        "v": 1,
        "camera": trailer.camera,
        "stream": trailer.stream,
        "run": trailer.run,
        "start_ns": trailer.start_ns,
        "end_ns": trailer.end_ns,
        "start_ticks": trailer.start_ticks,
        "time_base": [base.numerator, base.denominator],
        "frames": trailer.frames,
        "offset_bytes": trailer.offset_bytes,
        "sha256": trailer.sha256,
    }
    body = json.dumps(fields, separators=(",", ":")).encode()
    size_bytes = _HEAD.size + len(body)
    if size_bytes > TRAILER_BYTES_MAX:
        raise Rejected(f"camera {trailer.camera}: a trailer of {size_bytes} bytes, the limit is {TRAILER_BYTES_MAX}")
    return _HEAD.pack(size_bytes, b"uuid", _UUID) + body


def is_trailer(box: bytes) -> bool:
    """Whether a box is a trailer of ours, by its name alone."""
    return box[4:8] == b"uuid" and box[8:24] == _UUID


def decode_trailer(box: bytes) -> Trailer:
    """The trailer in a whole box; anything else is Rejected."""
    if not is_trailer(box) or len(box) > TRAILER_BYTES_MAX or int.from_bytes(box[:4], "big") != len(box):
        raise Rejected("trailer: it is no box of ours")
    try:
        fields = json.loads(box[_HEAD.size :])
    except (ValueError, RecursionError) as error:
        raise Rejected(f"trailer: it is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise Rejected("trailer: it is not a JSON object")
    stream = _field(fields, "stream", str)
    if stream not in {"main", "sub"}:
        raise Rejected(f"trailer: {stream!r} is no stream")
    sha256 = _field(fields, "sha256", str)
    if not _SHA256.fullmatch(sha256):
        raise Rejected("trailer: its hash is not SHA-256 in hex")
    base = _field(fields, "time_base", list)
    if len(base) != 2 or any(type(part) is not int for part in base):
        raise Rejected(f"trailer: its time base {base!r} is not two numbers")
    return Trailer(
        camera=check_id(_field(fields, "camera", str), "camera id"),
        stream=stream,
        run=_field(fields, "run", str),
        start_ns=WallNs(_field(fields, "start_ns", int)),
        end_ns=WallNs(_field(fields, "end_ns", int)),
        start_ticks=_field(fields, "start_ticks", int),
        time_base=TimeBase(base[0], base[1]),
        frames=_field(fields, "frames", int),
        offset_bytes=_field(fields, "offset_bytes", int),
        sha256=sha256,
    )


def _field(fields: dict[str, Any], name: str, kind: type[Any]) -> Any:
    value = fields.get(name)
    # Not isinstance: True is an int in Python.
    if type(value) is not kind:
        raise Rejected(f"trailer: {name} is {value!r}")
    return value

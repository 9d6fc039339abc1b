"""What is encoded once and streamed for ever: the descriptions of pictures and sounds, and the files they
are kept in.

A loop is named by a hash of everything that shapes it, the code that draws and encodes it included, so that
a changed scene never meets an old file. A file appears complete or not at all and carries the hash of its
content; one that does not match is as good as absent. It knows nothing of how a loop is encoded or sent.
"""

import dataclasses
import hashlib
import itertools
import json
import os
import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path

from local.cameras.spec import CameraSpec

_MAGIC = b"EDGELOOP"
_SHAPING_CODE = ("scene.py", "views.py", "pattern.py", "encoder.py", "loops.py")

AAC_CLOCK_HZ, AAC_SAMPLES = 16_000, 1_024
G711_CLOCK_HZ, G711_SAMPLES = 8_000, 160  # 20 ms, the packet time RFC 3551 recommends
SOUND_S = 8  # long enough that the seam is rare, short enough to cost nothing


@dataclass(frozen=True)
class Picture:
    """The parameters of an encoded picture.

    `still` repeats the first frame for one GOP, or for the whole loop where GOPs differ. `gops` are their lengths where
    they differ. `variant` is the same picture with another sequence ("sps") or picture ("pps") parameter set.
    `view` is what is wrong with the lens (see views).
    """

    codec: str
    width: int
    height: int
    fps: int
    gop_frames: int
    frames: int
    bitrate: int
    seed: int
    still: bool = False
    bframes: int = 0
    open_gop: bool = False
    gops: tuple[int, ...] = ()
    variant: str = ""
    view: str = ""

    @property
    def count(self) -> int:
        """How many frames are encoded."""
        return self.gop_frames if self.still and not self.gops else self.frames

    @property
    def keyframes(self) -> frozenset[int]:
        """The frames, in the order in which they are shown, that are keyframes."""
        gops = self.gops or (self.gop_frames,) * (self.count // self.gop_frames)
        return frozenset(itertools.accumulate(gops[:-1], initial=0))


@dataclass(frozen=True)
class Sound:
    """The parameters of an encoded sound: `aac`, `pcma`, `pcmu`, or `unknown` (G.726, which MP4 cannot carry)."""

    codec: str
    seed: int

    @property
    def clock_hz(self) -> int:
        """Ticks of the RTP clock per second, which are samples."""
        return AAC_CLOCK_HZ if self.codec == "aac" else G711_CLOCK_HZ

    @property
    def samples(self) -> int:
        """Samples in one packet."""
        return AAC_SAMPLES if self.codec == "aac" else G711_SAMPLES


@dataclass(frozen=True)
class Encoded:
    """An encoded loop: the parts (NAL units, or one block of sound) of each unit, and decoder settings.

    `shown` says of each unit which picture of the loop it is; empty when they are shown in the order of the units.
    """

    units: tuple[tuple[bytes, ...], ...]
    config: bytes = b""
    shown: tuple[int, ...] = ()


class UnreadableLoopError(Exception):
    """The file is no complete loop."""


def picture_of(spec: CameraSpec) -> Picture:
    """The picture a camera streams."""
    return Picture(
        spec.codec,
        spec.width,
        spec.height,
        spec.fps,
        spec.gop_frames,
        spec.loop_frames,
        spec.bitrate,
        spec.seed,
        bframes=spec.bframes,
        open_gop=spec.open_gop,
        gops=spec.gops if len(set(spec.gops)) > 1 else (),
    )


def sound_of(spec: CameraSpec) -> Sound | None:
    """The sound a camera streams, if any."""
    return None if spec.audio == "none" else Sound(spec.audio, spec.seed)


def to_json(loop: Picture | Sound) -> str:
    """The loop's parameters as one line of JSON, always in the same order."""
    return json.dumps({"kind": type(loop).__name__.lower(), **dataclasses.asdict(loop)}, sort_keys=True)


def from_json(text: str) -> Picture | Sound:
    """The parameters that `to_json` wrote."""
    fields = json.loads(text)
    kind = fields.pop("kind")
    if kind == "picture":
        return Picture(**{**fields, "gops": tuple(fields["gops"])})
    return Sound(**fields)


def loop_path(cache: Path, loop: Picture | Sound) -> Path:
    """The file of a loop in the cache folder."""
    here = Path(__file__).parent
    digest = hashlib.sha256(to_json(loop).encode())
    for name in _SHAPING_CODE:
        digest.update((here / name).read_bytes())
    return cache / f"{digest.hexdigest()[:32]}.loop"


def write_loop(path: Path, encoded: Encoded) -> None:
    """Write the loop so that it appears complete or not at all."""
    body = b"".join(part for unit in encoded.units for part in unit)
    header = json.dumps(
        {
            "sha256": hashlib.sha256(body).hexdigest(),
            "config": encoded.config.hex(),
            "shown": encoded.shown,
            "units": [[len(part) for part in unit] for unit in encoded.units],
        }
    ).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
        file.write(_MAGIC + struct.pack("!I", len(header)) + header + body)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_loop(path: Path) -> Encoded:
    """Read a loop back; raises UnreadableLoopError when it is absent, cut or changed."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableLoopError(f"{path}: {error.strerror}") from error
    try:
        if data[:8] != _MAGIC:
            raise UnreadableLoopError(f"{path}: not a loop")
        (header_bytes,) = struct.unpack_from("!I", data, 8)
        header = json.loads(data[12 : 12 + header_bytes])
        body = memoryview(data)[12 + header_bytes :]
        if hashlib.sha256(body).hexdigest() != header["sha256"]:
            raise UnreadableLoopError(f"{path}: its content does not match its hash")
    except (ValueError, KeyError, struct.error) as error:
        raise UnreadableLoopError(f"{path}: its header is damaged") from error
    place = 0
    units = []
    for sizes in header["units"]:
        parts = []
        for size in sizes:
            parts.append(bytes(body[place : place + size]))
            place += size
        units.append(tuple(parts))
    return Encoded(tuple(units), bytes.fromhex(header["config"]), tuple(header["shown"]))

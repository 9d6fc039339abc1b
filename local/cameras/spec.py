"""What a stand-in camera is: its picture, its sound, its account and its habits, read from a JSON list.

It checks every field of every camera and reports all faults together. It does not know how a picture is
encoded or sent. Passwords come from a file that only its owner can read, never from an argument list.
"""

import dataclasses
import json
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

CODECS = ("h264", "h265")
AUDIO = ("none", "aac", "pcma", "pcmu", "unknown")
AUTH = ("digest", "digest-2069")
TRANSPORTS = ("both", "tcp", "udp")
SETS_IN = ("both", "stream", "description")
TIMESTAMPS = ("true", "zero", "backwards")
REDIRECTS = ("", "path", "port")

WIDTH_MIN = 256  # the burnt-in pattern needs 64 blocks of 4 pixels
HEIGHT_MIN = 64  # below that there is no room for a scene under the pattern
SIDE_MAX = 4096  # H.264 level 5.2 ends there
FPS_MAX = 60
BFRAMES_MAX = 3
LOOP_FRAMES_MAX = 4096  # a loop is held in memory whole; the pattern itself could count to 65535
ID = re.compile(r"[a-z0-9-]{1,32}")


class InvalidSpecError(Exception):
    """The list of cameras cannot be served; the message names every fault in it."""


@dataclass(frozen=True)
class CameraSpec:
    """One camera. Two cameras with equal picture fields share one encoded loop."""

    id: str
    codec: str = "h264"
    width: int = 1280
    height: int = 720
    fps: int = 15
    gop_s: float = 2.0
    bitrate: int = 1_000_000  # bits per second, of the picture
    audio: str = "none"
    seed: int = 1
    loop_s: float = 20.0
    user: str = ""  # empty: no authentication
    password: str = field(default="", repr=False)
    auth: str = "digest"  # "digest-2069" offers no qop, as old firmware does
    session_timeout_s: int = 60
    one_write_per_frame: bool = False  # default: one write per RTP packet, as a real camera does
    clock_offset_s: float = 0.0  # how far the camera's own clock (RTCP sender reports) is from ours
    first_report_s: float = 0.0  # after how long the first RTCP sender report comes
    bframes: int = 0  # pictures that are sent after one that is shown later
    open_gop: bool = False  # keyframes that the B-frames sent after them do not rest on alone
    gop_s_max: float = 0.0  # above gop_s: an encoder that saves space, keyframe distances vary from gop_s to this
    sets_in: str = "both"  # where the parameter sets are told: session description, stream before keyframes, both
    sound_only: bool = False  # no picture is offered
    claimed_fps: int = 0  # the timestamps run as if the picture had this rate; 0: they tell the truth
    timestamps: str = "true"  # of the picture: "zero" for ever, or running "backwards"
    wraps_after_s: float = 0.0  # after PLAY, until timestamps wrap around; sequence numbers do soon. 0: random
    transports: str = "both"  # what a client may choose from
    nonce_s: float = 0.0  # how long a nonce may be used, then it is stale; 0: for ever
    redirects: str = ""  # DESCRIBE is answered with 302: to another "path", or the same on another "port"

    @property
    def gop_frames(self) -> int:
        """The number of frames from one keyframe to the next; the least number where it varies."""
        return max(1, round(self.gop_s * self.fps))

    @property
    def gops(self) -> tuple[int, ...]:
        """The number of frames of each GOP of a loop, in the order in which they are shown."""
        least, most = self.gop_frames, round(self.gop_s_max * self.fps)
        if most <= least:
            return (least,) * max(1, round(self.loop_s * self.fps / least))
        cycle = (least, most, (least + most) // 2, least, (least + 3 * most) // 4)
        found: list[int] = []
        while sum(found) < self.loop_s * self.fps:
            found.append(cycle[len(found) % len(cycle)])
        return tuple(found)

    @property
    def loop_frames(self) -> int:
        """The number of frames of a loop: whole GOPs, so that the seam is a keyframe."""
        return sum(self.gops)


def faults_of(spec: CameraSpec) -> list[str]:
    """Every reason why this camera cannot be served; none when it can."""
    rules = {
        f"id {spec.id!r} is not 1 to 32 of a-z, 0-9 and '-'": ID.fullmatch(spec.id) is not None,
        f"codec {spec.codec!r} is not one of {', '.join(CODECS)}": spec.codec in CODECS,
        f"audio {spec.audio!r} is not one of {', '.join(AUDIO)}": spec.audio in AUDIO,
        f"auth {spec.auth!r} is not one of {', '.join(AUTH)}": spec.auth in AUTH,
        f"width {spec.width} is not an even number from {WIDTH_MIN} to {SIDE_MAX}": (
            WIDTH_MIN <= spec.width <= SIDE_MAX and spec.width % 2 == 0
        ),
        f"height {spec.height} is not an even number from {HEIGHT_MIN} to {SIDE_MAX}": (
            HEIGHT_MIN <= spec.height <= SIDE_MAX and spec.height % 2 == 0
        ),
        f"fps {spec.fps} is not from 1 to {FPS_MAX}": 1 <= spec.fps <= FPS_MAX,
        f"gop_s {spec.gop_s} is not above 0": spec.gop_s > 0,
        f"bitrate {spec.bitrate} is below 10000 bits per second": spec.bitrate >= 10_000,
        f"seed {spec.seed} is negative": spec.seed >= 0,
        f"loop_s {spec.loop_s} is not above 0": spec.loop_s > 0,
        f"session_timeout_s {spec.session_timeout_s} is below 1": spec.session_timeout_s >= 1,
        "a password without a user": bool(spec.user) or not spec.password,
        f"first_report_s {spec.first_report_s} is negative": spec.first_report_s >= 0,
        **_habits(spec),
    }
    faults = [text for text, holds in rules.items() if not holds]
    if not faults and spec.loop_frames > LOOP_FRAMES_MAX:
        faults.append(f"the loop has {spec.loop_frames} frames, more than {LOOP_FRAMES_MAX}")
    return [f"camera {spec.id!r}: {fault}" for fault in faults]


def _habits(spec: CameraSpec) -> dict[str, bool]:
    """What must hold of habits that most cameras do not have."""
    chosen = {"transports": TRANSPORTS, "sets_in": SETS_IN, "timestamps": TIMESTAMPS, "redirects": REDIRECTS}
    rules = {
        f"{name} {getattr(spec, name)!r} is not one of {', '.join(map(repr, values))}": getattr(spec, name) in values
        for name, values in chosen.items()
    }
    return {
        **rules,
        f"bframes {spec.bframes} is not from 0 to {BFRAMES_MAX}": 0 <= spec.bframes <= BFRAMES_MAX,
        "open_gop without bframes": spec.bframes > 0 or not spec.open_gop,
        "open_gop with keyframe distances that vary": not (spec.open_gop and spec.gop_s_max),
        f"gop_s_max {spec.gop_s_max} is not above gop_s": not spec.gop_s_max or spec.gop_s_max > spec.gop_s,
        "sound_only without audio": spec.audio != "none" or not spec.sound_only,
        f"claimed_fps {spec.claimed_fps} is not from 0 to {FPS_MAX}": 0 <= spec.claimed_fps <= FPS_MAX,
        f"wraps_after_s {spec.wraps_after_s} is negative": spec.wraps_after_s >= 0,
        f"nonce_s {spec.nonce_s} is negative": spec.nonce_s >= 0,
    }


def _typed(number: int, entry: object) -> tuple[CameraSpec | None, list[str]]:
    """The camera of one entry, or what is wrong with the entry's names and types."""
    where = f"camera number {number}"
    if not isinstance(entry, dict):
        return None, [f"{where}: not an object"]
    kinds = {entry_field.name: entry_field.type for entry_field in dataclasses.fields(CameraSpec)}
    faults = [f"{where}: unknown key {key!r}" for key in entry if key not in kinds]
    if not isinstance(entry.get("id"), str):
        faults.append(f"{where}: no id")
    values: dict[str, object] = {}
    for key, value in entry.items():
        kind = kinds.get(key)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)  # noqa: PLW2901  # JSON writes 2.0 as 2
        if isinstance(kind, type) and type(value) is not kind:
            faults.append(f"{where}: {key} is {value!r}, not of type {kind.__name__}")
        values[key] = value
    return (None, faults) if faults else (CameraSpec(**values), [])  # type: ignore[arg-type]


def parse_specs(text: str) -> list[CameraSpec]:
    """The cameras of a JSON list; raises InvalidSpecError with every fault found."""
    try:
        entries = json.loads(text)
    except ValueError as error:
        raise InvalidSpecError(f"the list of cameras is not JSON: {error}") from error
    if not isinstance(entries, list) or not entries:
        raise InvalidSpecError("the list of cameras is not a list with at least one camera")
    specs: list[CameraSpec] = []
    faults: list[str] = []
    for number, entry in enumerate(entries, start=1):
        spec, wrong = _typed(number, entry)
        faults += wrong
        if spec is not None:
            faults += faults_of(spec)
            if any(other.id == spec.id for other in specs):
                faults.append(f"camera {spec.id!r}: there are two of that id")
            specs.append(spec)
    if faults:
        raise InvalidSpecError("; ".join(faults))
    return specs


def read_private(path: Path) -> str:
    """The text of a file that nobody but its owner may read; raises InvalidSpecError when others may."""
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidSpecError(f"{path}: cannot be read: {error.strerror}") from error
    if stat.S_IMODE(mode) & 0o077:
        raise InvalidSpecError(f"{path}: others may read it (mode {stat.S_IMODE(mode):04o}): chmod 600 it")
    return text


def default_specs(count: int, user: str = "", password: str = "") -> list[CameraSpec]:
    """`count` cameras: odd ones H.264, even ones H.265; the first and the last of every four with AAC."""
    return [
        CameraSpec(
            id=f"cam-{number}",
            codec="h264" if number % 2 else "h265",
            audio="aac" if number % 4 in (0, 1) else "none",
            user=user,
            password=password,
        )
        for number in range(1, count + 1)
    ]


def to_json(specs: Sequence[CameraSpec]) -> str:
    """The JSON list that `parse_specs` reads back."""
    return json.dumps([dataclasses.asdict(spec) for spec in specs], indent=1)

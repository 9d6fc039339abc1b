"""Cameras that always behave as few do, and what comes of each.

Whatever the habit: every frame that was sent is in exactly one segment, and all counts agree. The fields of a row say
what else is expected, and the comment beside it why it is not more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from local.cameras import CameraSpec
from tests.integration.capture.conftest import small


@dataclass(frozen=True)
class Habit:
    """A camera and its outcome."""

    spec: CameraSpec
    transport: str = "tcp"
    segments: int = 4
    """Recorded until so many are closed."""
    sound: str = ""
    """The codec of the recorded sound; empty for none."""
    told: frozenset[str] = frozenset()
    """The names of the warnings in the log, which are all there are, but for `may_tell`."""
    may_tell: frozenset[str] = frozenset()
    has_true_times: bool = True
    """Whether a picture's wall time is that of its sending, to half a second and a picture."""
    leading_lost: bool = False
    """Whether pictures that are shown before a segment's first keyframe cannot be shown from that segment alone."""
    keyframe_bytes_min: int = 0
    """The camera's keyframes are as large: else the row would test nothing."""

    @property
    def id(self) -> str:
        """The camera's id, by which the row is named."""
        return self.spec.id


def _habit(name: str, codec: str = "h264", *, audio: str = "none", transport: str = "tcp", **fields: object) -> Habit:
    """A row: fields of the outcome by their names, all others are the camera's."""
    outcome = {key: fields.pop(key) for key in list(fields) if key in Habit.__dataclass_fields__}
    sound = "aac" if audio in ("aac", "pcma", "pcmu") else ""
    return Habit(small(name, codec, audio=audio, **fields), transport, sound=sound, **outcome)  # type: ignore[arg-type]


_SLOW: dict[str, Any] = {"gop_s": 2.0, "loop_s": 4.0}
_REPAIRED = frozenset({"times_repaired"})

PICTURES = (
    _habit("h265", "h265", audio="aac"),
    _habit("b-frames-h264", bframes=2),
    _habit("b-frames-h265", "h265", bframes=2),
    _habit("b-frames-sound", bframes=2, audio="aac"),
    # The pictures that refer to the segment before are kept, and shown when it is played before this one.
    _habit("open-gop-h264", bframes=2, open_gop=True, gop_s=0.8, leading_lost=True, may_tell=_REPAIRED),
    _habit("open-gop-h265", "h265", bframes=2, open_gop=True, gop_s=0.8, leading_lost=True, may_tell=_REPAIRED),
    _habit("gop-10-s", fps=5, gop_s=10.0, loop_s=10.0, segments=1),
    _habit("smart-gop", fps=5, gop_s=1.0, gop_s_max=8.0, loop_s=20.0, segments=3),
    _habit("1-fps", fps=1, **_SLOW),
    _habit("60-fps", "h265", fps=60),
    _habit("4k", width=3840, height=2160, fps=2, gop_s=1.0, bitrate=4_000_000),
    _habit("tiny-frames", width=256, height=64, bitrate=10_000),
    _habit("1-mb-keyframes", width=2048, height=1152, fps=1, bitrate=32_000_000, keyframe_bytes_min=1_000_000, **_SLOW),
    _habit("sets-in-stream-h264", sets_in="stream"),
    _habit("sets-in-stream-h265", "h265", sets_in="stream"),
    _habit("sets-in-description", sets_in="description"),
)

SOUNDS = (
    _habit("pcma", audio="pcma"),
    _habit("pcmu", audio="pcmu"),
    _habit("no-sound"),
)

TIMES = (
    _habit("wrap", audio="aac", wraps_after_s=3.0),
    # Nothing says how far pictures are apart: they are put where they arrived, at the latest after half a minute.
    _habit("zero-times", timestamps="zero", segments=0, told=_REPAIRED, has_true_times=False),
    _habit("backward-times", timestamps="backwards", told=_REPAIRED, has_true_times=False),
    _habit("lying-fps", fps=12, gop_s=0.5, claimed_fps=25, may_tell=_REPAIRED, has_true_times=False),
    _habit("no-rtcp", audio="aac", first_report_s=1e6),
    _habit("a-day-off", clock_offset_s=86_400.0),
)

SESSIONS = (
    _habit("keep-alive", session_timeout_s=4),
    _habit("stale-nonces", session_timeout_s=4, nonce_s=1.5),
    _habit("redirect-path", redirects="path"),
    _habit("redirect-port", redirects="port", audio="aac"),
)

DATAGRAMS = (
    _habit("udp-h264", transport="udp", audio="aac"),
    _habit("udp-h265", "h265", transport="udp", audio="pcma"),
    _habit("udp-sets-in-stream", transport="udp", sets_in="stream"),
    _habit("udp-b-frames", transport="udp", bframes=2),
    _habit("udp-wrap", transport="udp", wraps_after_s=3.0),
    _habit("udp-keep-alive", transport="udp", transports="udp", session_timeout_s=4),
)

HABITS = (*PICTURES, *SOUNDS, *TIMES, *SESSIONS, *DATAGRAMS)

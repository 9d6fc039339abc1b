"""The session description of a camera: which tracks it has, with what a decoder needs to begin.

Sources: RFC 4566 (SDP), RFC 6184 clause 8.2 (H.264), RFC 7798 clause 7 (H.265), RFC 3640 clause 4 (AAC),
RFC 3551 (PCMA, PCMU, G.726). It knows nothing of sessions or sockets.
"""

import base64
from collections.abc import Sequence

from local.cameras.loops import Sound
from local.cameras.rtp import (
    SOUND_PAYLOAD_TYPES,
    VIDEO_CLOCK_HZ,
    VIDEO_PAYLOAD_TYPE,
)


def describe(
    name: str, codec: str | None, sets: Sequence[bytes], sound: Sound | None, sound_config: bytes = b""
) -> str:
    """The SDP of a live stream; without a picture where `codec` is None.

    `sets` are its parameter sets in the order VPS, SPS, PPS; empty when they are told in the stream alone.
    """
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        f"s={name}",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        "a=control:*",
        "a=range:npt=now-",
    ]
    if codec is not None:
        lines += [f"m=video 0 RTP/AVP {VIDEO_PAYLOAD_TYPE}", *_video(codec, sets), "a=control:trackID=0"]
    if sound is not None:
        kind = SOUND_PAYLOAD_TYPES[sound.codec]
        lines += [f"m=audio 0 RTP/AVP {kind}", *_sound(kind, sound, sound_config), "a=control:trackID=1"]
    return "\r\n".join([*lines, ""])


def _video(codec: str, sets: Sequence[bytes]) -> list[str]:
    encoded = [base64.b64encode(unit).decode() for unit in sets]
    settings = ["packetization-mode=1"] if codec == "h264" else []
    if sets and codec == "h264":
        profile = sets[0][1:4].hex().upper()  # the three bytes after the header of the SPS
        settings += [f"profile-level-id={profile}", f"sprop-parameter-sets={','.join(encoded)}"]
    elif sets:
        settings += [f"sprop-{kind}={unit}" for kind, unit in zip(("vps", "sps", "pps"), encoded, strict=True)]
    kind = f"a=rtpmap:{VIDEO_PAYLOAD_TYPE} {codec.upper()}/{VIDEO_CLOCK_HZ}"
    return [kind, f"a=fmtp:{VIDEO_PAYLOAD_TYPE} {';'.join(settings)}"] if settings else [kind]


def _sound(kind: int, sound: Sound, config: bytes) -> list[str]:
    if sound.codec == "aac":
        mode = "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3"
        return [
            f"a=rtpmap:{kind} MPEG4-GENERIC/{sound.clock_hz}/1",
            f"a=fmtp:{kind} {mode};config={config.hex()}",
        ]
    name = {"pcma": "PCMA", "pcmu": "PCMU"}.get(sound.codec, "G726-32")
    return [f"a=rtpmap:{kind} {name}/{sound.clock_hz}"]

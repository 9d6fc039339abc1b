"""Files as foreign cameras and recorders make them: MP4, and the DHAV of Dahua, from pictures made in memory."""

from __future__ import annotations

import os
import struct
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream

from components.capture.core.packets import VideoCodec
from components.capture.core.parameter_sets import find_parameter_sets
from tests.fakes.encoded_pictures import Picture, alaw, pictures

BASE = 90_000
PER_S = 15
"""Pictures a second."""


def write_mp4(
    path: Path,
    seconds: int = 4,
    codec: VideoCodec = "h264",
    gop: int = PER_S,
    skip: int = 0,
    audio: bool = False,
    mtime_ns: int | None = None,
    step: int = BASE // PER_S,
) -> Path:
    """An MP4 of so many seconds (of `step` 6 000), a keyframe each second; `skip` leaves out the first pictures."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = pictures(codec, skip + seconds * PER_S, gop)[skip:]
    with av.open(str(path), "w", format="mp4") as container:
        container.metadata["comment"] = str(path)  # no two files have the same content
        stream = container.add_mux_stream(
            "h264" if codec == "h264" else "hevc", width=96, height=64, time_base=Fraction(1, BASE)
        )
        sound = None
        if audio:
            sound = container.add_stream("aac", 8_000)
            assert isinstance(sound, AudioStream)
            sound.layout = "mono"
        sets = find_parameter_sets(codec, pictures(codec, skip + seconds * PER_S, gop)[0].payload)
        assert sets is not None
        for number, picture in enumerate(made):
            # A file has its parameter sets in its header, whatever it begins with.
            is_headless = number == 0 and not picture.is_keyframe
            packet = av.Packet(sets.annex_b + picture.payload if is_headless else picture.payload)
            packet.stream, packet.time_base = stream, Fraction(1, BASE)
            packet.pts = packet.dts = number * step
            packet.duration = step
            packet.is_keyframe = picture.is_keyframe
            container.mux_one(packet)
        if sound is not None:
            _write_silence(container, sound, seconds)
    return _dated(path, mtime_ns)


def write_dhav(
    path: Path, seconds: int = 4, codec: VideoCodec = "h264", audio: bool = False, mtime_ns: int | None = None
) -> Path:
    """A DHAV file (`.dav`), as libav's demuxer understands it (libavformat/dhav.c)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = pictures(codec, seconds * PER_S, PER_S)
    data = bytearray()
    for number, picture in enumerate(made):
        data += _dhav_frame(number, picture, codec)
        if audio and number % 3 == 0:
            data += _frame(0xF0, number, number * 1000 // PER_S, b"\x83\x01\x0e\x02", alaw(1, 1_600)[0])
    path.write_bytes(data)
    return _dated(path, mtime_ns)


def payloads(path: Path) -> list[bytes]:
    """The pictures of a file as libav reads them, each in start code form, without what a muxer may have put before."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def count_decoded(path: Path) -> int:
    """How many pictures of a file a decoder shows."""
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def _write_silence(container: av.container.OutputContainer, sound: AudioStream, seconds: int) -> None:
    for number in range(seconds * 8_000 // 1024):
        frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        frame.planes[0].update(bytes(frame.planes[0].buffer_size))
        frame.sample_rate, frame.pts, frame.time_base = 8_000, number * 1024, Fraction(1, 8_000)
        container.mux(sound.encode(frame))
    container.mux(sound.encode(None))


def _dhav_frame(number: int, picture: Picture, codec: VideoCodec) -> bytes:
    kind = 0xFD if picture.is_keyframe else 0xFC
    coding = 0x02 if codec == "h264" else 0x0C
    extension = bytes([0x80, 0, 96 // 8, 64 // 8, 0x81, 0, coding, PER_S])
    return _frame(kind, number, number * 1000 // PER_S, extension, picture.payload)


def _frame(kind: int, number: int, time_ms: int, extension: bytes, payload: bytes) -> bytes:
    length = 24 + len(extension) + len(payload) + 8
    # 2026-11-21 10:00:00 in the packed form of Dahua: six bits each for second and minute, five for hour and day.
    date = 0 | (0 << 6) | (10 << 12) | (21 << 17) | (11 << 22) | (26 << 26)
    date += time_ms // 1000
    head = struct.pack("<4sBBBBIIIHB", b"DHAV", kind, 0, 1, 0, number, length, date, time_ms % 65_536, len(extension))
    return head + bytes([sum(head) % 256]) + extension + payload + struct.pack("<4sI", b"dhav", length)


def _dated(path: Path, mtime_ns: int | None) -> Path:
    if mtime_ns is not None:
        os.utime(path, ns=(mtime_ns, mtime_ns))
    return path

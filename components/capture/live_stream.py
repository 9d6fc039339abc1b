"""One stream as it is read now: what is remembered of it, and who is given it live.

The recorder feeds every packet that has a place in its run, recorded or not; that costs an entry in a list while nobody
looks. Readers are given what they have not had yet by the live server, in its own thread. Neither ever waits for the
other longer than it takes to copy a few pointers, or to hand bytes to a socket that takes them at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from components.capture.core.gop import GopMemory
from components.capture.core.live_queue import Frame, ReaderQueue
from components.capture.core.packets import AudioParameters, TimedPacket, VideoParameters
from components.shared.errors import Rejected
from components.shared.runtime.log import Log
from components.shared.wire.live import (
    DURATION_TICKS_MAX,
    AccessUnit,
    Hello,
    LiveAudio,
    LiveVideo,
    encode_hello,
    encode_unit_header,
)
from components.shared.wire.object_keys import StreamName
from components.shared.wire.units import MediaTicks, WallNs

WallOf = Callable[[TimedPacket], WallNs]
"""When a packet was, by the wall clock."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A keyframe, coded, with what it takes to decode it."""

    parameters: VideoParameters
    access_unit: bytes
    wall_ns: WallNs


@dataclass(frozen=True, slots=True)
class _Reading:
    video: VideoParameters
    wall_of: WallOf
    hello: Frame


class LiveStream:
    """One stream; fed by its recorder's thread, watched by the server's. Lives over all attempts."""

    def __init__(self, camera: str, stream: StreamName, wake: Callable[[], None], log: Log) -> None:
        self.camera = camera
        self.stream = stream
        self._wake = wake
        self._log = log
        self._lock = threading.Lock()
        self._gop = GopMemory()
        self._reading: _Reading | None = None
        self._queues: list[ReaderQueue] = []

    @property
    def is_watched(self) -> bool:
        """Whether anybody reads it."""
        return bool(self._queues)

    def begin(self, video: VideoParameters, audio: AudioParameters | None, wall_of: WallOf) -> None:
        """Pictures of these parameters follow, from a keyframe on; their times have nothing to do with those before."""
        try:
            parts = (_live_video(video), _live_audio(audio))
            hello = encode_hello(Hello(camera=self.camera, stream=self.stream, video=parts[0], audio=parts[1]))
        except (Rejected, ValueError) as error:  # it is recorded all the same
            self._log.warning("not_live", camera=self.camera, stream=self.stream, error=error)
            hello = b""
        with self._lock:
            self._reading = _Reading(video, wall_of, (hello, b""))
            self._gop.forget()
            for queue in self._queues:
                queue.begin_anew()

    def feed(self, timed: TimedPacket) -> None:
        """The next packet; one without a `begin` before it is left out."""
        with self._lock:
            if self._reading is None:
                return
            self._gop.add(timed)
            if not self._queues:
                return
            _put(self._queues, self._reading, timed)
        self._wake()

    def end(self) -> None:
        """The camera is not read any more. Its newest picture is remembered, what came after it is not."""
        with self._lock:
            self._gop.break_off()

    def gop(self) -> list[TimedPacket]:
        """Everything since the newest keyframe, which comes first; empty when there is none."""
        with self._lock:
            return self._gop.packets

    def picture(self) -> Picture | None:
        """The newest keyframe; None before the first."""
        with self._lock:
            reading, keyframe = self._reading, self._gop.keyframe
        if reading is None or keyframe is None:
            return None
        return Picture(reading.video, keyframe.packet.payload, reading.wall_of(keyframe))

    def attach(self, queue: ReaderQueue) -> None:
        """A reader has come: it begins with the GOP that is remembered."""
        with self._lock:
            self._queues.append(queue)
            if self._reading is not None:
                for timed in self._gop.packets:
                    _put([queue], self._reading, timed)

    def detach(self, queue: ReaderQueue) -> None:
        """The reader has gone."""
        with self._lock:
            self._queues.remove(queue)

    def send(self, queue: ReaderQueue, send: Callable[[list[memoryview]], int]) -> bool:
        """Send what waits by `send`, which never waits and says how many bytes it took; whether all of it went."""
        with self._lock:
            while buffers := queue.buffers():
                count = send(buffers)
                queue.sent(count)
                if count < sum(len(buffer) for buffer in buffers):
                    return False
            return True


def _put(queues: list[ReaderQueue], reading: _Reading, timed: TimedPacket) -> None:
    packet = timed.packet
    if not reading.hello[0]:
        return
    unit = AccessUnit(
        kind=packet.kind,
        is_keyframe=packet.is_keyframe,
        dts=MediaTicks(timed.dts),
        pts=MediaTicks(timed.pts),
        duration_ticks=min(timed.duration_ticks, DURATION_TICKS_MAX),
        wall_ns=reading.wall_of(timed),
        payload=packet.payload,
    )
    try:
        frame = (encode_unit_header(unit), packet.payload)
    except Rejected:  # longer than any picture: readers go on with the next keyframe
        for queue in queues:
            queue.begin_anew()
        return
    for queue in queues:
        queue.put(frame, packet.kind == "video" and packet.is_keyframe, reading.hello)


def _live_video(video: VideoParameters) -> LiveVideo:
    return LiveVideo(
        codec=video.codec,
        width=video.width,
        height=video.height,
        ticks_numerator=video.time_base.numerator,
        ticks_denominator=video.time_base.denominator,
        parameter_sets_hex=video.extradata.hex(),
    )


def _live_audio(audio: AudioParameters | None) -> LiveAudio | None:
    if audio is None:
        return None
    return LiveAudio(
        codec=audio.codec,
        sample_rate=audio.sample_rate,
        channels=audio.channels,
        ticks_numerator=audio.time_base.numerator,
        ticks_denominator=audio.time_base.denominator,
        configuration_hex=audio.extradata.hex(),
    )

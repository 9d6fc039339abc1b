"""Cameras in this process: pictures come when a test says so, and fail in the ways that cameras fail.

Proven by the same suite as the real source (tests/contract/packet_source).
"""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from components.capture.core.packets import (
    AudioParameters,
    EncodedPacket,
    StreamParameters,
    VideoParameters,
)
from components.capture.packet_source import OpenSource, PacketSource, SourceFailed, SourceRefused, SourceRequest
from components.shared.runtime.clock import Clock
from components.shared.wire.secret import Secret
from components.shared.wire.units import TimeBase, WallNs
from tests.fakes.encoded_pictures import Picture, pictures
from tests.fakes.packets import STEP, VIDEO_BASE

LOOK_S = 0.005
READ_S = 0.3
"""How long a fake source waits for a packet before it says that nothing comes."""

_END = "end"
_BREAK = "break"


class FakeCamera:
    """One camera. `play` sends pictures to whoever has it open; what nobody has open is lost, as with a real one."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        stream: Sequence[Picture] | None = None,
        audio: AudioParameters | None = None,
        audio_dropped: str = "",
        login: str | None = None,
        codec_size: tuple[int, int] = (96, 64),
        read_s: float = READ_S,
    ) -> None:
        self.name = name
        self.clock = clock
        self.stream = list(stream or pictures())
        self.audio = audio
        self.audio_dropped = audio_dropped
        self.login = login
        self.read_s = read_s
        self.is_there = True
        self.has_video = True
        self.opened = 0
        self.played = 0
        self._size = codec_size
        self._sources: list[_FakeSource] = []

    @property
    def watchers(self) -> int:
        """How many have it open."""
        return len(self._sources)

    def play(self, count: int = 1, dts: int | None = None, **changes: object) -> None:
        """Send the next pictures, all now. `dts` and `changes` replace what a good camera would say."""
        for _ in range(count):
            picture = self.stream[self.played % len(self.stream)]
            packet = EncodedPacket(
                kind="video",
                payload=picture.payload,
                dts=self.played * STEP if dts is None else dts,
                pts=self.played * STEP if dts is None else dts,
                duration_ticks=STEP,
                is_keyframe=picture.is_keyframe,
                arrived_ns=self.clock.monotonic_ns(),
                sender_wall_ns=None,
            )
            self._send(replace(packet, **changes))  # type: ignore[arg-type]
            self.played += 1

    def say(self, payload: bytes, dts: int, duration: int) -> None:
        """Send a frame of audio."""
        self._send(EncodedPacket("audio", payload, dts, dts, duration, True, self.clock.monotonic_ns(), WallNs(0)))

    def end(self) -> None:
        """End the stream in good order, for all who have it open."""
        self._send(_END)

    def break_off(self) -> None:
        """Cut all connections."""
        self._send(_BREAK)

    def open(self, request: SourceRequest) -> PacketSource:
        """What `OpenSource` promises."""
        where = f"camera {request.camera}: {self.name}"
        self.opened += 1
        if not self.is_there:
            raise SourceFailed("unreachable", f"{where} refuses the connection")
        login = request.login
        if not self._lets_in(login):
            login = request.newer_login(login) or login
        if not self._lets_in(login):
            raise SourceRefused("authentication", f"{where} refuses the user or password")
        if not self.has_video:
            raise SourceRefused("undecodable", f"{where} offers no video")
        video = VideoParameters("h264", VIDEO_BASE, b"", *self._size)
        audio = self.audio if request.wants_audio else None
        dropped = self.audio_dropped if request.wants_audio else ""
        source = _FakeSource(self, where, StreamParameters(video, audio, dropped))
        self._sources.append(source)
        return source

    def _lets_in(self, login: Secret | None) -> bool:
        return (login.reveal() if login is not None else None) == self.login

    def forget(self, source: _FakeSource) -> None:
        """A source was closed."""
        if source in self._sources:
            self._sources.remove(source)

    def _send(self, item: EncodedPacket | str) -> None:
        for source in list(self._sources):
            source.inbox.put(item)


class _FakeSource:
    def __init__(self, camera: FakeCamera, where: str, parameters: StreamParameters) -> None:
        self.parameters = parameters
        self.packets_missed = 0
        self.inbox: queue.Queue[EncodedPacket | str] = queue.Queue()
        self._camera = camera
        self._where = where
        self._is_closed = False

    def packets(self) -> Iterator[EncodedPacket]:
        while not self._is_closed:
            item = self._next()
            if item == _END:
                return
            if isinstance(item, str):
                raise SourceFailed("unreachable", f"{self._where}: reading broke off")
            if item.kind == "video" or self.parameters.audio is not None:
                yield item

    def interrupt(self) -> None:
        self.inbox.put(_END)

    def close(self) -> None:
        self._is_closed = True
        self._camera.forget(self)

    def _next(self) -> EncodedPacket | str:
        end_s = time.monotonic() + self._camera.read_s
        while not self._is_closed:
            try:
                return self.inbox.get(timeout=LOOK_S)
            except queue.Empty:
                if time.monotonic() > end_s:
                    raise SourceFailed("frozen", f"{self._where}: nothing came") from None
        return _END


def open_fake(*cameras: FakeCamera) -> OpenSource:
    """Opens these cameras by the last part of their URL."""
    by_name = {camera.name: camera for camera in cameras}

    def open_source(request: SourceRequest) -> PacketSource:
        name = request.url.rsplit("/", 1)[-1]
        camera = by_name.get(name)
        if camera is None:
            raise SourceFailed("unreachable", f"camera {request.camera}: there is no stream /{name} (404)")
        return camera.open(request)

    return open_source


AAC_AUDIO = AudioParameters("aac", TimeBase(1, 16_000), b"\x14\x08", 16_000, 1)
PCMA_AUDIO = AudioParameters("pcma", TimeBase(1, 8_000), b"", 8_000, 1)

"""Cameras of a box whose time the lab moves: real pictures, each with its number in it, and the faults of a plan.

A picture's number follows from the moment at which it is taken, so that a camera goes on over all lives of the box.
What a camera has given to an open connection is noted, because that is what has to be found again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from components.capture.core.packets import EncodedPacket, StreamParameters, VideoParameters
from components.capture.packet_source import OpenSource, PacketSource, SourceFailed, SourceRefused, SourceRequest
from components.shared.runtime.clock import Clock
from components.shared.wire.units import NS_PER_S, MonotonicNs, TimeBase, WallNs
from lab.soak_plan import CameraPlan, Fault
from local.cameras.stamp import Stamp, stamp_nal

WIDTH, HEIGHT = 96, 64
GOP = 10
PERIOD_NS = NS_PER_S
"""A picture a second, a keyframe every ten: the rhythm of a day is that of its hours and cuts, not of its pictures."""

BASE = TimeBase(1, 90_000)
READ_NS = 60 * NS_PER_S
"""A source says that nothing comes after so long, as the real ones do."""

START_CODE = b"\x00\x00\x00\x01"
_IDR = START_CODE + b"\x65"

Note = Callable[[str, int], None]


@cache
def loop() -> tuple[bytes, ...]:
    """One GOP of real H.264, with its parameter sets."""
    encoder = VideoCodecContext.create("libx264", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 1), Fraction(1, 1)
    encoder.gop_size = GOP
    encoder.thread_count = 1
    encoder.options = {"tune": "zerolatency", "preset": "ultrafast", "x264-params": "scenecut=0:annexb=1"}
    made = []
    for number in range(GOP):
        frame = VideoFrame(WIDTH, HEIGHT, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes([40 + number * 10]) * plane.buffer_size)
        frame.pts = number
        made += [bytes(packet) for packet in encoder.encode(frame)]
    return (*made, *(bytes(packet) for packet in encoder.encode(None)))


def picture(camera: str, number: int) -> bytes:
    """The access unit of that number, the number in it."""
    stamp = START_CODE + stamp_nal("h264", Stamp(number // GOP, number % GOP, camera))
    unit = loop()[number % GOP]
    if number % GOP:
        return stamp + unit
    place = unit.rindex(b"\x65", 0, unit.index(b"\x65") + 1)
    begin = max(unit.rfind(START_CODE, 0, place), unit.rfind(START_CODE[1:], 0, place))
    return unit[:begin] + stamp + unit[begin:]


@dataclass(frozen=True)
class SimulatedCamera:
    """One camera. `fault_at` is what is wrong with it at a moment of the simulation."""

    plan: CameraPlan
    clock: Clock
    true_ns: Callable[[], int]
    note: Note

    def fault_at(self, moment_ns: int) -> Fault | None:
        """The fault of that moment, the first one that is planned."""
        return next((fault for fault in self.plan.faults if fault.begins_ns <= moment_ns < fault.ends_ns), None)

    def open(self, request: SourceRequest) -> PacketSource:
        """What `OpenSource` promises."""
        where = f"camera {request.camera}"
        fault = self.fault_at(self.true_ns())
        if fault is not None and fault.kind == "refused":
            raise SourceRefused("authentication", f"{where} refuses the user or password")
        if fault is not None and fault.kind == "away":
            raise SourceFailed("unreachable", f"{where} does not answer")
        return _Source(self, where)

    def ticks(self, number: int) -> int:
        """The camera's own time of a picture, by its own clock, as RTP has it."""
        true_ticks = number * int(BASE.from_ns(PERIOD_NS))
        return (self.plan.first_ticks + true_ticks * (1_000_000 + self.plan.drift_ppm) // 1_000_000) % 2**32


class _Source:
    """An open connection."""

    def __init__(self, camera: SimulatedCamera, where: str) -> None:
        self.parameters = StreamParameters(VideoParameters("h264", BASE, b"", WIDTH, HEIGHT), None)
        self.packets_missed = 0
        self._camera = camera
        self._where = where
        self._closed = threading.Event()

    def packets(self) -> Iterator[EncodedPacket]:
        """A picture a second; in a stall none and then all at once, frozen none, away the connection breaks."""
        camera = self._camera
        number = camera.true_ns() // PERIOD_NS + 1
        given_ns = camera.clock.monotonic_ns()
        while not self._closed.is_set():
            now_ns = camera.true_ns()
            fault = camera.fault_at(now_ns)
            kind = "" if fault is None else fault.kind
            if kind in ("away", "refused"):
                raise SourceFailed("unreachable", f"{self._where}: reading broke off")
            if kind == "frozen":
                number = now_ns // PERIOD_NS + 1  # it takes no pictures meanwhile
            while kind not in ("stalled", "frozen") and number * PERIOD_NS <= now_ns:
                given_ns = camera.clock.monotonic_ns()
                yield self._packet(number)
                number += 1
            if camera.clock.monotonic_ns() - given_ns >= READ_NS:
                raise SourceFailed("frozen", f"{self._where}: nothing came from the camera for 60 s")
            camera.clock.wait(self._closed, PERIOD_NS)

    def interrupt(self) -> None:
        """End soon."""
        self._closed.set()

    def close(self) -> None:
        """Let go of the connection."""
        self._closed.set()

    def _packet(self, number: int) -> EncodedPacket:
        camera = self._camera
        camera.note(camera.plan.name, number)
        ticks = camera.ticks(number)
        sender_ns = None
        if camera.plan.clock_off_ns is not None:
            true_wall_ns = camera.plan.begins_wall_ns + number * PERIOD_NS
            sender_ns = WallNs(true_wall_ns + camera.plan.clock_off_ns)
        return EncodedPacket(
            *("video", picture(camera.plan.name, number), ticks, ticks, 0, number % GOP == 0),
            MonotonicNs(camera.clock.monotonic_ns()),
            sender_ns,
        )


def open_simulated(cameras: dict[str, SimulatedCamera]) -> OpenSource:
    """Opens these cameras by their names."""

    def open_source(request: SourceRequest) -> PacketSource:
        return cameras[request.camera].open(request)

    return open_source

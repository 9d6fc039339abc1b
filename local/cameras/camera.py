"""One live camera: a clock that runs from its start, the frame that is due, and everybody who watches.

Frame n is due at n / fps after the start, whoever watches; (lap, frame) is n divided by the length of the
loop. Every client begins with a keyframe and gets each frame after it at its time, none twice, none left
out, over the seam of the loop as well; late frames are sent late, never skipped. All pictures of a camera
(its own, the still, the other size) have the same keyframe distance, so that it can change between them at
any keyframe. Sound leaves with the next picture. It knows nothing of RTSP.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from local.cameras.faults import Fault, FaultOrder
from local.cameras.library import Frame, PictureLoop, SoundLoop
from local.cameras.rtp import VIDEO_CLOCK_HZ
from local.cameras.sdp import describe
from local.cameras.spec import CameraSpec
from local.cameras.stamp import Stamp, stamp_nal
from local.cameras.viewer import SEND_BUFFER_BYTES_MAX, Track, Viewer, Wire

_SECOND_NS = 1_000_000_000
_PAST_VIEWERS_MAX = 64  # ended sessions that statistics still tell about
_HEADLESS = (
    Fault.NO_KEYFRAME,
    Fault.GARBAGE,
)  # under these a client need not wait for a keyframe: none comes
_BACKLOG_S = 2  # a client may be behind by that much of a rich picture
_MUTE = (Fault.STALL, Fault.HANG)


@dataclass(frozen=True)
class Clock:
    """Where time comes from and how a call is made at a time; times are nanoseconds."""

    monotonic_ns: Callable[[], int]
    wall_ns: Callable[[], int]
    call_at: Callable[[int, Callable[[], None]], Callable[[], None]]  # (when, what) gives what cancels it


def running_clock() -> Clock:
    """The clock of the running event loop."""
    loop = asyncio.get_running_loop()

    def call_at(when_ns: int, what: Callable[[], None]) -> Callable[[], None]:
        return loop.call_at(when_ns / _SECOND_NS, what).cancel

    return Clock(lambda: int(loop.time() * _SECOND_NS), time.time_ns, call_at)


class Camera:
    """A camera that runs from its making on."""

    def __init__(
        self,
        spec: CameraSpec,
        picture: PictureLoop,
        sound: SoundLoop | None,
        clock: Clock,
        start_ns: int,
        log: TextIO | None = None,
    ) -> None:
        self.spec = spec
        self.password = spec.password  # until somebody changes it
        self.order = FaultOrder(Fault.NONE)
        self.refused = 0  # requests answered with 401
        self._loop_frames = spec.loop_frames
        self._own_picture = picture
        self._ahead_frames = max(frame.shown_after for frame in picture.frames)  # how many wait to be shown
        self._jumped_ns = 0  # what the timestamps have jumped by
        self._shown = self._wanted = picture
        self._sound = sound
        self._clock = clock
        self._start_ns = start_ns
        self._log = log
        self._viewers: dict[str, Viewer] = {}
        self._past: deque[dict[str, object]] = deque(maxlen=_PAST_VIEWERS_MAX)
        self._next_frame = 0
        self._next_sound = 0
        self._cancel: Callable[[], None] | None = None

    @property
    def fault(self) -> Fault:
        """What the camera does wrong now."""
        return self.order.fault

    def set_fault(self, order: FaultOrder, picture: PictureLoop | None = None) -> None:
        """Misbehave from now on, and show `picture` (its own when None) from the next keyframe on."""
        self.order = order
        self._wanted = picture or self._own_picture

    def jump(self, order: FaultOrder) -> None:
        """Let the sequence numbers or the timestamps of all tracks jump, once."""
        if order.fault is Fault.TIMESTAMP_JUMP:
            self._jumped_ns += order.by * _SECOND_NS
            return
        for viewer in self.viewers():
            for track in viewer.tracks():
                track.sequence = (track.sequence + order.by) & 0xFFFF

    def session_description(self) -> str:
        """The SDP of what is shown, or will be from the next keyframe on."""
        sound = self._sound
        return describe(
            self.spec.id,
            None if self.spec.sound_only else self.spec.codec,
            self._wanted.parameter_sets if self.spec.sets_in != "stream" else (),
            sound.sound if sound else None,
            sound.config if sound else b"",
        )

    def sound_clock_hz(self) -> int | None:
        """The RTP clock of the sound track; None when the camera has no sound."""
        return self._sound.sound.clock_hz if self._sound else None

    def add(self, viewer: Viewer) -> None:
        """Begin to send to this client; from then on it knows when its first picture is due."""
        self._viewers[viewer.session] = viewer
        viewer.plays_since_ns = self._since_start_ns()
        viewer.backlog_bytes_max = max(SEND_BUFFER_BYTES_MAX, self.spec.bitrate // 8 * _BACKLOG_S)
        for track in viewer.tracks() if self.spec.wraps_after_s else ():
            track.wrap_soon(viewer.plays_since_ns + round(self.spec.wraps_after_s * _SECOND_NS))
        if viewer.video is not None and self.spec.timestamps == "zero":
            viewer.video.first_timestamp = 0
        if self._cancel is None:
            self._shown = self._wanted
            self._next_frame = viewer.plays_since_ns * self.spec.fps // _SECOND_NS + 1
            self._next_sound = self.sound_from(self._due_ns(self._next_frame))
            self._wait()
        begins = self._next_frame
        if viewer.waits_for_keyframe and self.fault not in _HEADLESS:
            while not self._own_frame(begins).keyframe:
                begins += 1
        viewer.begins_ns = self._due_ns(begins)
        viewer.first_shown_ns = self._shown_ns(begins, self._own_frame(begins))

    def remove(self, session: str, reason: str) -> None:
        """Stop sending to this client; the reason is kept for the statistics."""
        viewer = self._viewers.pop(session, None)
        if viewer is not None:
            self._past.append({**viewer.statistics(), "ended": reason})
        if not self._viewers and self._cancel is not None:
            self._cancel()
            self._cancel = None

    def sound_from(self, since_start_ns: int) -> int:
        """The number of the first block of sound that is due at that moment of the camera's time or later."""
        if self._sound is None:
            return 0
        sound = self._sound.sound
        return -(-since_start_ns * sound.clock_hz // (sound.samples * _SECOND_NS))

    def sound_due_ns(self, number: int) -> int:
        """When that block of sound is due, in the camera's time."""
        if self._sound is None:
            return 0
        return number * self._sound.sound.samples * _SECOND_NS // self._sound.sound.clock_hz

    def viewers(self) -> list[Viewer]:
        """The clients that watch now."""
        return list(self._viewers.values())

    def statistics(self) -> dict[str, object]:
        """What the camera does and has sent, to present clients and to the last that ended."""
        lap, frame = divmod(self._since_start_ns() * self.spec.fps // _SECOND_NS, self._loop_frames)
        return {
            "fault": self.fault.value,
            "lap": lap,
            "frame": frame,
            "refused": self.refused,
            "sessions": [viewer.statistics() for viewer in self._viewers.values()],
            "ended": list(self._past),
        }

    def media_ns(self, track: Track, at_ns: int) -> int:
        """What the clock of a track shows at that moment of the camera's time."""
        if track.clock_hz != VIDEO_CLOCK_HZ:
            return at_ns + self._jumped_ns
        if self.spec.claimed_fps:
            at_ns = at_ns * self.spec.fps // self.spec.claimed_fps
        return {"true": at_ns, "zero": 0, "backwards": -at_ns}[self.spec.timestamps] + self._jumped_ns

    def _own_frame(self, number: int) -> Frame:
        return self._own_picture.frames[number % len(self._own_picture.frames)]

    def _shown_ns(self, number: int, frame: Frame) -> int:
        """When that frame was seen by the camera: not after it was sent, whatever is sent before it."""
        return self._due_ns(number + frame.shown_after - self._ahead_frames)

    def _since_start_ns(self) -> int:
        return max(0, self._clock.monotonic_ns() - self._start_ns)

    def _due_ns(self, number: int) -> int:
        return number * _SECOND_NS // self.spec.fps

    def _wait(self) -> None:
        self._cancel = self._clock.call_at(self._start_ns + self._due_ns(self._next_frame), self._tick)

    def _tick(self) -> None:
        """Send all that is due, and wait for what comes next."""
        while self._viewers and self._due_ns(self._next_frame) <= self._since_start_ns():
            self._report()
            self._send_frame(self._next_frame)
            self._send_sound(self._due_ns(self._next_frame))
            self._next_frame += 1
        if self._viewers:
            self._wait()

    def _report(self) -> None:
        if self.fault in (*_MUTE, Fault.DROP_RTCP):
            return
        now_ns = self._since_start_ns()
        wall_ns = self._clock.wall_ns() + round(self.spec.clock_offset_s * _SECOND_NS)
        wall_ns += self.order.by * _SECOND_NS if self.fault is Fault.CLOCK else 0
        for viewer in self.viewers():
            if now_ns - viewer.plays_since_ns >= self.spec.first_report_s * _SECOND_NS:
                viewer.report(now_ns, wall_ns, lambda track: self.media_ns(track, now_ns))

    def _send_frame(self, number: int) -> None:
        if self._own_frame(number).keyframe:
            self._shown = self._wanted
        frame = self._shown.frames[number % len(self._shown.frames)]
        if self.fault in _MUTE:
            for viewer in self.viewers():
                viewer.waits_for_keyframe = viewer.video is not None
            return
        if self.fault is Fault.NO_KEYFRAME and frame.keyframe:
            return
        payloads = self._payloads(number, frame)
        shown_ns = self._shown_ns(number, frame)
        for viewer in self.viewers():
            if viewer.video is None:
                continue
            if viewer.waits_for_keyframe and not frame.keyframe and self.fault not in _HEADLESS:
                continue
            viewer.waits_for_keyframe = False
            timestamp = viewer.video.timestamp(self.media_ns(viewer.video, shown_ns))
            lost = viewer.video.packets_lost
            if self._send(viewer, viewer.video, payloads, timestamp):
                viewer.frames_sent += 1
                self._note(viewer, number, timestamp, frame.keyframe, viewer.video.packets_lost - lost)

    def _payloads(self, number: int, frame: Frame) -> list[bytes]:
        lap, place = divmod(number, self._loop_frames)
        stamp = stamp_nal(self.spec.codec, Stamp(lap, place, self.spec.id))
        before = frame.before_stamp if self.spec.sets_in != "description" else ()
        payloads = [*before, stamp, *frame.after_stamp]
        if self.fault is Fault.GARBAGE:
            return [os.urandom(len(payload)) for payload in payloads]
        return payloads

    def _send_sound(self, until_ns: int) -> None:
        """Send the blocks of sound that are due until then, to those who have their first picture."""
        if self._sound is None:
            return
        while (due_ns := self.sound_due_ns(self._next_sound)) <= until_ns:
            payload = self._sound.payloads[self._next_sound % len(self._sound.payloads)]
            self._next_sound += 1
            if self.fault in _MUTE:
                continue
            if self.fault is Fault.GARBAGE:
                payload = os.urandom(len(payload))
            for viewer in self.viewers():
                if viewer.sound and not viewer.waits_for_keyframe and due_ns >= viewer.begins_ns:
                    self._send(viewer, viewer.sound, [payload], viewer.sound.timestamp(due_ns + self._jumped_ns))

    def _send(self, viewer: Viewer, track: Track, payloads: list[bytes], timestamp: int) -> bool:
        loses_every = self.order.every if self.fault is Fault.LOSS else 0
        swaps_every = self.order.every if self.fault is Fault.REORDER else 0
        return viewer.send(track, payloads, timestamp, Wire(self.spec.one_write_per_frame, loses_every, swaps_every))

    def _note(self, viewer: Viewer, number: int, timestamp: int, keyframe: bool, lost: int) -> None:
        """Write a line about a frame that was handed to a client's connection; `lost` packets of it were left out."""
        if self._log is None:
            return
        lap, frame = divmod(number, self._loop_frames)
        # JSON by hand: every value is a number or a plain word, and this runs for each frame of each client.
        self._log.write(
            f'{{"session": "{viewer.session}", "lap": {lap}, "frame": {frame}, "keyframe": {str(keyframe).lower()}, '
            f'"rtp": {timestamp}, "wall_ns": {self._clock.wall_ns()}, "fault": "{self.fault.value}", "lost": {lost}}}\n'
        )
        self._log.flush()

"""Where each packet of a run belongs: media ticks that only run forward, and the wall time they stand for.

A run is one unbroken reading of a camera. Its decode times begin at 0 with the first picture received and run on over
all its segments. The wall time of a picture is the run's anchor plus its media time: within a run, order and duration
follow the camera's ticks and never a wall clock, and the spans of a run's segments touch and never overlap.

What senders get wrong is repaired here, by these rules, and counted:

- A time that is missing (`missing`): what the packet before lasted, unless the arrivals say otherwise.
- Repeated or slightly backward (`backwards`): one tick after the packet before, until the times have caught up.
- Wrapped at 32 or 33 bits: as if it had not.
- A jump, backward by more than `JUMP_NS`, forward by more than what passed here, or a stand-still (`jumped`): where the
  arrivals put it, and all that follows is shifted with it.
- A clock that is slower or faster than ours (`slewed_ns`): picture durations are changed by at most a sixteenth until
  media time agrees with the arrivals again, so that a run of a month is not minutes wrong.

Packets arrive late, never early. So the anchor is the earliest start that any of the first pictures allows: a burst of
buffered pictures after connecting does not shift it. That is why packets are held for `SETTLE_NS` at a run's start. A
sender whose clock agrees with ours to half a second knows better, and decides; when its first report comes later, the
run is led there. How sure an anchor is, `clock` tells.

What the wall clock does during a run moves nothing here. How far the two are apart by now is `ahead_ns`; who decides
that the run is to follow (see `placement`) leads it there by `approach`, unnoticeably, or has the next run begin at
another moment by `move_to`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from components.capture.core.packet_times import SETTLE_NS, AudioTimes, Repairs, VideoTimes
from components.capture.core.packets import EncodedPacket, StreamParameters, TimedPacket
from components.shared.wire.units import NS_PER_MS, MonotonicNs, WallNs

SENDER_OFFSET_NS_MAX = 500 * NS_PER_MS
"""A sender's clock that agrees with ours this well is right about when a picture was taken; no other is asked."""

AnchorSource = Literal["sender", "arrival"]


@dataclass(frozen=True, slots=True)
class RunClock:
    """By what a run's wall time is known.

    `offset_ns` is the sender's clock minus the box's, None when the sender tells no time. `uncertainty_ns` is how far
    the anchor may be from the box's clock: where the sender decides, the truth is between its word and the arrivals';
    where the arrivals do, it is how much later the second-best of them would have put it, and the length of a picture.
    What a run was moved against the clock, because its place was taken, counts too.
    """

    source: AnchorSource
    offset_ns: int | None
    uncertainty_ns: int


class RunTimeline:
    """Gives every packet its place; see the module. One per connection; video decides, audio follows."""

    def __init__(self, parameters: StreamParameters) -> None:
        self._video = VideoTimes(parameters.video.time_base)
        self._audio = AudioTimes(parameters.audio.time_base) if parameters.audio else None
        self._held: list[TimedPacket] = []
        self._first_arrived_ns: int | None = None
        self._to_wall_ns = 0  # the box's wall clock minus its monotonic one, now
        self._run_to_wall_ns = 0  # the same by the run's anchor, what it was led since not counted
        self._anchor_ns: int | None = None
        self._spread_ns = 0
        self._source: AnchorSource = "arrival"
        self._sender_shift_ns = 0  # how much the sender moved the anchor
        self._sender_owed_ns = 0  # how much the run was to be led because of a later word of the sender
        self._word: TimedPacket | None = None  # the newest picture with a word of the sender's clock

    @property
    def repairs(self) -> Repairs:
        """What was repaired so far."""
        return self._video.repairs

    @property
    def ahead_ns(self) -> int:
        """How much the run's wall time is ahead of the box's wall clock by now; negative when it is behind."""
        return self._run_to_wall_ns + self._sender_owed_ns - self._video.approached_ns - self._to_wall_ns

    @property
    def clock(self) -> RunClock:
        """By what the run's wall time is known; of use once packets are given out."""
        apart_ns = abs(self._sender_shift_ns) + abs(self._sender_owed_ns)
        unsure_ns = apart_ns if self._source == "sender" else self._spread_ns
        offset_ns = self._offset_ns(self._word) if self._word is not None else None
        return RunClock(self._source, offset_ns, unsure_ns + abs(self.ahead_ns))

    def feed(self, packet: EncodedPacket, wall_ns: WallNs, monotonic_ns: MonotonicNs) -> list[TimedPacket]:
        """The packets whose place is known with this one, in order; `wall_ns` and `monotonic_ns` are read together."""
        self._to_wall_ns = wall_ns - monotonic_ns
        if self._first_arrived_ns is None:
            self._first_arrived_ns = packet.arrived_ns
        placed: list[TimedPacket] = []
        if packet.kind == "video":
            placed = self._video.feed(packet)
        elif self._audio is not None:
            placed = self._audio.feed(packet, self._video)
        if self._anchor_ns is None:
            self._held += placed
            if packet.arrived_ns - self._first_arrived_ns < SETTLE_NS or not self._video.has_begun:
                return []
            placed = self._settle()
        return self._released(placed)

    def finish(self) -> list[TimedPacket]:
        """The packets still held, the last picture as long as the one before it. Nothing may be fed afterwards."""
        placed = self._video.finish()
        if self._anchor_ns is None:
            self._held += placed
            placed = self._settle() if self._video.has_begun else []
        return self._released(placed)

    def wall_ns(self, ticks: int) -> WallNs:
        """When that moment of the video's media time was, by the wall clock; known once packets are given out."""
        assert self._anchor_ns is not None, "packets are given out after the anchor is known"
        return WallNs(self._anchor_ns + self._video.time_base.to_ns(ticks))

    def box_wall_ns(self, ticks: int) -> WallNs:
        """When that was by what the box's wall clock says now."""
        return WallNs(self.wall_ns(ticks) - self.ahead_ns)

    def begin_at(self, ticks: int, not_before_ns: WallNs) -> int:
        """Move the anchor forward so that `ticks` is not before where the record of before ends; by how much (ns)."""
        moved_ns = max(0, not_before_ns - self.wall_ns(ticks))
        self.move_to(ticks, WallNs(self.wall_ns(ticks) + moved_ns))
        return moved_ns

    def move_to(self, ticks: int, wall_ns: WallNs) -> None:
        """From now on `ticks` is at that wall time: for a run that begins there. Nobody asks for what was before."""
        assert self._anchor_ns is not None, "packets are given out after the anchor is known"
        moved_ns = wall_ns - self.wall_ns(ticks)
        self._anchor_ns += moved_ns
        self._run_to_wall_ns += moved_ns
        self._video.approach(0)

    def approach(self) -> None:
        """Lead the run to the box's clock: pictures last a little longer or shorter until the two agree."""
        self._video.approach(self.ahead_ns)

    def _settle(self) -> list[TimedPacket]:
        """From now on the anchor is known; gives the packets that waited for it."""
        placed, self._held = self._held, []
        self._spread_ns = self._video.settle()
        self._run_to_wall_ns = self._to_wall_ns
        self._anchor_ns = self._to_wall_ns + self._video.origin_ns
        word = _word_in(placed)
        offset_ns = self._offset_ns(word) if word is not None else None
        if offset_ns is not None and abs(offset_ns) <= SENDER_OFFSET_NS_MAX:
            self._source, self._sender_shift_ns = "sender", offset_ns
            self._anchor_ns += offset_ns
        return placed

    def _released(self, placed: list[TimedPacket]) -> list[TimedPacket]:
        """Hear what the sender says with these of its clock; gives them."""
        word = _word_in(placed)
        if word is not None:
            self._word = word
            if self._source == "arrival" and abs(offset_ns := self._offset_ns(word)) <= SENDER_OFFSET_NS_MAX:
                self._source, self._sender_owed_ns = "sender", -offset_ns
                self._video.approach(-offset_ns)
        return placed

    def _offset_ns(self, word: TimedPacket) -> int:
        """The sender's clock minus the box's, by that word of it."""
        assert self._anchor_ns is not None, "packets are given out after the anchor is known"
        assert word.packet.sender_wall_ns is not None, "it is a word of the sender's clock"
        # The box's word on when tick 0 was, without the sender's.
        begun_ns = self._anchor_ns - self.ahead_ns - self._sender_shift_ns + self._sender_owed_ns
        return word.packet.sender_wall_ns - begun_ns - self._video.time_base.to_ns(word.pts)


def _word_in(placed: Sequence[TimedPacket]) -> TimedPacket | None:
    """The newest of these that carries a word of the sender's clock."""
    for timed in reversed(placed):
        if timed.packet.sender_wall_ns is not None and timed.packet.kind == "video":
            return timed
    return None

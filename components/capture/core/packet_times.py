"""The media times of a connection's packets: ticks that only run forward, whatever the sender says.

Video decides, by the sender's times as far as they can be believed and by the arrivals otherwise; audio is put beside
it. What senders get wrong is repaired here and counted; the rules are those of `timeline`. Nothing here knows a wall
clock.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.capture.core.packets import EncodedPacket, TimedPacket
from components.shared.wire.units import NS_PER_MS, NS_PER_S, TimeBase

SETTLE_NS = 400 * NS_PER_MS
"""Several pictures of a slow camera after the burst; what a kill in a run's first moment would lose."""

JUMP_NS = NS_PER_S
"""A sender's time that moves by more, unlike ours, has jumped; by less, it is jitter."""

LEAD_NS_MAX = 2 * NS_PER_S
"""Media time may be ahead of the arrivals by this much: the anchor's error and a sender's jitter."""

LAG_NS_MAX = 30 * NS_PER_S
"""A connection delivers later than this only after it counts as frozen: the sender's time stood still."""

SLEW_WINDOW_NS = 30 * NS_PER_S
"""The least delay of a window says how clocks differ; a congested network is clear at times within it."""

SLEW_FROM_NS = 250 * NS_PER_MS
"""Smaller differences are the network's."""

SLEW_PART = 16
"""A sixteenth of a picture's duration: not seen in playback, and more than the worst clock of a camera is wrong.

A difference is spread over a window: what a good clock drifts changes a picture by less than a hundredth."""

APPROACH_NS_MAX = 1_500 * NS_PER_MS
"""A run is led elsewhere in pieces: by less than `LEAD_NS_MAX`, so that what is not there yet is no jump."""

AUDIO_SKEW_NS_MAX = NS_PER_S
"""Sound further away from the picture than this has times of its own and is put beside the picture anew."""

FIRST_DURATION_NS = 40 * NS_PER_MS
"""How long a picture lasts of whose kind nothing is known yet: 25 a second."""

_WRAP_BITS = (32, 33)
"""RTP timestamps have 32 bits, those of MPEG program streams 33."""


@dataclass(slots=True)
class Repairs:
    """What was wrong with the sender's times so far, for the log."""

    missing: int = 0
    backwards: int = 0
    jumped: int = 0
    slewed_ns: int = 0


class VideoTimes:
    """The places of pictures, the first at tick 0. One is held back until the next one says how long it lasts."""

    def __init__(self, time_base: TimeBase) -> None:
        self.time_base = time_base
        self.repairs = Repairs()
        self._jump_ticks = int(time_base.from_ns(JUMP_NS))
        self._without_time: list[EncodedPacket] = []
        self._last: EncodedPacket | None = None
        self._raw = 0  # the newest time of the sender that was believed, and what it stands for
        self._raw_dts = 0
        self._last_dts = 0
        self._last_pts = 0
        self._duration = max(1, int(time_base.from_ns(FIRST_DURATION_NS)))
        self._origin_ns: int | None = None
        self._is_settled = False
        self._window_began_ns = 0
        self._window_lag_ns: int | None = None
        self._slew_ticks = 0
        self._slew_ticks_all = 0  # of which `_slew_ticks` are left
        self._owed_ns = 0
        self._second_ns: int | None = None
        self._slewed_by_ns = 0
        self.approached_ns = 0

    @property
    def has_begun(self) -> bool:
        """Whether any picture has a place."""
        return self._last is not None

    @property
    def origin_ns(self) -> int:
        """The monotonic time of tick 0, as the arrivals say."""
        assert self._origin_ns is not None, "a picture has a place"
        return self._origin_ns

    def settle(self) -> int:
        """From now on the origin stands; how sure it is (ns): what the second-earliest start would have been later."""
        self._is_settled = True
        self._window_lag_ns = None
        spread_ns = 0 if self._second_ns is None else self._second_ns - self.origin_ns
        return spread_ns + self.time_base.to_ns(self._duration)

    def approach(self, ahead_ns: int) -> None:
        """Media time is that much ahead of where it is wanted; replaces what was said before."""
        self._owed_ns = ahead_ns

    @property
    def slewed_ns(self) -> int:
        """How much later pictures are than their sender's times say, by slewing alone."""
        return self._slewed_by_ns

    def place_ns(self, arrived_ns: int) -> int:
        """The media time, in ns, of a packet of another kind that arrived then, beside the pictures."""
        assert self._last is not None, "a picture has a place"
        return self.time_base.to_ns(self._last_dts) + max(0, arrived_ns - self._last.arrived_ns)

    @property
    def shift_ns(self) -> int:
        """How much placed times are ahead of the sender's."""
        return self.time_base.to_ns(self._raw_dts) - self.time_base.to_ns(self._raw)

    def feed(self, packet: EncodedPacket) -> list[TimedPacket]:
        """The pictures whose place and duration are known now."""
        if self._last is None:
            self._without_time.append(packet)
            if _time_of(packet) is None and packet.arrived_ns - self._without_time[0].arrived_ns < SETTLE_NS:
                return []
            return self._begin()
        placed = self._plainly(self._last, packet)
        if placed is None:
            dts = self._place(packet)
            placed = self._give_out(dts - self._last_dts)
            self._take(packet, dts)
        return [placed]

    def finish(self) -> list[TimedPacket]:
        """The picture held back."""
        placed = self._begin() if self._last is None and self._without_time else []
        return [*placed, self._give_out(self._duration)] if self._last is not None else []

    def _plainly(self, last: EncodedPacket, packet: EncodedPacket) -> TimedPacket | None:
        """The short way for a picture about which there is nothing to decide, as nearly all are; None for others.

        What it comes to is what the long way comes to, in a quarter of its time.
        """
        dts = packet.dts
        if self._window_lag_ns is None or self._slew_ticks or self._owed_ns or dts is None:
            return None
        ahead = 0 if packet.pts is None else packet.pts - dts
        step, arrived_ns = dts - self._raw, packet.arrived_ns
        place = self._raw_dts + step
        if not 0 < step <= self._jump_ticks or place <= self._last_dts:
            return None
        lag_ns = arrived_ns - self.origin_ns - self.time_base.to_ns(place)
        if lag_ns > LAG_NS_MAX or arrived_ns - self._window_began_ns >= SLEW_WINDOW_NS:
            return None
        if not 0 <= ahead <= self._jump_ticks:
            return None
        self._window_lag_ns = min(self._window_lag_ns, lag_ns)
        self._duration = place - self._last_dts
        placed = TimedPacket(last, self._last_dts, self._last_pts, self._duration)
        self._raw, self._raw_dts = dts, place
        self._last, self._last_dts, self._last_pts = packet, place, place + ahead
        return placed

    def _begin(self) -> list[TimedPacket]:
        """Place what came before the first known time: backwards from that one, by what each lasts."""
        waiting, self._without_time = self._without_time, []
        known = _time_of(waiting[-1])
        durations = [packet.duration_ticks or self._duration for packet in waiting[:-1]]
        raw = (known or 0) - sum(durations)
        self.repairs.missing += sum(1 for packet in waiting if _time_of(packet) is None)
        placed = []
        dts = 0
        for packet, duration in zip(waiting, [*durations, 0], strict=True):
            if self._last is not None:
                placed.append(self._give_out(dts - self._last_dts))
            self._believe(raw + dts, dts)
            self._take(packet, dts)
            dts += duration
        return placed

    def _give_out(self, duration: int) -> TimedPacket:
        assert self._last is not None, "a picture is held back"
        self._duration = duration
        return TimedPacket(self._last, self._last_dts, self._last_pts, duration)

    def _believe(self, raw: int, dts: int) -> int:
        """From now on the sender's time `raw` stands for `dts`; gives `dts`."""
        self._raw, self._raw_dts = raw, dts
        return dts

    def _take(self, packet: EncodedPacket, dts: int) -> None:
        ahead = 0
        if packet.pts is not None and packet.dts is not None:
            ahead = packet.pts - packet.dts
            if not 0 <= self.time_base.to_ns(ahead) <= LEAD_NS_MAX:
                ahead = 0
        self._last, self._last_dts, self._last_pts = packet, dts, dts + ahead
        self._learn_origin(packet.arrived_ns - self.time_base.to_ns(dts))
        self._watch_clock(packet.arrived_ns)

    def _learn_origin(self, origin_ns: int) -> None:
        if self._is_settled:
            return
        if self._origin_ns is None or origin_ns < self._origin_ns:
            self._origin_ns, self._second_ns = origin_ns, self._origin_ns
        elif self._second_ns is None or origin_ns < self._second_ns:
            self._second_ns = origin_ns

    def _place(self, packet: EncodedPacket) -> int:
        """The packet's decode time in the run: after the one before, always."""
        assert self._last is not None, "the first picture has a place"
        as_arrived = max(self._last_dts + 1, int(self.time_base.from_ns(packet.arrived_ns - self.origin_ns)))
        raw = _time_of(packet)
        if raw is None:
            self.repairs.missing += 1
            step = self._last.duration_ticks or self._duration
            is_near = abs(self.time_base.to_ns(as_arrived - self._last_dts - step)) <= JUMP_NS or not self._is_settled
            dts = self._last_dts + step if is_near else as_arrived
            return self._believe(self._raw + dts - self._raw_dts, dts)
        step = self._unwrapped(raw - self._raw)
        if self._has_jumped(step, packet.arrived_ns):
            self.repairs.jumped += 1
            return self._believe(raw, as_arrived)
        if step <= 0 or self._raw_dts + step <= self._last_dts:
            # What the times stand for stays: those that follow catch up by themselves.
            self.repairs.backwards += 1
            return self._last_dts + 1
        return self._believe(raw, max(self._last_dts + 1, self._raw_dts + self._slewed(step)))

    def _unwrapped(self, step: int) -> int:
        for bits in _WRAP_BITS:
            short = (step + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)
            if short != step and abs(self.time_base.to_ns(short)) <= JUMP_NS:
                return short
        return step

    def _has_jumped(self, step: int, arrived_ns: int) -> bool:
        step_ns = self.time_base.to_ns(step)
        if step_ns < -JUMP_NS:
            return True
        lag_ns = arrived_ns - self.origin_ns - self.time_base.to_ns(self._raw_dts) - step_ns
        if step_ns > JUMP_NS:
            return lag_ns < (-LEAD_NS_MAX if self._is_settled else -LAG_NS_MAX)
        return lag_ns > LAG_NS_MAX

    def _watch_clock(self, arrived_ns: int) -> None:
        """Learn from the least delay of each window how far the sender's clock has drifted from ours.

        What is being slewed already does not count a second time.
        """
        if not self._is_settled:
            return
        self._take_piece()
        left_ns = self.time_base.to_ns(self._slew_ticks)
        lag_ns = arrived_ns - self.origin_ns - self.time_base.to_ns(self._last_dts) - left_ns
        if self._window_lag_ns is None:
            self._window_began_ns = arrived_ns
            self._window_lag_ns = lag_ns
        self._window_lag_ns = min(self._window_lag_ns, lag_ns)
        if arrived_ns - self._window_began_ns >= SLEW_WINDOW_NS:
            if abs(self._window_lag_ns) >= SLEW_FROM_NS:
                self._slew_by(int(self.time_base.from_ns(self._window_lag_ns)))
            self._window_lag_ns = None

    def _take_piece(self) -> None:
        """Lead media time the next piece of the way, once the one before is done."""
        if not self._owed_ns or self._slew_ticks:
            return
        piece_ns = max(-APPROACH_NS_MAX, min(APPROACH_NS_MAX, self._owed_ns))
        self._owed_ns -= piece_ns
        self.approached_ns += piece_ns
        self._origin_ns = self.origin_ns + piece_ns
        self._slew_by(-int(self.time_base.from_ns(piece_ns)))

    def _slew_by(self, ticks: int) -> None:
        self._slew_ticks += ticks
        self._slew_ticks_all = abs(self._slew_ticks)

    def _slewed(self, step: int) -> int:
        spread = step * self._slew_ticks_all // max(1, int(self.time_base.from_ns(SLEW_WINDOW_NS)))
        change = min(abs(self._slew_ticks), step // SLEW_PART, max(1, spread))
        if self._slew_ticks < 0:
            change = -change
        self._slew_ticks -= change
        self._slewed_by_ns += self.time_base.to_ns(change)
        self.repairs.slewed_ns += abs(self.time_base.to_ns(change))
        return step + change


class AudioTimes:
    """The places of audio packets, in ticks of their own, beside the pictures."""

    def __init__(self, time_base: TimeBase) -> None:
        self._base = time_base
        self._shift_ns: int | None = None
        self._last_dts: int | None = None

    def feed(self, packet: EncodedPacket, video: VideoTimes) -> list[TimedPacket]:
        """The packet with its place; none for sound from before the first picture."""
        if not video.has_begun:
            return []
        beside_ns = video.place_ns(packet.arrived_ns)
        raw = _time_of(packet)
        if raw is None:
            dts = int(self._base.from_ns(beside_ns))
        else:
            raw_ns = self._base.to_ns(raw) + video.slewed_ns  # what pictures are slewed, sound is too
            if self._shift_ns is None:
                self._shift_ns = video.shift_ns - video.slewed_ns
            if abs(raw_ns + self._shift_ns - beside_ns) > AUDIO_SKEW_NS_MAX:
                self._shift_ns = beside_ns - raw_ns
            dts = int(self._base.from_ns(raw_ns + self._shift_ns))
        if dts < 0:
            return []  # from before the first picture
        if self._last_dts is not None:
            dts = max(dts, self._last_dts + 1)
        self._last_dts = dts
        return [TimedPacket(packet, dts, dts, max(1, packet.duration_ticks))]


def _time_of(packet: EncodedPacket) -> int | None:
    return packet.dts if packet.dts is not None else packet.pts

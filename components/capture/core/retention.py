"""Which footage is deleted, in which order and why. Pure: from values to a list.

Every closed segment has a class (`idle`: recorded in the mode `motion`, looked at, and no event touches it; `event`: a
video event touches it, its margins included; `plain`: all other footage), a state of its upload, and may be
bookmarked. What goes, goes in the order of `Rank`, and within a rank the oldest first:

- What is past its age goes. Nothing has an age while the wall clock is not trusted. Bookmarked footage has none, and
  neither has footage that waits for its upload, unless it is idle: nobody waits for that.
- Where room is needed (a volume's free space, the bytes of a camera or of the site), the order goes on: idle and
  uploaded footage first, then what has no copy anywhere else, bookmarks last of all. A later rank is touched only when
  there is nothing of an earlier one left that would serve the same need; and nothing goes where all of it would not be
  room enough to record again.
- One pass deletes at most `PassLimits` per volume, whatever the settings and clocks say.

It knows nothing of where the values come from. Candidates may come in any order and any number: what is held of them
is bounded by cameras, volumes and the pass's limit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

from components.shared.wire.object_keys import StreamName
from components.shared.wire.recording_config import CameraRetentionSection, RetentionSection, UploadPolicy
from components.shared.wire.units import NS_PER_S, WallNs

FootageClass = Literal["idle", "plain", "event"]
Upload = Literal["uploaded", "waiting", "refused", "unwanted"]
"""`waiting` is also what is not known; `refused` will never be uploaded; `unwanted` footage nobody uploads:
its site uploads nothing, or its camera's policy leaves it out."""

MINUTE_NS = 60 * NS_PER_S
DAY_NS = 86_400 * NS_PER_S

PERCENT = 100
MARGIN_PERCENT = 1
"""How much more than is needed is made free at once, in percent of what is bounded: a scan is worth some hours."""


FILES_RESERVE = 1_000
"""A volume that can hold fewer new files is as good as full: 32 cameras make some thousand a day."""


class Rank(IntEnum):
    """The order in which footage goes; what has a copy in the cloud, or needs none, is `safe`."""

    EXPIRED = 0
    IDLE = 1
    SAFE_PLAIN = 2
    SAFE_EVENT = 3
    ONLY_PLAIN = 4
    ONLY_EVENT = 5
    SAFE_BOOKMARKED = 6
    ONLY_BOOKMARKED = 7


@dataclass(frozen=True, slots=True)
class Footage:
    """A closed segment as retention sees it."""

    segment: str
    camera: str
    stream: StreamName
    volume: str
    start_ns: int
    end_ns: int
    size_bytes: int
    footage_class: FootageClass
    upload: Upload
    is_bookmarked: bool = False

    @property
    def is_safe(self) -> bool:
        """Whether its deletion loses nothing that somebody wants to have elsewhere."""
        return self.upload in ("uploaded", "unwanted") or self.footage_class == "idle"


@dataclass(frozen=True, slots=True)
class Rules:
    """The site's settings and what is different per camera; of `unknown` cameras the own document cannot be read.

    `uploads` says what of a camera's footage is uploaded.
    """

    site: RetentionSection
    cameras: Mapping[str, CameraRetentionSection] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    uploads: Mapping[str, UploadPolicy] = field(default_factory=dict)

    def age(self, footage: Footage) -> tuple[int, str] | None:
        """How old it may become and what to say then; None for ever."""
        if footage.is_bookmarked or footage.camera in self.unknown:
            return None
        if footage.footage_class == "idle":
            return self.idle_ns, f"no event in it for {self.site.idle_minutes} minutes"
        if footage.upload == "waiting":
            return None
        own = self.cameras.get(footage.camera, _NOTHING)
        if footage.footage_class == "event":
            days = self.site.event_days if own.event_days is None else own.event_days
            return days * DAY_NS, f"event older than {days} days"
        days = self.site.days if own.days is None else own.days
        return days * DAY_NS, f"older than {days} days"

    @property
    def idle_ns(self) -> int:
        """How long idle footage is kept: at least as long as an event may still reach back into it."""
        return max(self.site.idle_minutes * MINUTE_NS, self.site.event_before_s * NS_PER_S)

    @property
    def age_ns_min(self) -> int:
        """Younger footage than this is never past its age, idle one excepted."""
        days = [self.site.days, self.site.event_days]
        for own in self.cameras.values():
            days += [found for found in (own.days, own.event_days) if found is not None]
        return min(days) * DAY_NS


_NOTHING = CameraRetentionSection()


@dataclass(frozen=True, slots=True)
class VolumeSpace:
    """A volume as it is now. With less than `reserve_bytes` free, recording on it stops; with half more it goes on."""

    volume: str
    total_bytes: int
    free_bytes: int
    footage_bytes: int
    reserve_bytes: int
    free_files: int = FILES_RESERVE * 2

    @property
    def full_mark_bytes(self) -> int:
        """Below this the volume is nearly full: recording that has stopped goes on above it."""
        return self.reserve_bytes * 3 // 2

    @property
    def is_nearly_full(self) -> bool:
        """Whether room must be made at once."""
        return self.free_bytes < self.full_mark_bytes or self.free_files < FILES_RESERVE

    @property
    def ours_bytes(self) -> int:
        """What others leave: room and footage together."""
        return self.free_bytes + self.footage_bytes

    def goal_bytes(self, free_percent_min: int) -> int:
        """What should be free: the percentage, but where others take the disk at most half of what they leave.

        It is never less than what recording needs to go on once it has stopped. Where that cannot be had, half of what
        is left above the reserve keeps it from stopping.
        """
        if self.ours_bytes < self.full_mark_bytes:
            return self.reserve_bytes + max(0, self.ours_bytes - self.reserve_bytes) // 2
        wanted = self.total_bytes * free_percent_min // PERCENT
        return max(self.full_mark_bytes, min(wanted, self.ours_bytes // 2))

    def can_have_room(self, going_bytes: int) -> bool:
        """Whether recording could go on if footage went: otherwise none goes in vain. `going_bytes` go anyway."""
        goes_on = self.free_bytes + going_bytes >= self.reserve_bytes and self.ours_bytes > self.reserve_bytes
        return goes_on or self.ours_bytes >= self.full_mark_bytes

    @property
    def margin_bytes(self) -> int:
        """What is made free beyond the goal."""
        return self.total_bytes * MARGIN_PERCENT // PERCENT


@dataclass(frozen=True, slots=True)
class Stock:
    """The volumes that are there, and how much footage each camera has on all of them."""

    volumes: tuple[VolumeSpace, ...]
    camera_bytes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PassLimits:
    """What one pass deletes of a volume at most, so that a wrong setting or clock does not empty it in a moment.

    A pass a minute is 71 MB/s, twice what 32 cameras of 8 Mbit/s write, and four hours for a terabyte: long enough for
    somebody to notice. 256 segments are as much of 2 Mbit/s and 60 s. At least one segment is always deleted.
    """

    segments_max: int = 256
    size_bytes_max: int = 4 * 1024**3


@dataclass(frozen=True, slots=True)
class Deletion:
    """One segment to delete."""

    footage: Footage
    rank: Rank
    reason: str

    @property
    def is_early(self) -> bool:
        """Whether it goes before its age, for want of room."""
        return self.rank is not Rank.EXPIRED

    @property
    def is_lost(self) -> bool:
        """Whether it goes early and nothing else has a copy that somebody wants."""
        return self.is_early and not self.footage.is_safe


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes, or where `weigh` says so files, that should go; `serves` tells which footage would help.

    `margin` more should go while there is something with a copy elsewhere. Of what cannot be met nothing goes: that may
    depend on how much goes anyway. One that `is_wide` is met on any volume, and perhaps by what goes for others anyway.
    """

    what: str
    amount: int
    margin: int
    reason: str
    serves: Callable[[Footage], bool]
    can_be_met: Callable[[int], bool] = lambda _going: True
    weigh: Callable[[Footage], int] = lambda footage: footage.size_bytes
    is_wide: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What to delete now, in this order. `is_capped`: more is due than a pass may delete; `unmet`: needs that stay."""

    deletions: tuple[Deletion, ...]
    is_capped: bool = False
    unmet: tuple[str, ...] = ()


def needs_of(rules: Rules, stock: Stock) -> list[Need]:
    """Where room is needed: volumes first, then cameras, then the whole site."""
    found: list[Need] = []
    for space in stock.volumes:
        found += _needs_of_volume(rules, space)
    for camera, size_bytes in sorted(stock.camera_bytes.items()):
        bound = rules.cameras.get(camera, _NOTHING).bytes_max
        if bound is not None and size_bytes > bound:
            reason = f"room: the camera had more than its {bound} bytes"
            found.append(Need(f"camera {camera}", *_over(size_bytes, bound), reason, _of_camera(camera), is_wide=True))
    total_bytes, bound = sum(stock.camera_bytes.values()), rules.site.bytes_max
    if bound is not None and total_bytes > bound:
        reason = f"room: the site had more than its {bound} bytes"
        found.append(Need("the site", *_over(total_bytes, bound), reason, lambda _footage: True, is_wide=True))
    return found


def _needs_of_volume(rules: Rules, space: VolumeSpace) -> list[Need]:
    found: list[Need] = []
    what, serves = f"volume {space.volume}", _on_volume(space.volume)
    goal_bytes = space.goal_bytes(rules.site.free_percent_min)
    if space.free_bytes < goal_bytes:
        reason = f"room: less than {rules.site.free_percent_min} % of the volume was free"
        if goal_bytes <= space.full_mark_bytes:
            reason = "room: the volume was nearly full"
        missing = goal_bytes - space.free_bytes
        found.append(Need(what, missing, space.margin_bytes, reason, serves, space.can_have_room))
    if space.free_files < FILES_RESERVE:
        reason = "room: the volume could hold hardly any more files"
        missing = FILES_RESERVE - space.free_files
        found.append(Need(what, missing, FILES_RESERVE, reason, serves, weigh=lambda _footage: 1))
    return found


def rank_of(footage: Footage, rules: Rules, now_ns: WallNs | None) -> tuple[Rank, str]:
    """Its place in the order, and the reason if it is past its age. Without a trusted clock nothing is."""
    limit = rules.age(footage) if now_ns is not None else None
    if limit is not None and now_ns is not None and now_ns - footage.end_ns >= limit[0]:
        return Rank.EXPIRED, limit[1]
    if footage.is_bookmarked:
        return (Rank.SAFE_BOOKMARKED if footage.is_safe else Rank.ONLY_BOOKMARKED), ""
    if footage.footage_class == "idle":
        return Rank.IDLE, ""
    if footage.footage_class == "event":
        return (Rank.SAFE_EVENT if footage.is_safe else Rank.ONLY_EVENT), ""
    return (Rank.SAFE_PLAIN if footage.is_safe else Rank.ONLY_PLAIN), ""


def plan(
    footage: Iterable[Footage],
    rules: Rules,
    stock: Stock,
    now_ns: WallNs | None,
    limits: PassLimits | None = None,
) -> Plan:
    """What to delete of `footage`. `now_ns` is None while the wall clock is not trusted.

    Footage on volumes that are not in `stock` is left alone: its disk is not there.
    """
    limits = limits or PassLimits()
    there = {space.volume for space in stock.volumes}
    shortlist = _Shortlist(limits.segments_max)
    needs = needs_of(rules, stock)
    for one in footage:
        if one.volume in there:
            rank, reason = rank_of(one, rules, now_ns)
            if rank is Rank.EXPIRED or needs:
                shortlist.add(Deletion(one, rank, reason))
    candidates = shortlist.sorted()
    chosen = {found.footage.segment: found for found in candidates if found.rank is Rank.EXPIRED}
    cuts = shortlist.last_before_cuts()
    unmet, is_cut = [], any(last.footage.segment in chosen for last in cuts)
    for need in needs:
        if not (need.is_wide and is_cut):  # otherwise it waits for a pass that knows all that goes for others
            is_met, is_open = _meet(need, candidates, cuts, chosen)
            unmet += [] if is_met else [need.what]
            is_cut |= is_open
    deletions, is_capped = _cap(sorted(chosen.values(), key=_order), limits)
    is_capped |= is_cut
    return Plan(tuple(deletions), is_capped, () if is_capped else tuple(unmet))


def _meet(
    need: Need, candidates: Sequence[Deletion], cuts: Sequence[Deletion], chosen: dict[str, Deletion]
) -> tuple[bool, bool]:
    """Adds to `chosen`, in order, what a need still asks for; whether there is enough, and whether a cut ended it.

    What comes behind the first of the `cuts` waits for another pass: what was cut off there comes before it.
    """
    going = sum(need.weigh(found.footage) for found in chosen.values() if need.serves(found.footage))
    missing = need.amount - going
    if not need.can_be_met(going):
        return missing <= 0, False
    known_until = min((_order(last) for last in cuts if need.serves(last.footage)), default=None)
    for candidate in candidates:
        if known_until is not None and _order(candidate) > known_until:
            return missing <= 0, True
        footage = candidate.footage
        margin = need.margin if candidate.rank < Rank.ONLY_PLAIN else 0
        if missing + margin <= 0:
            return True, False
        if footage.segment not in chosen and need.serves(footage):
            chosen[footage.segment] = Deletion(footage, candidate.rank, need.reason)
            missing -= need.weigh(footage)
    return missing <= 0, known_until is not None


def _cap(deletions: Sequence[Deletion], limits: PassLimits) -> tuple[list[Deletion], bool]:
    """The first of them that one pass may delete on each volume, and whether some were left out."""
    kept: list[Deletion] = []
    counts: dict[str, int] = defaultdict(int)
    sizes: dict[str, int] = defaultdict(int)
    full: set[str] = set()
    for deletion in deletions:
        volume = deletion.footage.volume
        counts[volume] += 1
        sizes[volume] += deletion.footage.size_bytes
        if counts[volume] > 1 and (counts[volume] > limits.segments_max or sizes[volume] > limits.size_bytes_max):
            full.add(volume)
        if volume not in full:
            kept.append(deletion)
    return kept, bool(full)


class _Shortlist:
    """The first candidates of each camera on each volume: a pass cannot use more of them."""

    def __init__(self, each_max: int) -> None:
        self._each_max = max(1, each_max)
        self._groups: dict[tuple[str, str], list[Deletion]] = defaultdict(list)
        self._was_cut: set[tuple[str, str]] = set()

    def add(self, candidate: Deletion) -> None:
        key = (candidate.footage.volume, candidate.footage.camera)
        self._groups[key].append(candidate)
        if len(self._groups[key]) > 2 * self._each_max:
            self._cut(key)

    def sorted(self) -> list[Deletion]:
        for key in self._groups:
            self._cut(key)
        return sorted((one for group in self._groups.values() for one in group), key=_order)

    def last_before_cuts(self) -> list[Deletion]:
        """Of each group that was cut, the last that was kept: if that one goes, more would have."""
        return [self._groups[key][-1] for key in self._was_cut]

    def _cut(self, key: tuple[str, str]) -> None:
        group = self._groups[key]
        group.sort(key=_order)
        if len(group) > self._each_max:
            # What is cut off comes after a whole pass of better ones.
            self._was_cut.add(key)
            del group[self._each_max :]


def _order(deletion: Deletion) -> tuple[int, int, str]:
    return deletion.rank, deletion.footage.start_ns, deletion.footage.segment


def _over(size_bytes: int, bound: int) -> tuple[int, int]:
    return size_bytes - bound, bound * MARGIN_PERCENT // PERCENT


def _on_volume(volume: str) -> Callable[[Footage], bool]:
    return lambda footage: footage.volume == volume


def _of_camera(camera: str) -> Callable[[Footage], bool]:
    return lambda footage: footage.camera == camera

"""What becomes of an upload: by its camera's policy, and by what happened while it was recorded.

| policy   | an event or a bookmark touches it                          | nothing does  |
|----------|------------------------------------------------------------|---------------|
| `all`    | goes with the events                                       | goes in turn  |
| `events` | its clips and its picture go; all of it if they are nearly | is left out   |
| `none`   | is left out                                                | is left out   |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from components.cloud_sync.core.clips import Cut, Happening, cuts_of, is_nearly_whole
from components.cloud_sync.core.plan import EVENT_PRIORITY, PRIORITY_MAX, SEGMENT_PRIORITY, Why
from components.shared.wire.object_keys import StreamName
from components.shared.wire.recording_config import UploadPolicy
from components.shared.wire.segment_metadata import SegmentFacts

RANK_MAX = 2**63 - 1  # behind any place that an upload has already

Verdict = Literal["", "left_out"]


@dataclass(frozen=True, slots=True)
class Choice:
    """Whether an upload is left out, its place, and the clips that go of its segment."""

    hold: Verdict
    priority: int = PRIORITY_MAX
    rank: int = RANK_MAX
    cuts: tuple[Cut, ...] = ()


def rank_of(happenings: Sequence[Happening]) -> int:
    """The place among the footage of events: the newest that touches it counts, newer ones go first."""
    return -max(happening.start_ns for happening in happenings)


def why_of(happenings: Sequence[Happening]) -> Why:
    """Why a clip is made of these, which touch it: the newest is named."""
    newest = max(happenings, key=lambda happening: happening.start_ns)
    reason: Literal["event", "bookmark"] = "bookmark" if newest.is_bookmark else "event"
    return Why(reason, newest.id, EVENT_PRIORITY, rank_of(happenings))


def choose_picture(policy: UploadPolicy, touching: Sequence[Happening]) -> Choice:
    """What becomes of a segment's thumbnail."""
    rank = rank_of(touching) if touching else RANK_MAX
    return Choice("" if policy == "all" or (policy == "events" and touching) else "left_out", rank=rank)


def choose_segment(
    policy: UploadPolicy, touching: Sequence[Happening], stream: StreamName, facts: SegmentFacts | None
) -> Choice:
    """What becomes of a segment. `facts` None: it is deleted, and nothing can be cut of it.

    Clips are cut of main streams only: a sub stream shows the same.
    """
    if not touching:
        return Choice("" if policy == "all" else "left_out", SEGMENT_PRIORITY)
    rank = rank_of(touching)
    if policy != "events":
        return Choice("" if policy == "all" else "left_out", EVENT_PRIORITY, rank)
    if stream != "main" or facts is None:
        return Choice("left_out", EVENT_PRIORITY, rank)
    cuts = cuts_of(facts, [happening.within(facts.start_ns, facts.end_ns) for happening in touching])
    if is_nearly_whole(facts, cuts):
        return Choice("", EVENT_PRIORITY, rank)
    return Choice("left_out", EVENT_PRIORITY, rank, tuple(cuts))

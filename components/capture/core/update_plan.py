"""How long an update of the core is put off so that segments which are nearly complete are completed.

A stop closes every segment in good order at any moment, so that nothing is lost by an update that comes at once. It is
put off only to make whole segments of nearly whole ones: until the last cut that is due within the maximum. Nobody
waits for streams whose cuts are further away.
"""

from __future__ import annotations

from collections.abc import Iterable

from components.shared.wire.units import NS_PER_S

PUT_OFF_NS_MAX = 60 * NS_PER_S
"""What a core waits for an answer by default, and what people who watch a deployment bear."""

CUT_NS = 2 * NS_PER_S
"""A cut comes with the first keyframe after the target: two seconds of most cameras."""


def put_off_ns(open_ages_ns: Iterable[int], target_ns: int) -> int:
    """For how long; 0 when no cut is near. `open_ages_ns` is how long each open segment has lasted."""
    longest_ns = min(PUT_OFF_NS_MAX, target_ns)
    due = (target_ns - age_ns + CUT_NS for age_ns in open_ages_ns)
    return max((wait_ns for wait_ns in due if 0 < wait_ns <= longest_ns), default=0)

"""What start-up has to add to a stream's record for the time in which nobody recorded.

Whether a record is whole is `wire/coverage`.
"""

from __future__ import annotations

from typing import Literal

from components.shared.wire.coverage import Coverage, cover
from components.shared.wire.units import Span, WallNs

__all__ = ["Coverage", "DownCause", "absence", "cover"]

DownCause = Literal["component_down", "box_down", "starting"]


def absence(
    record_end_ns: WallNs | None, enabled_ns: WallNs, booted_ns: WallNs, started_ns: WallNs
) -> tuple[Span, DownCause] | None:
    """The gap, and its cause, from the end of a stream's record to this start of the component; None without one.

    `enabled_ns` is when the stream was enabled, `booted_ns` when the box booted, both by the wall clock.
    """
    if record_end_ns is None:
        return (Span(enabled_ns, started_ns), "starting") if enabled_ns < started_ns else None
    if record_end_ns >= started_ns:
        return None
    return Span(record_end_ns, started_ns), "box_down" if booted_ns > record_end_ns else "component_down"

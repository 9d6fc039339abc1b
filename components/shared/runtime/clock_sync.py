"""Asks the kernel whether a time server keeps the box's clock right: the one place that does.

`adjtimex` tells it whoever keeps the time (chrony, ntpd, systemd-timesyncd): the kernel takes its word back when the
clock is set by hand, and half a day after the last word of a server. A container sees the clock, and the word, of its
host.
"""

from __future__ import annotations

import ctypes
import sys

_TIME_ERROR = 5
"""What adjtimex returns while the clock is not synchronised (adjtimex(2))."""

_TIMEX_BYTES = 256
"""More than any architecture's `struct timex`; all zero asks and sets nothing."""


def read_synchronised() -> bool | None:
    """Whether the clock is synchronised; None where the kernel cannot be asked."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        library = ctypes.CDLL(None, use_errno=True)
        state = int(library.adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _TIME_ERROR

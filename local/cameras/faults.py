"""The ways in which a stand-in camera can misbehave while it runs, and what each of them needs to be told.

It only names and checks them; the camera and its connections do them.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass


class Fault(enum.StrEnum):
    """What a camera does wrong."""

    NONE = "none"
    STALL = "stall"  # the connection stays and RTSP is answered, but no packet comes
    REFUSE = "refuse"  # a new client gets 503 and is closed
    SILENT = "silent"  # requests are taken and never answered
    UNAUTHORIZED = "unauthorized"  # the right password is refused too
    NO_KEYFRAME = "no_keyframe"  # keyframes are left out, everything else is sent
    GARBAGE = "garbage"  # random bytes in well-formed RTP packets
    TEARDOWN = "teardown"  # RTCP BYE and an orderly end, once
    RESET = "reset"  # the connections are cut off, once
    RESOLUTION = "resolution"  # another picture size from the next keyframe on
    FREEZE = "freeze"  # the loop's first picture again and again, with new timestamps and stamps
    DROP_RTCP = "drop_rtcp"  # no sender reports
    LOSS = "loss"  # every n-th RTP packet is left out
    REORDER = "reorder"  # every n-th RTP packet comes after the next one
    HANG = "hang"  # no packet comes and no request is answered, though connections stand
    SLOW = "slow"  # what the camera says over TCP comes a byte a second
    REBOOT = "reboot"  # whoever plays is cut off after a while, again and again
    HALF_OPEN = "half_open"  # present connections are forgotten and never closed, once
    SEQUENCE_JUMP = "sequence_jump"  # the RTP sequence numbers jump, once
    TIMESTAMP_JUMP = "timestamp_jump"  # the RTP timestamps jump, once
    NEW_SPS = "new_sps"  # another sequence parameter set from the next keyframe on, the same picture
    NEW_PPS = "new_pps"  # another picture parameter set alone
    BLACK = "black"  # from the next keyframe on nothing is seen
    COVERED = "covered"  # something is before the lens
    BLURRED = "blurred"  # the lens is out of focus
    MOVED = "moved"  # the camera looks elsewhere
    CLOCK = "clock"  # the camera's own clock is off by so many seconds more


ONCE = (Fault.TEARDOWN, Fault.RESET, Fault.HALF_OPEN, Fault.SEQUENCE_JUMP, Fault.TIMESTAMP_JUMP)

LOSS_EVERY_DEFAULT = 50  # packets: hurts a few frames a second, leaves whole ones between
AFTER_S_DEFAULT = 3
BY_DEFAULT = {Fault.SEQUENCE_JUMP: 20_000, Fault.TIMESTAMP_JUMP: 3_600, Fault.CLOCK: 3_600}  # packets; seconds


class InvalidFaultError(Exception):
    """A fault that does not exist, or with settings it does not take."""


@dataclass(frozen=True)
class FaultOrder:
    """A fault to be set. `drop` also cuts off the camera's present connections, so that clients come anew."""

    fault: Fault
    drop: bool = False
    width: int = 0  # RESOLUTION: 0 means half of the camera's own, or double where half is too small
    height: int = 0
    every: int = LOSS_EVERY_DEFAULT  # LOSS, REORDER
    after_s: int = AFTER_S_DEFAULT  # REBOOT
    by: int = 0  # SEQUENCE_JUMP: packets, TIMESTAMP_JUMP, CLOCK: seconds; may be negative, 0 means BY_DEFAULT


def parse_order(body: object) -> FaultOrder:
    """The order in a decoded JSON body; raises InvalidFaultError."""
    if not isinstance(body, Mapping):
        raise InvalidFaultError("the order is not an object")
    unknown = set(body) - {"fault", "drop", "width", "height", "every", "after_s", "by"}
    if unknown:
        raise InvalidFaultError(f"unknown keys {sorted(unknown)}")
    try:
        fault = Fault(str(body.get("fault")))
    except ValueError as error:
        raise InvalidFaultError(f"no fault {body.get('fault')!r}: one of {', '.join(Fault)}") from error
    numbers = {"width": 0, "height": 0, "every": LOSS_EVERY_DEFAULT, "after_s": AFTER_S_DEFAULT, "by": 0}
    for key, default in numbers.items():
        value = body.get(key, default)
        if type(value) is not int or (value < 0 and key != "by"):
            raise InvalidFaultError(f"{key} is {value!r}, not a number from 0 up")
        numbers[key] = value
    if numbers["every"] < 2:
        raise InvalidFaultError("every is below 2: nothing would be left")
    drop = body.get("drop", False)
    if not isinstance(drop, bool):
        raise InvalidFaultError(f"drop is {drop!r}, not true or false")
    numbers["by"] = numbers["by"] or BY_DEFAULT.get(fault, 0)
    return FaultOrder(fault, drop, **numbers)

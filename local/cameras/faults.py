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


ONCE = (Fault.TEARDOWN, Fault.RESET)

LOSS_EVERY_DEFAULT = 50  # packets: hurts a few frames a second, leaves whole ones between


class InvalidFaultError(Exception):
    """A fault that does not exist, or with settings it does not take."""


@dataclass(frozen=True)
class FaultOrder:
    """A fault to be set. `drop` also cuts off the camera's present connections, so that clients come anew."""

    fault: Fault
    drop: bool = False
    width: int = 0  # RESOLUTION: 0 means half of the camera's own, or double where half is too small
    height: int = 0
    every: int = LOSS_EVERY_DEFAULT  # LOSS


def parse_order(body: object) -> FaultOrder:
    """The order in a decoded JSON body; raises InvalidFaultError."""
    if not isinstance(body, Mapping):
        raise InvalidFaultError("the order is not an object")
    unknown = set(body) - {"fault", "drop", "width", "height", "every"}
    if unknown:
        raise InvalidFaultError(f"unknown keys {sorted(unknown)}")
    try:
        fault = Fault(str(body.get("fault")))
    except ValueError as error:
        raise InvalidFaultError(f"no fault {body.get('fault')!r}: one of {', '.join(Fault)}") from error
    numbers = {"width": 0, "height": 0, "every": LOSS_EVERY_DEFAULT}
    for key, default in numbers.items():
        value = body.get(key, default)
        if type(value) is not int or value < 0:
            raise InvalidFaultError(f"{key} is {value!r}, not a number from 0 up")
        numbers[key] = value
    if numbers["every"] < 2:
        raise InvalidFaultError("every is below 2: nothing would be left")
    drop = body.get("drop", False)
    if not isinstance(drop, bool):
        raise InvalidFaultError(f"drop is {drop!r}, not true or false")
    return FaultOrder(fault, drop, **numbers)

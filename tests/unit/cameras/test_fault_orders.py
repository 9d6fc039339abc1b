"""Orders to misbehave."""

import pytest

from local.cameras.faults import Fault, FaultOrder, InvalidFaultError, parse_order


def test_every_fault_can_be_ordered() -> None:
    """Each fault's name alone is an order."""
    for fault in Fault:
        assert parse_order({"fault": fault.value}).fault is fault


def test_settings_are_taken() -> None:
    """Size, loss and dropping are part of an order."""
    order = parse_order({"fault": "resolution", "width": 640, "height": 360, "drop": True})
    assert order == FaultOrder(Fault.RESOLUTION, True, 640, 360)
    assert parse_order({"fault": "loss", "every": 2}).every == 2
    assert parse_order({"fault": "reboot", "after_s": 1}).after_s == 1
    assert parse_order({"fault": "timestamp_jump", "by": -5}).by == -5
    assert parse_order({"fault": "sequence_jump"}).by == 20_000


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ([], "not an object"),
        ({}, "no fault None"),
        ({"fault": "explode"}, "no fault 'explode'"),
        ({"fault": "stall", "for": 3}, r"unknown keys \['for'\]"),
        ({"fault": "loss", "every": 1}, "every is below 2"),
        ({"fault": "resolution", "width": -2}, "width is -2"),
        ({"fault": "resolution", "width": True}, "width is True"),
        ({"fault": "stall", "drop": 1}, "drop is 1"),
        ({"fault": "timestamp_jump", "by": 0.5}, "by is 0.5"),
        ({"fault": "reboot", "after_s": -1}, "after_s is -1"),
    ],
)
def test_a_wrong_order_says_what_is_wrong(body: object, reason: str) -> None:
    """Unknown faults, unknown settings and values of the wrong kind are refused with the reason."""
    with pytest.raises(InvalidFaultError, match=reason):
        parse_order(body)

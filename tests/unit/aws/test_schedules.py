"""Functions that are called at a rate."""

from __future__ import annotations

from typing import Any

import pytest

from local.aws.schedules import Schedule, Schedules, period_s
from tests.fakes.waiting import eventually

WAIT_S = 60.0


@pytest.mark.parametrize(
    ("expression", "seconds"), [("rate(1 minute)", 60), ("rate(5 minutes)", 300), ("rate(2 hours)", 7_200)]
)
def test_a_rate_has_a_period(expression: str, seconds: int) -> None:
    """Rates are whole minutes, hours or days."""
    assert period_s(expression) == seconds


@pytest.mark.parametrize(
    "expression", ["rate(1 minutes)", "rate(2 minute)", "rate(0 minutes)", "rate(5 seconds)", "cron(* * * * ? *)"]
)
def test_what_aws_would_refuse_is_refused(expression: str) -> None:
    """A rate that AWS would not take is none here, nor is what this stand-in does not know."""
    with pytest.raises(ValueError, match="is not a rate"):
        period_s(expression)


class Turned:
    """A clock that shows the next of some moments at each look, then the last for ever."""

    def __init__(self, *moments: float) -> None:
        self._moments = list(moments)

    def __call__(self) -> float:
        return self._moments.pop(0) if len(self._moments) > 1 else self._moments[0]


def test_a_function_is_called_when_a_period_is_over() -> None:
    """The first call comes one period after the start, each with an event of EventBridge's form."""
    events: list[Any] = []
    schedule = Schedule("minute", "arn:rule", 60, "arn:function")
    schedules = Schedules("123", "eu-central-1", Turned(0.0, 59.9, 60.0, 60.0, 61.0))
    schedules.start([(schedule, events.append)])
    eventually(lambda: events, WAIT_S)
    schedules.stop()
    (event,) = events
    assert (event["source"], event["detail-type"], event["resources"]) == (
        "aws.events",
        "Scheduled Event",
        ["arn:rule"],
    )
    assert schedules.figures() == {"minute": 1}


def test_all_can_be_fired_at_once() -> None:
    """Who cannot wait calls every function now; its turns stay as they are."""
    events: list[Any] = []
    schedules = Schedules("123", "eu-central-1", lambda: 0.0)
    schedules.start([(Schedule(name, f"arn:{name}", 60, "arn:f"), events.append) for name in "ab"])
    assert schedules.fire() == 2
    schedules.stop()
    assert [event["resources"] for event in events] == [["arn:a"], ["arn:b"]]

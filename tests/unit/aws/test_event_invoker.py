"""How a function is called with single events: order, retries, dead letters, the limit of what waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.aws.event_invoker import EventInvoker
from local.aws.lambda_process import FunctionFault
from local.aws.stack import Function
from tests.fakes.waiting import eventually

WAIT_S = 60.0


class FakeFunction:
    """Remembers its calls; fails those for which it is told to."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.failing: set[Any] = set()
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def call(self, event: Any, timeout_s: float) -> Any:
        assert self.may_go_on.wait(WAIT_S)
        self.calls.append((event, timeout_s))
        if event in self.failing:
            raise FunctionFault(f"no {event}")
        return None

    def stop(self) -> None:
        self.may_go_on.set()


class FakeQueues:
    """Keeps what was sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    def send_message(self, queue_name: str, message_body: str) -> None:
        self.sent.append((queue_name, message_body))


Make = Callable[..., EventInvoker]


@pytest.fixture
def function() -> FakeFunction:
    return FakeFunction()


@pytest.fixture
def queues() -> FakeQueues:
    return FakeQueues()


@pytest.fixture
def make(function: FakeFunction, queues: FakeQueues) -> Iterator[Make]:
    made = []

    def invoker(dead_letters: str | None = None, waiting_events_max: int = 10) -> EventInvoker:
        about = Function("record", Path(), "m.handle", 7, 128, "role", {}, dead_letters)
        made.append(EventInvoker(about, function, queues, (0.01, 0.02), waiting_events_max))
        return made[-1]

    yield invoker
    for one in made:
        one.stop()


def test_events_are_handled_in_their_order(make: Make, function: FakeFunction) -> None:
    """Each event is one call, in the order of sending, with the function's time limit."""
    invoker = make()
    for event in ("a", "b", "c"):
        invoker.send(event)
    invoker.start()
    eventually(lambda: invoker.figures()["events_done"] == 3, WAIT_S)
    assert function.calls == [("a", 7), ("b", 7), ("c", 7)]


def test_a_failed_event_is_tried_three_times(make: Make, function: FakeFunction, queues: FakeQueues) -> None:
    """An event that fails comes again twice, then goes to the dead letters; others are handled meanwhile."""
    function.failing = {"bad"}
    invoker = make("arn:aws:sqs:eu-central-1:123456789012:dead")
    invoker.send("bad")
    invoker.send("good")
    invoker.start()
    eventually(lambda: queues.sent, WAIT_S)
    assert queues.sent == [("dead", '"bad"')]
    assert [event for event, _ in function.calls] == ["bad", "good", "bad", "bad"]
    figures = invoker.figures()
    assert (figures["events_done"], figures["events_given_up"], figures["calls"]) == (1, 1, 4)
    assert figures["faults"] == ["no bad"] * 3


def test_without_dead_letters_an_event_is_given_up(make: Make, function: FakeFunction, queues: FakeQueues) -> None:
    """A function without a dead-letter queue loses what it fails on, which is counted."""
    function.failing = {"bad"}
    invoker = make()
    invoker.send("bad")
    invoker.start()
    eventually(lambda: invoker.figures()["events_given_up"] == 1, WAIT_S)
    assert queues.sent == []


def test_an_event_above_the_limit_is_refused(make: Make, function: FakeFunction) -> None:
    """At the limit of what may wait, the next event is an OverflowError; when there is room again it is taken."""
    function.may_go_on.clear()
    invoker = make(waiting_events_max=2)
    invoker.send("a")
    invoker.send("b")
    with pytest.raises(OverflowError, match="2 events wait for record"):
        invoker.send("c")
    function.may_go_on.set()
    invoker.start()
    eventually(lambda: invoker.figures()["events_done"] == 2, WAIT_S)
    invoker.send("c")
    eventually(lambda: invoker.figures()["events_done"] == 3, WAIT_S)

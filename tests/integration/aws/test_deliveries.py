"""From a topic to its HTTP subscribers: each message, whatever dies or refuses on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lab.subscriber import Subscriber
from tests.fakes.waiting import eventually
from tests.integration.aws.conftest import Running, Start
from tests.integration.aws.test_resources import control

pytestmark = pytest.mark.slow
WAIT_S = 60.0


def subscribe(aws: Running, subscriber: Subscriber, **attributes: str) -> None:
    aws.client("sns").subscribe(
        TopicArn=aws.ready["outputs"]["AlertTopicArn"],
        Protocol="http",
        Endpoint=subscriber.url,
        Attributes=attributes,
    )


def publish(aws: Running, text: str, severity: str = "critical") -> None:
    attributes: Any = {"severity": {"DataType": "String", "StringValue": severity}}
    topic = aws.ready["outputs"]["AlertTopicArn"]
    aws.client("sns").publish(TopicArn=topic, Message=text, Subject="s", MessageAttributes=attributes)


def messages(subscriber: Subscriber) -> list[str]:
    return [post["Message"] for post in subscriber.posts()]


def test_subscribers_get_what_they_chose_though_they_refuse_at_first(start: Start) -> None:
    """A refusal is tried again and hurts nobody else; a filter leaves out what it does not name."""
    aws = start()
    with Subscriber(refusals=2) as stubborn, Subscriber() as choosy:
        subscribe(aws, stubborn)
        subscribe(aws, choosy, FilterPolicy=json.dumps({"severity": ["critical"]}))
        publish(aws, "one", "warning")
        publish(aws, "two")
        eventually(lambda: len(messages(stubborn)) == 2 and messages(choosy), WAIT_S, str(aws.log))
        assert sorted(messages(stubborn)) == ["one", "two"]
        assert messages(choosy) == ["two"]
        told = control(aws, "/_local/stats")["deliveries"]
        assert (told["failed_tries"], told["given_up"]) == (2, 0)


def test_subscriptions_and_messages_survive_a_kill(start: Start) -> None:
    """What nobody had taken when the stand-in was killed is posted by the next, and so is what comes later."""
    aws = start()
    with Subscriber(refusals=1_000_000) as subscriber:
        subscribe(aws, subscriber, FilterPolicy=json.dumps({"severity": ["critical"]}))
        publish(aws, "before")
        aws.kill()
        subscriber.refusals = 0
        again = start()
        publish(again, "left out", "warning")
        publish(again, "after")
        eventually(lambda: len(messages(subscriber)) == 2, WAIT_S, str(again.log))
        assert sorted(messages(subscriber)) == ["after", "before"]

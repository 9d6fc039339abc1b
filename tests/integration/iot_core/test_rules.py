"""Rules at work."""

import json
import queue
import threading
from collections.abc import Callable

import pytest

from local.iot_core import IotCore, RuleCounts, RuleMessage
from local.iot_core.message import Message
from local.iot_core.rule_sql import RuleFault
from local.iot_core.rules import RuleEngine
from tests.integration.iot_core.paho_listener import WAIT_S, Listener

Make = Callable[..., Listener]


def finished(core: IotCore) -> None:
    """Wait until the rules have run for all that was published before."""
    done = threading.Event()
    core.add_rule("finished", "SELECT * FROM 'finished'", lambda _: done.set())
    core.publish("finished", b"{}")
    assert done.wait(WAIT_S)


def test_a_rule_acts_on_what_it_selects(core: IotCore, listener: Make) -> None:
    """A rule's action is given the payload its SQL makes, for matching messages alone, in their order."""
    heard: queue.Queue[RuleMessage] = queue.Queue()
    core.add_rule("alerts", "SELECT *, topic(3) AS thing FROM 'nvr/v1/+/alert' WHERE level >= 2", heard.put)
    device = listener("site-1")
    for level in (1, 2, 3):
        device.publish("nvr/v1/site-1/alert", json.dumps({"level": level}))
        device.publish("nvr/v1/site-1/other", json.dumps({"level": level}))
    selected = [heard.get(timeout=WAIT_S) for _ in range(2)]
    assert [json.loads(one.payload) for one in selected] == [
        {"level": 2, "thing": "site-1"},
        {"level": 3, "thing": "site-1"},
    ]
    assert (selected[0].rule, selected[0].message.client_id) == ("alerts", "site-1")
    finished(core)
    assert heard.empty()


def test_rules_hear_presence_and_shadows(core: IotCore, listener: Make) -> None:
    """Rules hear what the service itself publishes: presence events and shadow documents."""
    heard: queue.Queue[str] = queue.Queue()
    core.add_rule("up", "SELECT * FROM '$aws/events/presence/+/+'", lambda one: heard.put(one.message.topic))
    core.add_rule(
        "documents",
        "SELECT current.version FROM '$aws/things/+/shadow/name/health/update/documents'",
        lambda one: heard.put(one.payload.decode()),
    )
    listener("site-1").close()
    core.shadows.update("site-1", "health", b'{"state":{"reported":{"ok":true}}}')
    assert {heard.get(timeout=WAIT_S) for _ in range(3)} == {
        "$aws/events/presence/connected/site-1",
        "$aws/events/presence/disconnected/site-1",
        '{"version":1}',
    }


def test_an_error_in_one_action_disturbs_no_other(core: IotCore) -> None:
    """An action that raises is counted; the other rules and the next messages are served."""
    heard: queue.Queue[bytes] = queue.Queue()

    def fail(_: RuleMessage) -> None:
        raise LookupError("nobody there")

    core.add_rule("a-broken", "SELECT * FROM '#'", fail)
    core.add_rule("b-sound", "SELECT * FROM '#'", lambda one: heard.put(one.payload))
    for number in range(3):
        core.publish("a", str(number).encode())
    assert [heard.get(timeout=WAIT_S) for _ in range(3)] == [b"0", b"1", b"2"]
    core.remove_rule("a-broken")
    finished(core)
    counts = core.rule_counts()
    assert counts["b-sound"] == RuleCounts(done=4)
    assert "a-broken" not in counts


def test_failures_are_counted(core: IotCore) -> None:
    """The count of an action's failures stands beside that of its successes."""

    def fail_at_two(one: RuleMessage) -> None:
        if one.payload == b"2":
            raise ValueError("two")

    core.add_rule("touchy", "SELECT * FROM 'n'", fail_at_two)
    for number in range(4):
        core.publish("n", str(number).encode())
    finished(core)
    assert core.rule_counts()["touchy"] == RuleCounts(done=3, failed=1)


def test_an_action_may_publish_and_use_shadows(core: IotCore, listener: Make) -> None:
    """An action may republish and change shadows without standing in its own way."""
    reader = listener("reader")
    reader.subscribe("again", "$aws/things/t/shadow/update/accepted")

    def act(one: RuleMessage) -> None:
        core.shadows.update("t", None, b'{"state":{"reported":{"a":1}}}')
        core.publish("again", one.payload, qos=1)

    core.add_rule("republish", "SELECT * FROM 'first'", act)
    reader.publish("first", b"{}")
    assert [reader.next().topic for _ in range(2)] == ["$aws/things/t/shadow/update/accepted", "again"]


def test_a_hanging_action_stops_nobody_else(core: IotCore, listener: Make) -> None:
    """While an action hangs, messages reach their subscribers and shadows answer."""
    go_on = threading.Event()

    def hang(_: RuleMessage) -> None:
        go_on.wait(WAIT_S)

    core.add_rule("hanging", "SELECT * FROM 'a'", hang)
    reader = listener("reader")
    reader.subscribe("a")
    core.publish("a", b"1", qos=1)
    core.publish("a", b"2", qos=1)
    assert [reader.next().payload for _ in range(2)] == [b"1", b"2"]
    assert core.shadows.update("t", None, b'{"state":{}}')["version"] == 1
    go_on.set()


def test_a_full_queue_is_counted() -> None:
    """What finds the rules' queue full is not offered, and counted; the publisher is not held up."""
    go_on, begun = threading.Event(), threading.Event()
    engine = RuleEngine(lambda: 0, queued_messages_max=2)

    def hang(_: RuleMessage) -> None:
        begun.set()
        go_on.wait(WAIT_S)

    engine.add("hanging", "SELECT * FROM 'a'", hang)
    engine.offer(Message("a", b"{}"))
    assert begun.wait(WAIT_S)
    for _ in range(5):
        engine.offer(Message("a", b"{}"))
        engine.offer(Message("nobody's", b"{}"))
    assert engine.not_offered == 3
    go_on.set()
    engine.stop()
    assert engine.counts()["hanging"] == RuleCounts(done=3)


def test_wrong_sql_is_refused_when_the_rule_is_added(core: IotCore) -> None:
    """A rule that is not understood is refused at once and changes nothing."""
    core.add_rule("one", "SELECT * FROM 'a'", lambda _: None)
    with pytest.raises(RuleFault):
        core.add_rule("one", "SELECT everything", lambda _: None)
    assert list(core.rule_counts()) == ["one"]

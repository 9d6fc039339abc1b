"""What only a real protocol can do: closed, frozen and refused connections, dead subscriptions, foreign messages."""

from __future__ import annotations

import os
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from awsiot.greengrasscoreipc.model import JsonMessage, PublishMessage

from components.shared.errors import Fatal, Rejected, Transient
from components.shared.runtime.bus import Bus, CloudInbox, CloudMessage, Inbox, UpdateInbox
from components.shared.runtime.clock import SystemClock
from components.shared.runtime.greengrass import CALL_S_MAX, LOOK_NS, SOCKET_VARIABLE, TOKEN_VARIABLE, GreengrassBus
from components.shared.runtime.subscription import QUIET_NS_MAX
from components.shared.wire.messages import SegmentClosed
from components.shared.wire.topics import SEGMENT_CLOSED, shadow_delta_filter
from components.shared.wire.units import NS_PER_S
from tests.contract.bus.cores import THING, GreengrassCore
from tests.fakes.clock import FakeClock
from tests.fakes.log import RecordingLog
from tests.fakes.waiting import eventually

pytestmark = pytest.mark.slow


def _closed(number: int) -> SegmentClosed:
    return SegmentClosed(camera="cam-1", segment=f"s-{number}", start_ns=number, end_ns=number + 1)


def _numbers(inbox: Inbox) -> list[int]:
    return [message.body.start_ns for message in inbox.drain() if isinstance(message.body, SegmentClosed)]


def _take(inbox: Inbox, within_s: float = 10) -> int | None:
    message = inbox.take(SystemClock(), threading.Event(), int(within_s * NS_PER_S))
    return message.body.start_ns if message and isinstance(message.body, SegmentClosed) else None


def _await_count(log: RecordingLog, event: str, count: int) -> None:
    eventually(lambda: log.events().count(event) >= count, 20, f"{count} times {event}")


def _arrives(publisher: Bus, inbox: Inbox, number: int) -> bool:
    """Publish once; whether it arrives soon."""
    try:
        publisher.publish(_closed(number))
    except Transient:
        return False
    return _take(inbox, 0.3) == number


def test_a_bus_without_a_core_starts_and_connects_when_there_is_one(greengrass: GreengrassCore) -> None:
    """A component starts without a core in about a second; what it subscribed to works once there is one."""
    greengrass.set_connected(False)
    log, inbox = RecordingLog(), Inbox(4)
    began_s = time.monotonic()
    listener, publisher = greengrass.bus("CloudSync", log), greengrass.bus("Capture")
    assert time.monotonic() - began_s < 4
    listener.subscribe(SEGMENT_CLOSED, inbox)
    with pytest.raises(Transient, match="not connected to the core"):
        publisher.publish(_closed(1))
    greengrass.set_connected(True)
    eventually(lambda: _arrives(publisher, inbox, 2), 20)
    assert log.events().count("bus_connected") == 1
    assert [record.level for record in log.named("attempt_failed")][:1] == ["WARNING"]


def test_a_connection_that_the_core_closes_is_made_again_with_its_subscriptions(greengrass: GreengrassCore) -> None:
    """Ten times closed, ten times made again; the log tells each loss with its reason."""
    log, inbox = RecordingLog(), Inbox(4)
    listener, publisher = greengrass.bus("CloudSync", log), greengrass.bus("Capture")
    listener.subscribe(SEGMENT_CLOSED, inbox)
    for number in range(10):
        greengrass.tap.cut()
        _await_count(log, "bus_lost", number + 1)
        eventually(partial(_arrives, publisher, inbox, number), 20)
    assert all(record.fields["reason"] for record in log.named("bus_lost"))


def test_connections_leave_nothing_behind(greengrass: GreengrassCore) -> None:
    """After many lost connections the process has no more threads and open files than after the first ones."""
    log = RecordingLog()
    greengrass.bus("CloudSync", log).subscribe(SEGMENT_CLOSED, Inbox(1))

    def lose(count: int) -> tuple[int, int]:
        for _ in range(count):
            connected = log.events().count("bus_connected")
            greengrass.tap.cut()
            _await_count(log, "bus_connected", connected + 1)
        return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))

    threads, files = lose(3)

    def is_no_more() -> bool:
        return threading.active_count() <= threads + 3 and len(list(Path("/proc/self/fd").iterdir())) <= files + 3

    lose(12)
    eventually(is_no_more)


def test_a_frozen_core_costs_one_wait_and_then_none(greengrass: GreengrassCore) -> None:
    """With a core that is stopped, the first publish gives up in time, the next ones at once; afterwards all works."""
    inbox = Inbox(8)
    listener, publisher = greengrass.bus("CloudSync"), greengrass.bus("Capture")
    listener.subscribe(SEGMENT_CLOSED, inbox)
    greengrass.tap.freeze(True)
    began_s = time.monotonic()
    with pytest.raises(Transient, match="no answer from the core within 2 s"):
        publisher.publish(_closed(1))
    first_s = time.monotonic() - began_s
    for number in range(100):
        with pytest.raises(Transient, match="has not answered an earlier request yet"):
            publisher.publish(_closed(number))
    assert first_s < CALL_S_MAX + 0.5
    assert time.monotonic() - began_s - first_s < 0.5
    greengrass.tap.freeze(False)
    eventually(lambda: _arrives(publisher, inbox, 7), 10)


def test_a_frozen_core_does_not_hold_up_the_end(greengrass: GreengrassCore) -> None:
    """Closing a bus whose core is stopped takes less than half a second."""
    bus = greengrass.bus("CloudSync")
    bus.subscribe(SEGMENT_CLOSED, Inbox(1))
    greengrass.tap.freeze(True)
    began_s = time.monotonic()
    bus.close()
    assert time.monotonic() - began_s < 0.5
    greengrass.tap.freeze(False)


def test_a_dead_subscription_is_renewed_after_a_quiet_minute(lite: GreengrassCore) -> None:
    """A JSON message kills subscriptions on Nucleus Lite and nobody is told: a minute later they live again."""
    clock, inbox = FakeClock(), Inbox(8)
    lite.bus("CloudSync", clock=clock).subscribe(SEGMENT_CLOSED, inbox)
    publisher = lite.bus("Capture")
    publisher.publish(_closed(1))
    assert _take(inbox) == 1
    poison = PublishMessage(json_message=JsonMessage(message={f"m{number}": number for number in range(30)}))
    lite.client("Capture").publish_to_topic(topic=SEGMENT_CLOSED.name, publish_message=poison)
    publisher.publish(_closed(2))
    assert _take(inbox, 0.5) is None
    clock.advance(QUIET_NS_MAX)
    eventually(lambda: _arrives(publisher, inbox, 3), 10)


def test_renewing_loses_nothing_and_doubles_nothing(greengrass: GreengrassCore) -> None:
    """Messages published while a subscription is made anew arrive once each, in order."""
    clock, inbox = FakeClock(), Inbox(1_000)
    greengrass.bus("CloudSync", clock=clock).subscribe(SEGMENT_CLOSED, inbox)
    publisher = greengrass.bus("Capture")
    for number in range(300):
        if number % 30 == 0:
            clock.advance(QUIET_NS_MAX)
        publisher.publish(_closed(number))
    found: list[int] = []

    def all_arrived() -> bool:
        found.extend(_numbers(inbox))
        return 299 in found

    eventually(all_arrived)
    assert found == sorted(set(found))
    assert len(found) == 300


def test_a_cloud_subscription_made_offline_works_once_online(lite: GreengrassCore) -> None:
    """Nucleus Lite refuses it while offline; the bus tells that once, tries again, and says when it is there."""
    clock, log, inbox = FakeClock(), RecordingLog(), CloudInbox(64)
    bus = lite.bus("SiteConfig", log, clock)
    lite.set_online(False)
    try:
        bus.subscribe_cloud(shadow_delta_filter(THING), inbox)
        clock.advance(LOOK_NS)
        _await_count(log, "subscription_not_open", 1)
    finally:
        lite.set_online(True)
    topic = f"$aws/things/{THING}/shadow/name/site/update/delta"

    def arrives() -> bool:
        clock.advance(LOOK_NS)
        lite.from_cloud(topic, b"{}")
        return CloudMessage(topic, b"{}") in inbox.drain()

    eventually(arrives, 20)
    assert log.events().count("subscription_not_open") == 1
    assert log.events().count("subscription_open") == 1


def test_a_json_message_is_none_of_ours(greengrass: GreengrassCore) -> None:
    """A small JSON message of a foreign component is counted and told; the subscription goes on."""
    log, inbox = RecordingLog(), Inbox(8)
    greengrass.bus("CloudSync", log).subscribe(SEGMENT_CLOSED, inbox)
    message = PublishMessage(json_message=JsonMessage(message={"hello": "world"}))
    greengrass.client("Capture").publish_to_topic(topic=SEGMENT_CLOSED.name, publish_message=message)
    eventually(lambda: inbox.refused == 1)
    assert "not a binary message" in str(log.named("message_refused")[0].fields["error"])
    assert _arrives(greengrass.bus("Capture"), inbox, 5)


def test_what_the_access_policy_forbids_is_rejected(greengrass: GreengrassCore) -> None:
    """When the recipe allows less than the table, that is Rejected and says where to look."""
    tokens = dict(greengrass.tokens)
    environment = {SOCKET_VARIABLE: greengrass.tap.path, TOKEN_VARIABLE: tokens["SiteConfig"]}
    bus = GreengrassBus("Capture", RecordingLog(), SystemClock(), environment)
    try:
        with pytest.raises(Rejected, match=r"publish on nvr/v1/segment/closed: .* see accessControl"):
            bus.publish(_closed(1))
    finally:
        bus.close()
    environment[TOKEN_VARIABLE] = tokens["Capture"]
    other = GreengrassBus("CloudSync", RecordingLog(), SystemClock(), environment)
    try:
        with pytest.raises(Rejected, match=r"subscribe to nvr/v1/segment/closed: .* see accessControl"):
            other.subscribe(SEGMENT_CLOSED, Inbox(1))
    finally:
        other.close()


def test_a_wrong_token_is_tried_again_and_ends_nothing(greengrass: GreengrassCore) -> None:
    """A core that does not know the component refuses it; the component goes on without it and tells it once."""
    log = RecordingLog()
    environment = {SOCKET_VARIABLE: greengrass.tap.path, TOKEN_VARIABLE: "X" * 16}
    bus = GreengrassBus("Capture", log, SystemClock(), environment)
    try:
        with pytest.raises(Transient, match="not connected"):
            bus.publish(_closed(1))
        eventually(lambda: len(log.named("attempt_failed")) >= 2, 10)
        assert "connect to the core: " in str(log.named("attempt_failed")[0].fields["error"])
        assert "X" * 16 not in log.text()
    finally:
        bus.close()


class _BrokenClock(FakeClock):
    """A clock that fails in the bus's own thread: stands for any fault in the program."""

    def wait(self, event: threading.Event, duration_ns: int) -> bool:
        raise ZeroDivisionError("no time left")


def test_a_fault_in_the_bus_ends_the_worker(lite: GreengrassCore) -> None:
    """When the bus's own thread fails, publishing is Fatal: the worker ends instead of living on deaf."""
    log = RecordingLog()
    bus = lite.bus("Capture", log, _BrokenClock())
    eventually(lambda: "bus_failed" in log.events())
    with pytest.raises(Fatal, match="the bus has failed"):
        bus.publish(_closed(1))


@pytest.mark.parametrize("left_out", [SOCKET_VARIABLE, TOKEN_VARIABLE])
def test_without_its_environment_a_bus_is_fatal(left_out: str) -> None:
    """A worker that no core started says which variable is missing."""
    environment = {SOCKET_VARIABLE: "/nowhere", TOKEN_VARIABLE: "t"}
    del environment[left_out]
    with pytest.raises(Fatal, match=f"{left_out} not in the environment"):
        GreengrassBus("Capture", RecordingLog(), SystemClock(), environment)


def test_the_environment_of_the_process_is_the_default() -> None:
    """Without arguments the bus takes what the core gave to the process."""
    assert SOCKET_VARIABLE not in os.environ
    with pytest.raises(Fatal, match="started by a Greengrass core"):
        GreengrassBus("Capture", RecordingLog(), SystemClock())


def test_an_update_that_is_put_off_is_announced_again(classic: GreengrassCore) -> None:
    """Not before the time that was asked for."""
    inbox = UpdateInbox(4)
    bus = classic.bus("Capture")
    bus.subscribe_updates(inbox)
    classic.redeploy()
    first = inbox.take(SystemClock(), threading.Event(), 20 * NS_PER_S)
    assert first is not None
    began_s = time.monotonic()
    bus.put_off_update(first.deployment, NS_PER_S, "a cut is near")
    assert inbox.take(SystemClock(), threading.Event(), 20 * NS_PER_S) == first
    assert time.monotonic() - began_s >= 1.0
    bus.put_off_update(first.deployment, 0, "")

"""From a site's notice, or its silence, to a subscriber of the topic: MQTT, rules, the real functions, SNS."""

from __future__ import annotations

import json
import socket
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from components.shared.wire.alert_notice import (
    AlertNotice,
    acknowledged_topic,
    alert_topic,
    decode_acknowledged,
    encode_notice,
    notice_of,
)
from components.shared.wire.topics import telemetry_topic
from components.shared.wire.units import WallNs
from lab.subscriber import Subscriber
from tests.fakes.waiting import eventually
from tests.integration.aws.conftest import ROOT, Running, start_aws
from tests.integration.aws.test_pipeline import dead_letters
from tests.integration.aws.test_resources import control
from tests.integration.iot_core.paho_listener import Listener

pytestmark = pytest.mark.slow
WAIT_S = 60.0
GRACE_S = 2


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A cloud that forgives short breaks only."""
    running = start_aws(
        tmp_path_factory.mktemp("alerts"), ROOT / "cloud" / "template.yaml", "--parameter", f"GraceSeconds={GRACE_S}"
    )
    yield running
    running.stop()


@pytest.fixture
def people(cloud: Running) -> Iterator[Subscriber]:
    """Somebody who is told of alerts."""
    with Subscriber() as subscriber:
        sns = cloud.client("sns")
        topic = cloud.ready["outputs"]["AlertTopicArn"]
        arn = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=subscriber.url)["SubscriptionArn"]
        yield subscriber
        sns.unsubscribe(SubscriptionArn=arn)


@pytest.fixture
def thing() -> str:
    return f"site-{uuid.uuid4().hex[:8]}"


def connected(cloud: Running, thing: str) -> Listener:
    return Listener(cloud.ready["mqtt_port"], thing).connect()


def notice(thing: str) -> AlertNotice:
    return notice_of(thing, "camera_offline", "front", "critical", "offline: refused", WallNs(time.time_ns()))


def delivered(cloud: Running) -> bool:
    """Whether nothing is on its way to a subscriber any more."""
    queue = control(cloud, "/_local/stats")["queues"]["sns-deliveries"]
    return int(queue["waiting"]) + int(queue["in_flight"]) == 0


def item(cloud: Running, kind: str, thing: str) -> dict[str, Any]:
    """What the cloud keeps of a site; empty when nothing."""
    table = cloud.ready["resources"]["AlertsTable"]
    answer = cloud.client("dynamodb").get_item(TableName=table, Key={"pk": {"S": kind}, "sk": {"S": thing}})
    found: dict[str, Any] = answer.get("Item", {})
    return found


def look(cloud: Running) -> None:
    """All sites are looked at now; returns when that is done."""

    def done() -> int:
        return int(control(cloud, "/_local/stats")["invoked"]["edgenvr-WatchFleet"]["events_done"])

    before = done()
    control(cloud, "/_local/schedules", {})
    eventually(lambda: done() > before, WAIT_S, str(cloud.log))


def cut(box: Listener) -> None:
    """The connection is gone, and nobody has said so."""
    connection = box.client.socket()
    assert isinstance(connection, socket.socket)
    connection.shutdown(socket.SHUT_RDWR)
    assert box.ended.wait(WAIT_S)
    box.client.loop_stop()


def test_a_notice_sent_three_times_is_told_once(cloud: Running, people: Subscriber, thing: str) -> None:
    """Each copy of a notice is answered on the site's topic, and people are told once."""
    box = connected(cloud, thing)
    box.subscribe(acknowledged_topic(thing))
    said = notice(thing)
    for _ in range(3):
        box.publish(alert_topic(thing, "raised"), encode_notice(said))
        answer = box.messages.get(timeout=WAIT_S)
        assert decode_acknowledged(bytes(answer.payload)).ids == [said.id]
    eventually(lambda: people.posts(site=thing) and delivered(cloud), WAIT_S, str(cloud.log))
    (post,) = people.posts(site=thing)
    assert post["Subject"] == f"EdgeNVR {thing} RAISED: camera front is not recording"
    assert "offline: refused" in post["Message"]
    told = {name: attribute["Value"] for name, attribute in post["MessageAttributes"].items()}
    assert told == {"site": thing, "kind": "camera_offline", "severity": "critical", "state": "raised"}
    box.close()


def test_a_dead_box_is_told_once_and_its_return_once(cloud: Running, people: Subscriber, thing: str) -> None:
    """A connection that is cut is told as a site that cannot be reached, and cleared when the site is back."""
    box = connected(cloud, thing)
    box.publish(telemetry_topic(thing), json.dumps({"telemetry_s": 60}))
    eventually(lambda: item(cloud, "SEEN", thing), WAIT_S, str(cloud.log))
    cut(box)
    eventually(lambda: people.posts(site=thing), WAIT_S, str(cloud.log))
    look(cloud)
    again = connected(cloud, thing)
    eventually(lambda: people.posts(site=thing, state="cleared"), WAIT_S, str(cloud.log))
    look(cloud)
    again.publish(telemetry_topic(thing), json.dumps({"telemetry_s": 60}))
    eventually(lambda: delivered(cloud), WAIT_S, str(cloud.log))
    posts = people.posts(site=thing)
    assert [post["MessageAttributes"]["state"]["Value"] for post in posts] == ["raised", "cleared"]
    assert {post["MessageAttributes"]["kind"]["Value"] for post in posts} == {"site_unreachable"}
    assert "recording unknown" in posts[0]["Subject"]
    assert "(connection lost)" in posts[0]["Message"]
    again.close()


def test_a_box_that_connects_anew_is_not_told(cloud: Running, people: Subscriber, thing: str) -> None:
    """The end of a connection that another has replaced says nothing; a client that is no site is never told of."""
    box = connected(cloud, thing)
    box.publish(telemetry_topic(thing), json.dumps({"telemetry_s": 60}))
    stranger = f"{thing}-no-site"
    cut(connected(cloud, stranger))
    again = connected(cloud, thing)
    assert box.ended.wait(WAIT_S)

    def noted() -> bool:
        events = control(cloud, "/_local/stats")["invoked"]["edgenvr-NotePresence"]
        told = item(cloud, "PRESENCE", stranger)
        past_s = time.time() - int(told["noted_ms"]["N"]) / 1000 if told else 0.0
        return events["waiting"] == 0 and item(cloud, "SEEN", thing) != {} and past_s > GRACE_S + 2

    eventually(noted, WAIT_S, str(cloud.log))
    look(cloud)
    eventually(lambda: delivered(cloud), WAIT_S, str(cloud.log))
    assert item(cloud, "PRESENCE", thing)["connected"] == {"BOOL": True}
    assert [*people.posts(site=thing), *people.posts(site=stranger)] == []
    again.close()


def test_a_connected_box_without_telemetry_is_told_as_such(cloud: Running, people: Subscriber, thing: str) -> None:
    """Telemetry that is missing from a connected box is HealthMonitor's silence, not the site's."""
    box = connected(cloud, thing)
    box.publish(telemetry_topic(thing), json.dumps({"telemetry_s": 1}))

    def told(state: str) -> bool:
        look(cloud)
        return bool(people.posts(site=thing, state=state))

    eventually(lambda: told("raised"), WAIT_S, str(cloud.log))
    box.publish(telemetry_topic(thing), json.dumps({"telemetry_s": 60}))
    eventually(lambda: told("cleared"), WAIT_S, str(cloud.log))
    posts = people.posts(site=thing)
    assert [post["MessageAttributes"]["kind"]["Value"] for post in posts] == ["health_monitor_silent"] * 2
    box.close()


def test_a_notice_of_another_site_ends_in_the_dead_letters(cloud: Running, people: Subscriber, thing: str) -> None:
    """What a site says in another's name, and what is no notice, is told nobody and kept for people to look at."""
    box = connected(cloud, thing)
    box.publish(alert_topic(thing, "raised"), encode_notice(notice("site-other")))
    box.publish(alert_topic(thing, "raised"), b"\xff no JSON")
    eventually(lambda: len(dead_letters(cloud, "AlertDeadLetters")) == 2, WAIT_S, str(cloud.log))
    assert {letter["topic"] for letter in dead_letters(cloud, "AlertDeadLetters")} == {alert_topic(thing, "raised")}
    assert people.posts(kind="camera_offline") == []
    box.close()

"""An hour without a line: from the site's decisions and outbox, on a moved clock, to a subscriber of a real cloud."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from queue import Empty

import pytest

from components.shared.catalogue.outbox import waiting_notices
from components.shared.wire.alert_config import AlertsSection
from components.shared.wire.alert_notice import acknowledged_topic
from components.shared.wire.units import NS_PER_S
from lab.alert_account import told_by
from lab.subscriber import Subscriber
from tests.fakes.alert_site import THING, AlertSite, World
from tests.fakes.waiting import eventually
from tests.integration.aws.conftest import Running, Start
from tests.integration.aws.test_resources import control
from tests.integration.iot_core.paho_listener import Listener

pytestmark = pytest.mark.slow

WAIT_S = 60.0
CAMERAS = 4
AGAIN_S = 6
"""A notice that is not acknowledged is sent again after 5 s: each is sent twice at least before an answer is heard."""


def carry(world: World, box: Listener, carried: int) -> int:
    """Give the broker what the core has taken for the cloud; how much that was in all."""
    for message in world.broker.to_cloud[carried:]:
        box.publish(message.topic, message.payload)
    return len(world.broker.to_cloud)


def hear(world: World, site: AlertSite, box: Listener) -> None:
    """Let the site hear what the cloud has answered by now."""
    while True:
        try:
            answer = box.messages.get_nowait()
        except Empty:
            break
        world.broker.from_cloud(answer.topic, bytes(answer.payload))
    site.delivery.hear(site.answers.drain())


def delivered(aws: Running) -> bool:
    """Whether nothing is on its way to a subscriber any more."""
    stats = control(aws, "/_local/stats")
    queue, function = stats["queues"]["sns-deliveries"], stats["invoked"]["edgenvr-PassAlert"]
    return int(queue["waiting"]) + int(queue["in_flight"]) + int(function["waiting"]) == 0


def test_after_an_hour_offline_none_is_missing_and_none_doubled(start: Start, tmp_path: Path) -> None:
    """What came and went meanwhile is told once each, though all of it is sent again before an answer is heard."""
    world = World([f"cam-{number}" for number in range(CAMERAS)], AlertsSection(group_cameras=10))
    world.broker.online = False
    site = AlertSite(tmp_path / "edge", world)
    for minute in range(60):
        world.away = {name for number, name in enumerate(world.cameras) if (minute // (5 + 3 * number)) % 2}
        site.run(60)
    due = {row.notice for row in waiting_notices(site.catalogue)}
    assert len(due) > 15 and world.broker.to_cloud == []

    aws = start()
    with Subscriber() as people:
        aws.client("sns").subscribe(
            TopicArn=aws.ready["outputs"]["AlertTopicArn"], Protocol="http", Endpoint=people.url
        )
        box = Listener(aws.ready["mqtt_port"], THING).connect()
        box.subscribe(acknowledged_topic(THING))
        world.broker.online = True
        carried = 0
        deadline_s = time.monotonic() + 2 * WAIT_S
        while waiting_notices(site.catalogue):
            assert time.monotonic() < deadline_s, str(aws.log)
            world.clock.advance(AGAIN_S * NS_PER_S)
            site.delivery.send()
            before, carried = carried, carry(world, box, carried)
            if carried > before:
                world.clock.advance(AGAIN_S * NS_PER_S)
                site.delivery.send()
                carried = carry(world, box, carried)
            eventually(lambda: box.messages.qsize() > 0, WAIT_S, str(aws.log))
            hear(world, site, box)
        eventually(lambda: delivered(aws) and len(people.arrivals()) >= len(due), WAIT_S, str(aws.log))
        box.close()
    told = [told_by(at_s, post) for at_s, post in people.arrivals()]
    assert carried > len(due), "some were sent more than once"
    assert Counter(one.notice for one in told) == Counter(due)
    for camera in world.cameras:
        states = [one.state for one in told if one.subject == camera]
        assert states.count("raised") - states.count("cleared") in (0, 1)
    site.close()

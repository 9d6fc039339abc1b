"""The broker judged by paho-mqtt over real sockets."""

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from local.iot_core import BrokerLimits, IotCore, Overlap, mqtt_codec
from local.iot_core.broker import MESSAGE_OVERHEAD_BYTES
from tests.integration.iot_core.paho_listener import WAIT_S, Listener

Make = Callable[..., Listener]


@pytest.mark.parametrize("qos", [0, 1])
def test_message_reaches_its_subscribers(listener: Make, qos: int) -> None:
    """A message reaches whoever subscribed, with payload and the lower QoS of both."""
    reader, writer = listener("reader"), listener("writer")
    assert reader.subscribe("nvr/v1/+/span/pull", qos=1) == [1]
    writer.publish("nvr/v1/site-1/span/pull", b"\x00\xff binary", qos=qos)
    message = reader.next()
    assert (message.topic, message.payload, message.qos) == ("nvr/v1/site-1/span/pull", b"\x00\xff binary", qos)
    assert not message.retain


def test_subscription_lowers_the_qos(listener: Make) -> None:
    """A subscription of QoS 0 is sent QoS 0."""
    reader = listener("reader")
    reader.subscribe("a", qos=0)
    reader.publish("a", b"x", qos=1)
    assert reader.next().qos == 0


@pytest.mark.slow
def test_order_is_kept(listener: Make) -> None:
    """Three thousand messages of one publisher, faster than they are read, arrive once each and in order."""
    reader, writer = listener("reader"), listener("writer")
    reader.subscribe("n/#", qos=1)
    for number in range(3000):
        writer.client.publish(f"n/{number % 7}", str(number), qos=1)
    assert [int(reader.next().payload) for _ in range(3000)] == list(range(3000))


def test_unsubscribed_is_not_sent(listener: Make) -> None:
    """After UNSUBACK no message of that filter comes any more."""
    reader = listener("reader")
    reader.subscribe("a", "end")
    reader.unsubscribe("a")
    reader.publish("a")
    reader.publish("end")
    assert reader.next().topic == "end"


def test_overlapping_filters_give_a_copy_each(listener: Make) -> None:
    """Three matching filters of one client give it three copies."""
    reader = listener("reader")
    reader.subscribe("a/#", "a/+", "a/b", "end")
    reader.publish("a/b")
    reader.publish("end")
    assert [reader.next().topic for _ in range(4)] == ["a/b", "a/b", "a/b", "end"]


def test_overlap_can_be_one_copy(tmp_path: Path) -> None:
    """With Overlap.ONE_COPY a client gets one copy, of the highest QoS granted."""
    core = IotCore(tmp_path / "one", overlap=Overlap.ONE_COPY)
    reader = Listener(core.start_mqtt(), "reader").connect()
    reader.subscribe("a/#", qos=0)
    reader.subscribe("a/b", "end", qos=1)
    reader.publish("a/b")
    reader.publish("end")
    assert [(message.topic, message.qos) for message in (reader.next(), reader.next())] == [("a/b", 1), ("end", 1)]
    reader.close()
    core.stop()


def test_leading_wildcard_shows_nothing_reserved(core: IotCore, listener: Make) -> None:
    """`#` and `+/...` never match a topic that begins with a dollar; `$aws/...` filters do."""
    reader = listener("reader")
    reader.subscribe("#", "+/things/x")
    core.publish("$aws/things/x", b"")
    core.publish("end", b"")
    assert reader.next().topic == "end"
    reader.subscribe("$aws/#")
    core.publish("$aws/things/x", b"")
    assert reader.next().topic == "$aws/things/x"


def test_same_client_id_takes_over(core: IotCore, listener: Make) -> None:
    """When a client id connects again, the older connection is closed and the new one works."""
    older = listener("camera")
    newer = listener("camera")
    assert older.ended.wait(WAIT_S)
    newer.subscribe("a")
    newer.publish("a", b"to the newer")
    assert newer.next().payload == b"to the newer"
    assert [one.client_id for one in core.connections()] == ["camera"]


def test_persistent_session_is_served_clean(listener: Make) -> None:
    """A client that asks for a persistent session is told that there is none, and nothing was kept for it."""
    first = listener("keeper", clean=False)
    first.subscribe("a", "end")
    first.close()
    other = listener("other")
    other.publish("a")
    second = listener("keeper", clean=False)
    assert second.session_present is False
    second.subscribe("end")
    other.publish("a")
    other.publish("end")
    assert second.next().topic == "end"


def test_retain_flag_is_taken_off(listener: Make) -> None:
    """A message sent with the retain flag is delivered without it and is not kept."""
    reader = listener("reader")
    reader.subscribe("a")
    reader.client.publish("a", b"x", qos=1, retain=True).wait_for_publish(WAIT_S)
    assert not reader.next().retain
    later = listener("later")
    later.subscribe("a")
    later.publish("a", b"fresh")
    assert later.next().payload == b"fresh"


def test_will_is_published_when_a_client_vanishes(port: int, listener: Make) -> None:
    """A connection that breaks publishes the client's will; DISCONNECT does not."""
    reader = listener("reader")
    reader.subscribe("wills/#")
    for client_id, farewell in (("polite", mqtt_codec.encode(mqtt_codec.Disconnect())), ("sudden", b"")):
        will = mqtt_codec.Will(f"wills/{client_id}", b"gone", qos=1)
        with socket.create_connection(("127.0.0.1", port)) as raw:
            raw.sendall(mqtt_codec.encode(mqtt_codec.Connect(client_id, will=will)))
            assert raw.recv(100) == mqtt_codec.encode(mqtt_codec.ConnAck())
            raw.sendall(farewell)
    assert reader.next().topic == "wills/sudden"


@pytest.mark.slow
def test_silent_client_is_closed_after_one_and_a_half_keep_alives(port: int, listener: Make) -> None:
    """A client that says nothing for 1.5 times its keep-alive is closed; one that pings is not."""
    watcher = listener("watcher", keep_alive_s=1)
    watcher.subscribe("$aws/events/presence/disconnected/+")
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as raw:
        raw.sendall(mqtt_codec.encode(mqtt_codec.Connect("silent", keep_alive_s=1)))
        assert raw.recv(100) == mqtt_codec.encode(mqtt_codec.ConnAck())
        connected_at = time.monotonic()
        topic, event = watcher.next_json()
        silent_s = time.monotonic() - connected_at
    assert topic.endswith("/silent")
    assert 1.4 < silent_s < 4  # late is this machine's doing, early would be ours
    assert event["disconnectReason"] == "MQTT_KEEP_ALIVE_TIMEOUT"
    assert not watcher.ended.is_set()


def test_connections_that_do_not_connect_are_closed(tmp_path: Path) -> None:
    """A connection without CONNECT is closed after the limit."""
    core = IotCore(tmp_path / "impatient", limits=BrokerLimits(connect_wait_s=0.05))
    with socket.create_connection(("127.0.0.1", core.start_mqtt()), timeout=WAIT_S) as raw:
        assert raw.recv(1) == b""
    core.stop()


def closed_after(port: int, *packets: bytes) -> bool:
    """Tell whether the broker closes a connection that sends this after a good CONNECT."""
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as raw:
        raw.sendall(mqtt_codec.encode(mqtt_codec.Connect("probe")))
        raw.sendall(b"".join(packets) + mqtt_codec.encode(mqtt_codec.PingReq()))
        heard = b""
        try:
            while not heard.endswith(mqtt_codec.encode(mqtt_codec.PingResp())):
                part = raw.recv(4096)
                if not part:
                    return True
                heard += part
        except ConnectionResetError:
            return True
    return False


def subscribe(*filters: str) -> bytes:
    return mqtt_codec.encode(mqtt_codec.Subscribe(1, tuple((name, 0) for name in filters)))


def publish(topic: str, payload: bytes = b"") -> bytes:
    return mqtt_codec.encode(mqtt_codec.Publish(topic, payload))


@pytest.mark.parametrize(
    ("packets", "closed"),
    [
        ((publish("a", bytes(131_071)),), False),
        ((publish("a", bytes(131_072)),), False),
        ((publish("a", bytes(131_073)),), True),
        ((publish("a" * 256, bytes(131_072)),), False),
        ((publish("a" * 257),), True),
        ((publish("/".join("abcdefgh")),), False),
        ((publish("/".join("abcdefghi")),), True),
        ((publish("a/+"),), True),
        ((publish("$aws/events/presence/connected/x"),), True),
        ((publish("$aws/things/x/shadow/name/site/update/accepted"),), True),
        ((publish("$aws/things/x/shadow/get/rejected"),), True),
        ((subscribe(*(f"f/{n}" for n in range(8))),), False),
        ((subscribe(*(f"f/{n}" for n in range(9))),), True),
        (tuple(subscribe(f"f/{n}") for n in range(50)), False),
        (tuple(subscribe(f"f/{n}") for n in range(51)), True),
        (tuple(subscribe("the same") for _ in range(60)), False),
        ((subscribe("a/#/b"),), True),
        ((subscribe("a+"),), True),
        ((mqtt_codec.encode(mqtt_codec.Connect("probe")),), True),
        ((mqtt_codec.encode(mqtt_codec.ConnAck()),), True),
        ((b"\x34\x05\x00\x01a\x00\x01",), True),  # QoS 2
        ((b"\x00\x00",), True),
        ((b"\x30\xff\xff\xff\xff\x01",), True),
        ((b"\x30\x80\x80\x80\x01",), True),  # two megabytes announced
    ],
)
def test_limits_close_the_connection(port: int, packets: tuple[bytes, ...], closed: bool) -> None:
    """What AWS's quotas forbid closes the connection; what just fits is served."""
    assert closed_after(port, *packets) is closed


@pytest.mark.parametrize(
    ("connect", "code"),
    [
        (mqtt_codec.Connect("c" * 128), 0),
        (mqtt_codec.Connect("c" * 129), 2),
        (mqtt_codec.Connect(""), 2),
        (mqtt_codec.Connect("five", protocol_level=5), 1),
        (mqtt_codec.Connect("old", protocol_name="MQIsdp", protocol_level=3), 1),
        (mqtt_codec.Connect("known", username="u?SDK=x", password=b"p"), 0),
    ],
)
def test_connect_is_answered_with_its_code(port: int, connect: mqtt_codec.Connect, code: int) -> None:
    """A CONNECT that cannot be served is refused with the specification's code and closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as raw:
        raw.sendall(mqtt_codec.encode(connect))
        assert raw.recv(100) == mqtt_codec.encode(mqtt_codec.ConnAck(code))
        if code:
            assert raw.recv(1) == b""


def test_client_that_never_acknowledges_gets_a_window(tmp_path: Path) -> None:
    """At most `unacknowledged_max` QoS 1 messages wait for PUBACK; the queue behind has its limit and is counted."""
    limits = BrokerLimits(unacknowledged_max=3, queued_bytes_max=4 * (2 + MESSAGE_OVERHEAD_BYTES))
    core = IotCore(tmp_path / "window", limits=limits)
    with socket.create_connection(("127.0.0.1", core.start_mqtt()), timeout=WAIT_S) as raw:
        decoder = mqtt_codec.Decoder(200_000)

        def read(count: int) -> list[mqtt_codec.Packet]:
            packets: list[mqtt_codec.Packet] = []
            while len(packets) < count:
                packets += decoder.feed(raw.recv(4096))
            return packets

        filters = (("q", 1),)
        raw.sendall(mqtt_codec.encode(mqtt_codec.Connect("deaf")))
        raw.sendall(mqtt_codec.encode(mqtt_codec.Subscribe(1, filters)))
        assert read(2) == [mqtt_codec.ConnAck(), mqtt_codec.SubAck(1, (1,))]
        for number in range(10):
            core.publish("q", str(number).encode(), qos=1)
        assert core.messages_dropped() == 3
        first = read(3)
        assert [(one.payload, one.packet_id) for one in first if isinstance(one, mqtt_codec.Publish)] == [
            (b"0", 1),
            (b"1", 2),
            (b"2", 3),
        ]
        for packet_id, payload in ((2, b"3"), (1, b"4"), (4, b"5")):
            raw.sendall(mqtt_codec.encode(mqtt_codec.PubAck(packet_id)))
            (following,) = read(1)
            assert isinstance(following, mqtt_codec.Publish)
            assert following.payload == payload
        for letter in (b"a", b"b", b"c"):
            core.publish("q", letter, qos=1)
        raw.sendall(b"".join(mqtt_codec.encode(mqtt_codec.PubAck(one)) for one in range(1, 8)))
        rest = [one.payload for one in read(4) if isinstance(one, mqtt_codec.Publish)]
        assert rest == [b"6", b"a", b"b", b"c"]
        assert core.messages_dropped() == 3
    core.stop()


def test_presence_events_tell_of_each_connection(listener: Make) -> None:
    """Connecting and disconnecting publish AWS's lifecycle events with the same session and number."""
    watcher = listener("watcher")
    watcher.subscribe("$aws/events/presence/+/site-1")
    for number in (0, 1):
        listener("site-1").close()
        topic, up = watcher.next_json()
        assert topic == "$aws/events/presence/connected/site-1"
        assert set(up) == {
            *("clientId", "timestamp", "eventType", "sessionIdentifier"),
            *("principalIdentifier", "ipAddress", "versionNumber"),
        }
        assert (up["clientId"], up["eventType"], up["ipAddress"]) == ("site-1", "connected", "127.0.0.1")
        topic, down = watcher.next_json()
        assert topic == "$aws/events/presence/disconnected/site-1"
        assert down["clientInitiatedDisconnect"] is True
        assert down["disconnectReason"] == "CLIENT_INITIATED_DISCONNECT"
        assert down["sessionIdentifier"] == up["sessionIdentifier"]
        assert down["versionNumber"] == up["versionNumber"] == number


def test_taken_over_session_is_told_as_duplicate(listener: Make) -> None:
    """The event of a session that was taken over names the reason."""
    watcher = listener("watcher")
    watcher.subscribe("$aws/events/presence/disconnected/site-1")
    listener("site-1")
    listener("site-1")
    _, event = watcher.next_json()
    assert (event["disconnectReason"], event["clientInitiatedDisconnect"]) == ("DUPLICATE_CLIENTID", False)


def test_offline_cuts_and_refuses(core: IotCore, port: int, listener: Make) -> None:
    """Offline, connections end and new ones get no answer; online again, the same port serves."""
    before = listener("site-1")
    core.set_online(False)
    assert before.ended.wait(WAIT_S)
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as raw:
        try:
            raw.sendall(mqtt_codec.encode(mqtt_codec.Connect("site-1")))
            assert raw.recv(100) == b""
        except ConnectionError:
            pass  # cut before or while it was sent
    assert core.connections() == []
    core.set_online(True)
    after = listener("site-1")
    after.subscribe("a")
    core.publish("a", json.dumps({"back": True}).encode(), qos=1)
    assert after.next_json() == ("a", {"back": True})

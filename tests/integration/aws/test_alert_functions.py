"""The functions of alerts with tables, a topic and queues of moto's, and with the deaths that must cost no alert."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iotdata.models import iotdata_backends
from moto.sns.models import sns_backends

from cloud.alert_telling import KEPT_S, TellingDoors
from cloud.functions.note_presence import handler as note_presence
from cloud.functions.pass_alert import handler as pass_alert
from cloud.functions.watch_fleet import handler as watch_fleet
from components.shared.errors import Rejected, Transient
from components.shared.wire.alert_notice import AlertNotice, alert_topic, encode_notice, notice_of
from components.shared.wire.units import WallNs

pytestmark = pytest.mark.slow
REGION = "eu-central-1"
NOW_MS = 1_760_000_000_000
CALL_MS = 20_000
S = 1_000
NOTICE = notice_of("site-1", "camera_offline", "front", "critical", "offline", WallNs(NOW_MS * 1_000_000))


class Died(BaseException):
    """The function's process is gone: nothing after this is done."""


def dying(client: Any, operation: str, *, after: bool = False, turn: int = 1) -> Any:
    """A client whose owner dies at one operation, the `turn`th time: before it is done, or after."""
    return _Dying(client, operation, after, turn)


class _Dying:
    def __init__(self, client: Any, operation: str, after: bool, turn: int) -> None:
        self._client, self._operation, self._after, self._turn = client, operation, after, turn
        self.exceptions = client.exceptions

    def __getattr__(self, name: str) -> Any:
        done = getattr(self._client, name)
        if name != self._operation:
            return done

        def die(**arguments: Any) -> Any:
            self._turn -= 1
            if self._turn != 0:
                return done(**arguments)
            if self._after:
                done(**arguments)
            raise Died

        return die


@pytest.fixture
def telling(monkeypatch: pytest.MonkeyPatch) -> Iterator[TellingDoors]:
    """A table and a topic, empty."""
    for name, value in (("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test"), ("DEFAULT_REGION", REGION)):
        monkeypatch.setenv(f"AWS_{name}", value)
    with mock_aws():
        dynamodb = boto3.client("dynamodb", region_name=REGION)
        dynamodb.create_table(
            TableName="alerts",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
            ],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        )
        sns = boto3.client("sns", region_name=REGION)
        yield TellingDoors(dynamodb, sns, "alerts", sns.create_topic(Name="alerts")["TopicArn"])


def passing(telling: TellingDoors) -> pass_alert.Doors:
    return pass_alert.Doors(telling, boto3.client("iot-data", region_name=REGION))


def event(notice: AlertNotice = NOTICE) -> dict[str, Any]:
    return {
        "payload": base64.b64encode(encode_notice(notice)).decode(),
        "topic": alert_topic(notice.thing, notice.state),
    }


def told(telling: TellingDoors) -> list[str]:
    """The subjects of what was published."""
    topic = sns_backends[DEFAULT_ACCOUNT_ID][REGION].topics[telling.topic_arn]
    return [str(subject) for _, _, subject, _, _ in topic.sent_notifications]


def answers() -> list[tuple[str, list[str]]]:
    """Topics and ids of the answers that sites were sent."""
    published = iotdata_backends[DEFAULT_ACCOUNT_ID][REGION].published_payloads
    return [(topic, json.loads(payload)["ids"]) for topic, payload in published]


def item(telling: TellingDoors, pk: str, sk: str) -> dict[str, Any]:
    key = {"pk": {"S": pk}, "sk": {"S": sk}}
    found: dict[str, Any] = telling.dynamodb.get_item(TableName="alerts", Key=key).get("Item", {})
    return found


ANSWER = ("nvr/v1/site-1/alert/acknowledged", [NOTICE.id])


def test_a_notice_is_told_once_and_answered_each_time(telling: TellingDoors) -> None:
    """Copies of a notice are answered and not told; the notice is kept for its time."""
    for turn in range(3):
        pass_alert.pass_on(event(), passing(telling), NOW_MS + turn * CALL_MS * 10, CALL_MS)
    assert told(telling) == ["EdgeNVR site-1 RAISED: camera front is not recording"]
    assert answers() == [ANSWER] * 3
    kept = item(telling, "NOTICE#site-1", NOTICE.id)
    assert (kept["state"], kept["expires_s"]) == ({"S": "told"}, {"N": str(NOW_MS // 1000 + KEPT_S)})


def test_raise_and_clear_are_two_notices(telling: TellingDoors) -> None:
    """The end of an alert is told beside its beginning."""
    now_ns = WallNs(NOW_MS * 1_000_000)
    cleared = notice_of("site-1", "camera_offline", "front", "critical", "back", now_ns, now_ns)
    for notice in (NOTICE, cleared, NOTICE, cleared):
        pass_alert.pass_on(event(notice), passing(telling), NOW_MS, CALL_MS)
    assert [subject.split()[2] for subject in told(telling)] == ["RAISED:", "CLEARED:"]


def test_a_death_before_publishing_loses_nothing(telling: TellingDoors) -> None:
    """Written down, not told, not answered: while the claim lasts nobody else tells it, then the next copy is told."""
    mortal = replace(telling, sns=dying(telling.sns, "publish"))
    with pytest.raises(Died):
        pass_alert.pass_on(event(), passing(mortal), NOW_MS, CALL_MS)
    assert item(telling, "NOTICE#site-1", NOTICE.id)["state"] == {"S": "received"}
    pass_alert.pass_on(event(), passing(telling), NOW_MS + CALL_MS - 1, CALL_MS)
    assert (told(telling), answers()) == ([], [])
    pass_alert.pass_on(event(), passing(telling), NOW_MS + CALL_MS, CALL_MS)
    pass_alert.pass_on(event(), passing(telling), NOW_MS + CALL_MS, CALL_MS)
    assert (len(told(telling)), answers()) == (1, [ANSWER] * 2)


def test_a_death_after_publishing_may_double(telling: TellingDoors) -> None:
    """The one double that SNS leaves: it has the message, and nobody has written that down."""
    for mortal in (
        replace(telling, sns=dying(telling.sns, "publish", after=True)),
        replace(telling, dynamodb=dying(telling.dynamodb, "update_item", turn=2)),
    ):
        before = len(told(telling))
        notice = notice_of("site-1", "x", str(before), "warning", "", WallNs(1))
        with pytest.raises(Died):
            pass_alert.pass_on(event(notice), passing(mortal), NOW_MS, CALL_MS)
        for _ in range(3):
            pass_alert.pass_on(event(notice), passing(telling), NOW_MS + CALL_MS, CALL_MS)
        assert len(told(telling)) == before + 2


def test_a_death_before_the_answer_is_answered_later(telling: TellingDoors) -> None:
    """What was told and not answered is answered when it comes again, and not told again."""
    doors = passing(telling)
    with pytest.raises(Died):
        pass_alert.pass_on(event(), replace(doors, iot_data=dying(doors.iot_data, "publish")), NOW_MS, CALL_MS)
    pass_alert.pass_on(event(), doors, NOW_MS + 1, CALL_MS)
    assert (len(told(telling)), answers()) == (1, [ANSWER])


def test_what_is_no_notice_is_neither_told_nor_answered(telling: TellingDoors) -> None:
    """A notice on another site's topic fails the call."""
    with pytest.raises(Rejected, match="came on"):
        pass_alert.pass_on({**event(), "topic": "nvr/v1/site-2/alert/raised"}, passing(telling), NOW_MS, CALL_MS)
    assert (told(telling), answers()) == ([], [])


# ---------------------------------------------------------------------------------------------- presence


def noting(telling: TellingDoors) -> note_presence.Doors:
    sqs = boto3.client("sqs", region_name=REGION)
    return note_presence.Doors(telling.dynamodb, sqs, "alerts", sqs.create_queue(QueueName="check")["QueueUrl"], 20)


def presence(kind: str, version: int, at_ms: int = NOW_MS, client: str = "site-1") -> dict[str, Any]:
    return {
        "clientId": client,
        "timestamp": at_ms,
        "eventType": kind,
        "sessionIdentifier": f"session-{version}",
        "versionNumber": version,
    }


def asked(doors: note_presence.Doors) -> int:
    """How many looks were asked for, most of them not due yet."""
    names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"]
    counts = doors.sqs.get_queue_attributes(QueueUrl=doors.queue_url, AttributeNames=names)["Attributes"]
    return sum(int(count) for count in counts.values())


def test_the_last_connection_is_kept_and_a_look_asked_for(telling: TellingDoors) -> None:
    """An event that is late or a copy changes nothing and asks for nothing."""
    doors = noting(telling)
    for kind, version in (("connected", 2), ("connected", 3), ("disconnected", 2), ("connected", 3)):
        note_presence.note(presence(kind, version), doors, NOW_MS)
    kept = item(telling, "PRESENCE", "site-1")
    assert (kept["session"], kept["connected"]) == ({"S": "session-3"}, {"BOOL": True})
    assert asked(doors) == 2


def test_two_writers_do_not_undo_each_other(telling: TellingDoors) -> None:
    """Whoever finds that the item has changed since it was read looks again."""
    doors = noting(telling)
    note_presence.note(presence("connected", 1), doors, NOW_MS)

    late = _Overtaken(doors.dynamodb, 1, lambda: note_presence.note(presence("connected", 3), doors, NOW_MS))
    note_presence.note(presence("connected", 2), replace(doors, dynamodb=late.as_client), NOW_MS)
    assert item(telling, "PRESENCE", "site-1")["session"] == {"S": "session-3"}
    numbers = itertools.count(10)
    each_time = lambda: note_presence.note(presence("connected", next(numbers)), doors, NOW_MS)  # noqa: E731
    always = _Overtaken(doors.dynamodb, note_presence.WRITES_MAX, each_time)
    with pytest.raises(Transient, match="presence of site-1"):
        note_presence.note(presence("connected", 100), replace(doors, dynamodb=always.as_client), NOW_MS)


class _Overtaken:
    """A client whose owner is overtaken by somebody else between its look and its write, some times."""

    def __init__(self, client: Any, times: int, overtake: Callable[[], None]) -> None:
        self._client, self._times, self._overtake = client, times, overtake

    @property
    def as_client(self) -> Any:
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def get_item(self, **arguments: Any) -> Any:
        found = self._client.get_item(**arguments)
        if self._times > 0:
            self._times -= 1
            self._overtake()
        return found


# ---------------------------------------------------------------------------------------------- sites


def seen(telling: TellingDoors, thing: str, seen_ms: int = NOW_MS) -> None:
    kept: Any = {"pk": {"S": "SEEN"}, "sk": {"S": thing}, "seen_ms": {"N": str(seen_ms)}, "telemetry_s": {"N": "60"}}
    telling.dynamodb.put_item(TableName="alerts", Item=kept)


def unreachable(telling: TellingDoors, thing: str) -> watch_fleet.Doors:
    seen(telling, thing)
    note_presence.note(presence("connected", 1, client=thing), noting(telling), NOW_MS)
    note_presence.note(presence("disconnected", 1, client=thing), noting(telling), NOW_MS)
    return watch_fleet.Doors(telling, 20 * S)


def test_an_unreachable_site_is_told_once_by_whichever_run(telling: TellingDoors) -> None:
    """The run for one site and the runs for all tell it once between them."""
    doors = unreachable(telling, "site-1")
    for things in (["site-1"], None, ["site-1", "site-2"], None):
        watch_fleet.check(things, doors, NOW_MS + 30 * S, CALL_MS)
    assert told(telling) == ["EdgeNVR site-1 RAISED: the site cannot be reached, recording unknown"]


def test_a_run_that_dies_before_telling_leaves_it_to_the_next(telling: TellingDoors) -> None:
    """What is to be told is written down first; the next run tells it, as the same notice."""
    doors = unreachable(telling, "site-1")
    with pytest.raises(Died):
        mortal = replace(telling, sns=dying(telling.sns, "publish"))
        watch_fleet.check(None, replace(doors, telling=mortal), NOW_MS + 30 * S, CALL_MS)
    watch_fleet.check(None, doors, NOW_MS + 40 * S, CALL_MS)
    assert told(telling) == [], "the claim of the run that died has not ended"
    watch_fleet.check(None, doors, NOW_MS + 90 * S, CALL_MS)
    watch_fleet.check(None, doors, NOW_MS + 150 * S, CALL_MS)
    assert len(told(telling)) == 1


def test_a_run_that_dies_after_telling_does_not_tell_again(telling: TellingDoors) -> None:
    """A notice that is told and still on the list is known by its id."""
    doors = unreachable(telling, "site-1")
    with pytest.raises(Died):
        mortal = replace(telling, dynamodb=dying(telling.dynamodb, "put_item", turn=2))
        watch_fleet.check(None, replace(doors, telling=mortal), NOW_MS + 30 * S, CALL_MS)
    assert len(told(telling)) == 1
    watch_fleet.check(None, doors, NOW_MS + 90 * S, CALL_MS)
    assert len(told(telling)) == 1
    assert item(telling, "WATCH", "site-1")["untold"] == {"L": []}


def test_a_bad_item_holds_no_other_site_up(telling: TellingDoors) -> None:
    """A site that cannot be looked at is named, after all others were looked at."""
    doors = unreachable(telling, "site-b")
    broken: Any = {"pk": {"S": "SEEN"}, "sk": {"S": "site-a"}}
    telling.dynamodb.put_item(TableName="alerts", Item=broken)
    with pytest.raises(Transient, match=r"could not be checked: site-a$"):
        watch_fleet.check(None, doors, NOW_MS + 30 * S, CALL_MS)
    assert len(told(telling)) == 1


def test_a_removed_site_is_told_no_more(telling: TellingDoors) -> None:
    """The registry's word that a thing is gone clears what stands, and ends the watch."""
    doors = unreachable(telling, "site-1")
    watch_fleet.check(None, doors, NOW_MS + 30 * S, CALL_MS)
    removed = {"eventType": "THING_EVENT", "operation": "DELETED", "thingName": "site-1", "timestamp": NOW_MS}
    note_presence.note(removed, noting(telling), NOW_MS + 40 * S)
    for turn in range(3):
        watch_fleet.check(None, doors, NOW_MS + (60 + turn * 600) * S, CALL_MS)
    assert [subject.split()[2] for subject in told(telling)] == ["RAISED:", "CLEARED:"]

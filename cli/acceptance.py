"""The steps of an acceptance run: from a camera's pictures to footage played from the cloud, and an alert told.

Each step does one thing through the way that the product uses and checks what came of it; nothing is uploaded or
written by the run itself, but for a queue that hears what people are told, which it takes away again. A step that fails
says what is wrong and what to do (`what -> advice`). It knows nothing of how the outcome is shown.
"""

from __future__ import annotations

import hashlib
import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from cli.alerts import ask
from cli.cloud_account import Account, speaking
from cli.observe import is_running
from components.cloud_sync.core.checksums import composite, s3_form
from components.shared.catalogue.capture import CaptureReader, SegmentRow
from components.shared.catalogue.sync import SyncReader, UploadRow
from components.shared.errors import NvrError, Rejected, Transient
from components.shared.wire.object_keys import parse_object_key
from components.shared.wire.units import format_iso
from local.site import Layout

POLL_S = 1.0
GET_S_MAX = 120
ADDRESS_S = 300
"""How long a presigned address is good: longer than a segment takes to come."""

HEARING_WAIT_S = 5
NEEDED = ("MediaBucket", "MediaTable", "AlertTopic")

T = TypeVar("T")
State = Literal["passed", "failed", "not_tried"]


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What came of a step: what was seen, or what is wrong and what to do."""

    step: str
    state: State
    seconds: float
    told: str


@dataclass(frozen=True, slots=True)
class Step:
    """A step: its name, the steps that must have passed before it, what is done."""

    name: str
    needs: tuple[str, ...]
    act: Callable[[], str]


def perform(steps: Sequence[Step], tell: Callable[[StepOutcome], None]) -> list[StepOutcome]:
    """Carries out the steps in order; one whose need has not passed is not tried. Each outcome is told at once."""
    outcomes: list[StepOutcome] = []
    for step in steps:
        failed = [one.step for one in outcomes if one.step in step.needs and one.state != "passed"]
        begun = time.monotonic()
        if failed:
            outcome = StepOutcome(step.name, "not_tried", 0.0, f"it needs: {', '.join(failed)}")
        else:
            try:
                told, state = step.act(), "passed"
            except NvrError as error:
                told, state = str(error), "failed"
            outcome = StepOutcome(step.name, state, round(time.monotonic() - begun, 1), told)  # type: ignore[arg-type]
        outcomes.append(outcome)
        tell(outcome)
    return outcomes


@dataclass
class Acceptance:
    """A run at one site, with what its steps hand on to each other."""

    data: Path
    account: Account
    begun_ns: int
    within_s: float
    newest: bool
    say: Callable[[str], None]
    segment: SegmentRow | None = None
    upload: UploadRow | None = None
    letters_before: dict[str, int] = field(default_factory=dict)

    def steps(self) -> list[Step]:
        """All steps, in their order."""
        return [
            Step("account", (), self.see_account),
            Step("record", (), self.see_recorded),
            Step("upload", ("account", "record"), self.see_uploaded),
            Step("index", ("upload",), self.see_indexed),
            Step("play back", ("upload",), self.see_played),
            Step("closed to others", ("upload",), self.see_closed),
            Step("alert", ("account",), self.see_told),
            Step("dead letters", ("account",), self.see_no_letters),
        ]

    def see_account(self) -> str:
        """Somebody answers for us, and the stack has what we need."""
        who = self.account.who()
        missing = [name for name in NEEDED if name not in self.account.resources]
        if missing:
            raise Rejected(f"{who}: the stack has no {', '.join(missing)} -> deploy it: `./nvr cloud deploy`")
        self.letters_before = self._letters()
        return f"{who}; {len(self.account.resources)} resources"

    def see_recorded(self) -> str:
        """A segment is recorded whole, and its file holds what its row says."""
        layout = Layout(self.data)
        if layout.local.exists() and not self.newest and not is_running(layout):
            raise Rejected("the site is not running -> start it with `./nvr up`, or take --newest")
        row = self._await(self._closed_segment, "a segment is recorded", "`./nvr status` shows what the cameras do")
        self.segment = row
        with self._reading() as reader:
            path = reader.file_path(row)
        try:
            found = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise Rejected(f"segment {row.segment}: {path}: {error.strerror} -> `./nvr catalogue check`") from error
        if row.facts is None or found != row.facts.sha256:
            raise Rejected(f"segment {row.segment}: its file is not what was recorded -> `./nvr catalogue check`")
        return f"{row.segment}: {row.frames} frames, {row.size_bytes} bytes, as recorded"

    def see_uploaded(self) -> str:
        """The segment is in the bucket, and S3 has the checksum that was taken while recording."""
        segment = self._known(self.segment)
        row = self._await(
            lambda: self._uploaded(segment), f"{segment.segment} is uploaded", "`./nvr logs CloudSync` tells why not"
        )
        self.upload = row
        with speaking(f"look at {row.key}"):
            head = self.account.client("s3").head_object(
                Bucket=self.account.resources["MediaBucket"], Key=row.key, ChecksumMode="ENABLED"
            )
        meant = {s3_form(row.sha256), composite(row.part_sha256s)}
        if head["ContentLength"] != row.size_bytes or head.get("ChecksumSHA256") not in meant:
            raise Rejected(
                f"{row.key}: S3 has {head['ContentLength']} bytes with SHA-256 {head.get('ChecksumSHA256')}, sent were"
                f" {row.size_bytes} with {s3_form(row.sha256)} -> do not trust this bucket: is it the stack's own?"
            )
        return f"{row.key}: S3 has its SHA-256"

    def see_indexed(self) -> str:
        """The index has the object once."""
        row = self._known(self.upload)
        advice = "the log of index_object tells why; is there something in its dead letters?"
        found = self._await(lambda: self._items(row), f"{row.key} is indexed", advice)
        if len(found) != 1:
            raise Rejected(f"{row.key}: the index has {len(found)} items of it, not one -> the log of index_object")
        return f"one item, {found[0]['sk']['S']} in {found[0]['pk']['S']}"

    def see_played(self) -> str:
        """By an address that is good for minutes a player gets a range and the whole, as recorded."""
        row = self._known(self.upload)
        where = {"Bucket": self.account.resources["MediaBucket"], "Key": row.key}
        with speaking(f"make an address of {row.key}"):
            address = self.account.client("s3").generate_presigned_url("get_object", where, ExpiresIn=ADDRESS_S)
        init = int(row.metadata.get("nvr-init-bytes", 8)) or 8
        status, start = _get(address, f"bytes=0-{init - 1}")
        if status != 206 or len(start) != init or start[4:8] != b"ftyp":
            raise Rejected(
                f"{row.key}: its first {init} bytes came as {len(start)} with status {status}, and they begin no MP4"
                " -> does something between here and S3 change what it carries?"
            )
        status, whole = _get(address, None)
        if hashlib.sha256(whole).hexdigest() != row.sha256:
            raise Rejected(f"{row.key}: {len(whole)} bytes came, and they are not what was recorded -> upload it anew")
        return f"{len(whole)} bytes came, as recorded; its first {init} alone too"

    def see_closed(self) -> str:
        """Without an address of ours nobody gets the footage."""
        row = self._known(self.upload)
        where = {"Bucket": self.account.resources["MediaBucket"], "Key": row.key}
        with speaking(f"make an address of {row.key}"):
            address = self.account.client("s3").generate_presigned_url("get_object", where, ExpiresIn=ADDRESS_S)
        bare = address.partition("?")[0]
        try:
            status, _ = _get(bare, "bytes=0-7")
        except Rejected:
            return "an address without signature is refused"
        raise Rejected(f"{bare} is answered with {status} to everybody -> `./nvr cloud check`, then deploy it again")

    def see_told(self) -> str:
        """A test alert of the site comes to whoever listens to the topic, and the cloud acknowledges it."""
        with self._listening() as heard:
            answer = ask(self.data, self.within_s, by_local_core=Layout(self.data).local.exists())
            if answer.state != "acknowledged":
                raise Rejected(f"{answer.error} -> the logs of HealthMonitor and of pass_alert")
            advice = "the cloud has acknowledged it: is the topic's policy, or its key, another than the template's?"
            self._await(lambda: heard(answer.alert) or None, "the topic of alerts passes it on", advice)
        people = self._people()
        return f"acknowledged after {answer.seconds} s and passed on; {people}"

    def see_no_letters(self) -> str:
        """Nothing came to dead letters while this run lasted."""
        more = {name: count for name, count in self._letters().items() if count > self.letters_before.get(name, 0)}
        if more:
            told = ", ".join(f"{name} has {count}" for name, count in more.items())
            raise Rejected(f"{told} -> the log of its function tells why; look at the messages in SQS")
        return f"{len(self.letters_before)} queues, nothing new in them"

    def _letters(self) -> dict[str, int]:
        found = {}
        for name, url in self.account.resources.items():
            if name.endswith("DeadLetters"):
                with speaking(f"look into {name}"):
                    told = self.account.client("sqs").get_queue_attributes(
                        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
                    )
                found[name] = int(told["Attributes"]["ApproximateNumberOfMessages"])
        return found

    def _closed_segment(self) -> SegmentRow | None:
        since_ns = None if self.newest else self.begun_ns
        with self._reading() as reader:
            rows = reader.segments(since_ns=since_ns, state="closed", stream="main")
        return max(rows, key=lambda row: row.end_ns or 0, default=None)

    def _uploaded(self, segment: SegmentRow) -> UploadRow | None:
        with closing(SyncReader.open(self.data)) as reader:
            rows = [row for row in reader.each_upload() if row.segment == segment.segment and row.kind == "segment"]
        for row in rows:
            if row.state == "refused":
                raise Rejected(f"{row.key} is refused: {row.last_error} -> `./nvr logs CloudSync` tells more")
            if row.state == "uploaded":
                return row
            self.say(f"{row.key}: {row.state}" + (f": {row.last_error}" if row.last_error else ""))
        return None

    def _items(self, row: UploadRow) -> list[dict[str, Any]] | None:
        thing, name = parse_object_key(row.key)
        with speaking("ask the index"):
            pages = (
                self.account.client("dynamodb")
                .get_paginator("query")
                .paginate(
                    TableName=self.account.resources["MediaTable"],
                    IndexName="by-time",
                    KeyConditionExpression="by_time_pk = :day",
                    ExpressionAttributeValues={":day": {"S": f"{thing}#{format_iso(name.start_ns)[:10]}"}},
                )
            )
            items = [item for page in pages for item in page["Items"] if item["object_key"]["S"] == row.key]
        return items or None

    def _people(self) -> str:
        topic = self.account.resources["AlertTopic"]
        with speaking("ask who is subscribed"):
            pages = self.account.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
            found = [one for page in pages for one in page["Subscriptions"] if one["Protocol"] != "sqs"]
        confirmed = [one for one in found if one["SubscriptionArn"].startswith("arn:")]
        if not confirmed:
            return "nobody is subscribed yet (docs/alert-path.md)"
        return f"{len(confirmed)} subscribed" + (f", {len(found) - len(confirmed)} not confirmed yet" if found else "")

    @contextmanager
    def _listening(self) -> Iterator[Callable[[str], bool]]:
        """A queue of our own that hears the topic: whether it has heard of an alert. It is gone afterwards."""
        sqs, sns = self.account.client("sqs"), self.account.client("sns")
        topic = self.account.resources["AlertTopic"]
        name = f"edgenvr-accept-{uuid.uuid4().hex[:12]}"
        with speaking(f"make the queue {name}"):
            url = sqs.create_queue(QueueName=name, Attributes={"SqsManagedSseEnabled": "true"})["QueueUrl"]
        subscription = None
        try:
            with speaking(f"subscribe {name} to the topic of alerts"):
                arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
                sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": _heard_from(topic, arn)})
                subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)[
                    "SubscriptionArn"
                ]
            yield lambda alert: self._hear(url, alert)
        finally:
            with suppress(NvrError), speaking("take the queue away"):
                if subscription:
                    sns.unsubscribe(SubscriptionArn=subscription)
                sqs.delete_queue(QueueUrl=url)

    def _hear(self, url: str, alert: str) -> bool:
        with speaking("hear what people are told"):
            told = self.account.client("sqs").receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=HEARING_WAIT_S
            )
        return any(alert in message["Body"] for message in told.get("Messages", []))

    @contextmanager
    def _reading(self) -> Iterator[CaptureReader]:
        with closing(CaptureReader.open(self.data)) as reader:
            yield reader

    def _await(self, look: Callable[[], T | None], what: str, advice: str) -> T:
        """What `look` finds within the time of a step, or Transient: `what` has not come about."""
        begun = time.monotonic()
        while True:
            with suppress(Transient):  # a catalogue that is not made yet, a line that is away for a moment
                if (found := look()) is not None:
                    return found
            if time.monotonic() - begun > self.within_s:
                raise Transient(f"it did not come to pass within {self.within_s:g} s that {what} -> {advice}")
            self.say(f"waiting until {what}: {time.monotonic() - begun:.0f} s")
            time.sleep(POLL_S)

    @staticmethod
    def _known(value: T | None) -> T:
        assert value is not None, "a step runs only after those that it needs"
        return value


def _heard_from(topic: str, queue: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _get(address: str, byte_range: str | None) -> tuple[int, bytes]:
    """The answer to a GET as anybody could send it. Rejected when it is refused, Transient without a line."""
    request = urllib.request.Request(address, headers={"Range": byte_range} if byte_range else {})  # noqa: S310
    shown = address.partition("?")[0]
    try:
        with urllib.request.urlopen(request, timeout=GET_S_MAX) as answer:  # noqa: S310 - boto3 made it
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            raise Rejected(f"{shown} is answered with {error.code} -> may your role read the bucket?") from error
    except OSError as error:
        raise Transient(f"{shown} does not answer: {error} -> is HTTPS let out?") from error

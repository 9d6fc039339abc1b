"""The acceptance run sees what is there, and says of each thing that is not as it should be what is wrong.

Footage, catalogues and the embedded AWS are real; the site itself does not run, so that no alert can be sent. A whole
site is accepted in tests/faults/site.
"""

from __future__ import annotations

import http.server
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from cli.acceptance import Acceptance, Step, StepOutcome, perform
from cli.cloud_account import Account
from components.cloud_sync.core.checksums import s3_form
from components.shared.catalogue.capture import CaptureReader, SegmentRow
from components.shared.catalogue.sync import SyncWriter, UploadRow
from components.shared.errors import Rejected
from components.shared.wire import segment_metadata
from components.shared.wire.object_keys import ObjectName, object_key
from tests.integration.aws.conftest import Running
from tests.integration.aws.test_pipeline import settled
from tests.unit.cli.footage import Footage

pytestmark = pytest.mark.slow


class Box:
    """A box with one recorded segment, whose upload each test makes good or bad."""

    def __init__(self, data: Path, aws: Running) -> None:
        self.aws = aws
        self.footage = Footage(data)
        recorded = self.footage.record(0, 20)
        self.sync = SyncWriter.open(data)
        self.data = data
        reader = CaptureReader.open(data)
        (self.row,) = reader.segments(state="closed")
        reader.close()
        assert self.row.segment == recorded.segment
        self.key = object_key(f"site-{uuid.uuid4().hex[:8]}", ObjectName("cam-1", "main", self.row.start_ns, "mp4"))
        self.metadata = segment_metadata.encode(self.facts)
        self.sync.enqueue("capture", [self._upload(self.row)], 1)

    @property
    def facts(self) -> segment_metadata.SegmentFacts:
        assert self.row.facts is not None
        return self.row.facts

    def _upload(self, row: SegmentRow) -> UploadRow:
        where = (self.key, "segment", row.camera, row.segment, row.volume, row.path)
        hashes = (row.size_bytes, self.facts.sha256, row.part_sha256s)
        return UploadRow(*where, *hashes, self.metadata, 1, row.start_ns)  # type: ignore[arg-type]

    def upload(self, body: bytes | None = None) -> None:
        """The segment, or other bytes in its place, in the bucket and noted as uploaded."""
        body = body if body is not None else self.footage.path(self.row).read_bytes()
        self.aws.client("s3").put_object(
            Bucket=self.aws.bucket, Key=self.key, Body=body, Metadata=self.metadata, ChecksumAlgorithm="SHA256"
        )
        self.sync.mark_uploaded(self.key, "etag", self.row.start_ns)
        settled(self.aws)

    def accept(self, account: Account | None = None) -> dict[str, StepOutcome]:
        """What came of each step."""
        run = Acceptance(self.data, account or self.account(), 0, 1.0, True, lambda _: None)
        return {outcome.step: outcome for outcome in perform(run.steps(), lambda _: None)}

    def account(self, endpoint_url: str | None = None, **resources: str) -> Account:
        ready = self.aws.ready
        session = boto3.Session(
            aws_access_key_id=ready["access_key_id"],
            aws_secret_access_key=ready["secret_access_key"],
            region_name=ready["region"],
        )
        return Account(session, endpoint_url or ready["endpoint_url"], {**ready["resources"], **resources})


@pytest.fixture
def box(tmp_path: Path, aws: Running) -> Iterator[Box]:
    box = Box(tmp_path / "data", aws)
    yield box
    box.sync.close()
    box.footage.archive.close()


def states(found: dict[str, StepOutcome]) -> dict[str, str]:
    return {step: outcome.state for step, outcome in found.items() if outcome.state != "passed"}


def test_a_sound_way_is_accepted_but_for_the_alert_of_a_dead_site(box: Box) -> None:
    """Recorded, uploaded, indexed, played and closed to others pass; that nobody sends an alert is told, and leaves no
    queue behind.
    """
    box.upload()
    found = box.accept()
    assert states(found) == {"alert": "failed"}
    assert "HealthMonitor" in found["alert"].told or "not running" in found["alert"].told
    assert f"{box.row.size_bytes} bytes came, as recorded" in found["play back"].told
    queues = box.aws.client("sqs").list_queues(QueueNamePrefix="edgenvr-accept").get("QueueUrls", [])
    assert queues == []
    assert box.aws.client("sns").list_subscriptions()["Subscriptions"] == []


def test_a_file_that_is_not_what_was_recorded_is_told(box: Box) -> None:
    """A damaged file fails the first step, and what needs it is not tried."""
    path = box.footage.path(box.row)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    found = box.accept()
    assert "its file is not what was recorded -> `./nvr catalogue check`" in found["record"].told
    assert states(found) == {
        "record": "failed",
        "upload": "not_tried",
        "index": "not_tried",
        "play back": "not_tried",
        "closed to others": "not_tried",
        "alert": "failed",
    }


def test_an_upload_that_does_not_come_is_told(box: Box) -> None:
    """A segment that stays in the queue fails after its time; one that was refused at once, with the reason."""
    found = box.accept()
    assert f"within 1 s that {box.row.segment} is uploaded" in found["upload"].told
    box.sync.mark_refused(box.key, "another object is there")
    found = box.accept()
    assert "is refused: another object is there" in found["upload"].told
    assert found["upload"].seconds < 1.0


def test_other_bytes_in_the_bucket_are_told(box: Box) -> None:
    """Bytes of the right length with another hash fail against the checksum that S3 has."""
    box.upload(bytes(box.row.size_bytes))
    found = box.accept()
    assert s3_form(box.facts.sha256) in found["upload"].told
    assert found["play back"].state == "not_tried"


def test_what_a_player_gets_is_looked_at_by_itself(box: Box) -> None:
    """Even where S3's word is taken for the upload, bytes that are not those recorded fail when they are played."""
    box.upload()
    run = Acceptance(box.data, box.account(), 0, 1.0, True, lambda _: None)
    run.see_account()
    run.see_recorded()
    run.see_uploaded()
    assert run.upload is not None
    run.upload = replace(run.upload, sha256="00" * 32)
    with pytest.raises(Rejected, match="they are not what was recorded"):
        run.see_played()
    box.aws.client("s3").put_object(Bucket=box.aws.bucket, Key=box.key, Body=b"no movie at all" * 100)
    with pytest.raises(Rejected, match="they begin no MP4"):
        run.see_played()


def test_an_object_that_the_index_misses_or_has_twice_is_told(box: Box) -> None:
    """No item, and two of them, fail; each says which."""
    box.upload()
    table = box.aws.client("dynamodb")
    (item,) = [one for one in table.scan(TableName=box.aws.table)["Items"] if one.get("object_key") == {"S": box.key}]
    table.put_item(TableName=box.aws.table, Item={**item, "sk": {"S": "main#again"}})
    assert "the index has 2 items of it, not one" in box.accept()["index"].told
    for sk in (item["sk"], {"S": "main#again"}):
        table.delete_item(TableName=box.aws.table, Key={"pk": item["pk"], "sk": sk})
    assert f"that {box.key} is indexed" in box.accept()["index"].told


def test_what_comes_to_dead_letters_meanwhile_is_told(box: Box) -> None:
    """A message that was there before is nobody's fault; one that comes during the run fails it."""
    sqs, url = box.aws.client("sqs"), box.aws.ready["resources"]["NormalizeDeadLetters"]
    sqs.send_message(QueueUrl=url, MessageBody="old")
    run = Acceptance(box.data, box.account(), 0, 1.0, True, lambda _: None)
    run.see_account()
    assert run.see_no_letters() == "4 queues, nothing new in them"
    sqs.send_message(QueueUrl=url, MessageBody="new")
    with pytest.raises(Rejected, match="NormalizeDeadLetters has 2"):
        run.see_no_letters()
    sqs.purge_queue(QueueUrl=url)


def test_footage_that_everybody_gets_is_told(box: Box) -> None:
    """An address without signature that is answered fails: a server that asks nobody stands in for an open bucket."""

    class Open(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(206)
            self.end_headers()
            self.wfile.write(b"12345678")

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the library
            """Says nothing."""

    box.upload()
    run = Acceptance(box.data, box.account(), 0, 1.0, True, lambda _: None)
    run.see_recorded()
    run.see_uploaded()
    assert run.see_closed() == "an address without signature is refused"
    with http.server.HTTPServer(("127.0.0.1", 0), Open) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        run.account = box.account(f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(Rejected, match="answered with 206 to everybody"):
            run.see_closed()
        server.shutdown()


def test_an_account_that_is_not_there_is_told(box: Box) -> None:
    """Where nobody answers, and where the stack lacks something, the first step says so and nothing else is tried."""
    found = box.accept(box.account("http://127.0.0.1:9"))
    assert "AWS does not answer" in found["account"].told
    assert states(found)["dead letters"] == "not_tried"
    bare = box.account()
    bare.resources = {name: value for name, value in bare.resources.items() if name != "MediaTable"}
    assert "the stack has no MediaTable -> deploy it" in box.accept(bare)["account"].told


def test_steps_that_need_one_that_failed_are_not_tried() -> None:
    """Each outcome is told when it is there; a failure holds back what needs it, directly or not, and nothing else."""

    def fail() -> str:
        raise Rejected("broken -> mend it")

    told: list[str] = []
    steps = [
        Step("a", (), lambda: "fine"),
        Step("b", ("a",), fail),
        Step("c", ("b",), lambda: "never"),
        Step("d", ("c",), lambda: "never"),
        Step("e", ("a",), lambda: "fine"),
    ]
    found = perform(steps, lambda outcome: told.append(outcome.step))
    assert [outcome.state for outcome in found] == ["passed", "failed", "not_tried", "not_tried", "passed"]
    assert found[1].told == "broken -> mend it"
    assert told == ["a", "b", "c", "d", "e"]

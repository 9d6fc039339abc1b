"""The stand-in has what the template says, as the template says it."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import botocore.exceptions
import pytest

from tests.fakes.waiting import eventually
from tests.integration.aws.conftest import ROOT, Running, Start, start_aws

pytestmark = pytest.mark.slow


def control(aws: Running, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(aws.ready["endpoint_url"] + path, data=data, timeout=10) as answer:
        answered: dict[str, Any] = json.load(answer)
        return answered


def test_media_bucket_is_as_in_the_template(aws: Running) -> None:
    """The bucket is versioned, encrypted, and closed to the public and to whoever has no TLS."""
    s3 = aws.client("s3")
    assert s3.get_bucket_versioning(Bucket=aws.bucket)["Status"] == "Enabled"
    rules = s3.get_bucket_encryption(Bucket=aws.bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert rules[0]["BucketKeyEnabled"] is True
    assert all(s3.get_public_access_block(Bucket=aws.bucket)["PublicAccessBlockConfiguration"].values())
    policy = json.loads(s3.get_bucket_policy(Bucket=aws.bucket)["Policy"])
    assert policy["Statement"][0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    lifecycle = {rule["ID"]: rule for rule in s3.get_bucket_lifecycle_configuration(Bucket=aws.bucket)["Rules"]}
    assert lifecycle["footage"]["Expiration"]["Days"] == 365


def test_media_table_is_as_in_the_template(aws: Running) -> None:
    """The table is on demand and encrypted, forgets by `expires_s`, can be restored, and has its two indexes."""
    dynamodb = aws.client("dynamodb")
    table = dynamodb.describe_table(TableName=aws.table)["Table"]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert {index["IndexName"] for index in table["GlobalSecondaryIndexes"]} == {"by-time", "by-label"}
    assert table["SSEDescription"]["Status"] == "ENABLED"
    assert table["DeletionProtectionEnabled"] is True
    expiry = dynamodb.describe_time_to_live(TableName=aws.table)["TimeToLiveDescription"]
    assert expiry["AttributeName"] == "expires_s"
    backups = dynamodb.describe_continuous_backups(TableName=aws.table)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"


def test_queues_give_up_into_their_dead_letter_queues(aws: Running) -> None:
    """Each working queue sends to its dead-letter queue what was tried `TriesMax` times."""
    sqs = aws.client("sqs")
    for name in ("Normalize", "Index"):
        url = aws.ready["resources"][f"{name}Queue"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        redrive = json.loads(attributes["RedrivePolicy"])
        assert redrive["deadLetterTargetArn"].endswith(f"edgenvr-{name}DeadLetters")
        assert int(redrive["maxReceiveCount"]) == 5
        assert attributes["VisibilityTimeout"] == "360"


def test_dead_letters_have_their_alarms(aws: Running) -> None:
    """Each dead-letter queue has an alarm that tells the topic of alerts of the first message in it."""
    alarms = aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
    watched = {alarm["Dimensions"][0]["Value"]: alarm for alarm in alarms}
    letters = {f"edgenvr-{name}DeadLetters" for name in ("Normalize", "Index", "Alert", "Telemetry")}
    assert set(watched) == letters
    for alarm in alarms:
        assert (alarm["MetricName"], alarm["Threshold"]) == ("ApproximateNumberOfMessagesVisible", 0.0)
        assert alarm["AlarmActions"] == [aws.ready["resources"]["AlertTopic"]]


def test_a_replica_is_an_option(start: Start, aws: Running) -> None:
    """Without a parameter nothing is replicated; with one, events and metadata are, by a role that may no more."""
    with pytest.raises(botocore.exceptions.ClientError, match="ReplicationConfigurationNotFound"):
        aws.client("s3").get_bucket_replication(Bucket=aws.bucket)
    # moto takes only a bucket that is there and versioned: the media bucket itself stands in for the one far away.
    replica = f"arn:aws:s3:::{aws.bucket}"
    other = start("--parameter", f"ReplicaBucketArn={replica}")
    configuration = other.client("s3").get_bucket_replication(Bucket=other.bucket)["ReplicationConfiguration"]
    assert configuration["Role"].endswith("edgenvr-ReplicationRole")
    # moto forgets the tags of a rule.
    assert {rule["ID"]: rule["Destination"]["Bucket"] for rule in configuration["Rules"]} == {
        "events": replica,
        "metadata": replica,
    }
    policy = other.client("iam").get_role_policy(
        RoleName="edgenvr-ReplicationRole", PolicyName="edgenvr-ReplicationPolicy"
    )["PolicyDocument"]
    assert policy["Statement"][2]["Resource"] == f"{replica}/*"


def test_the_replica_s_template_is_understood(tmp_path: Any) -> None:
    """The bucket of copies comes up from its own template: versioned, which replication needs, and closed."""
    copies = start_aws(tmp_path / "data", ROOT / "cloud" / "replica.yaml")
    try:
        s3, bucket = copies.client("s3"), copies.ready["resources"]["ReplicaBucket"]
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
        assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
        assert copies.ready["outputs"]["ReplicaBucketArn"] == f"arn:aws:s3:::{bucket}"
    finally:
        copies.stop()


def test_dashboards_are_as_in_the_template(aws: Running) -> None:
    """Each dashboard is there, about this region, with what its log queries read from."""
    for name in ("FleetDashboard", "SiteDashboard"):
        body = aws.client("cloudwatch").get_dashboard(DashboardName=aws.ready["resources"][name])["DashboardBody"]
        widgets = [widget["properties"] for widget in json.loads(body)["widgets"]]
        assert {widget["region"] for widget in widgets} == {aws.ready["region"]}
        queries = [widget["query"] for widget in widgets if "query" in widget]
        assert queries
        assert all(query.startswith("SOURCE '/edgenvr/TelemetryLogs' | ") for query in queries)


def test_everything_of_the_template_is_named_in_the_ready_file(aws: Running) -> None:
    """The ready file names every resource and output, and none of them by an address that is not the endpoint's."""
    text = (ROOT / "cloud" / "template.yaml").read_text()
    lines = text.split("\nResources:")[1].split("\nOutputs:")[0].splitlines()
    optional = {lines[at - 2][2:-1] for at, line in enumerate(lines) if line.startswith("    Condition: ")}
    assert optional == {"ReplicationRole", "ReplicationPolicy"}
    named = {line[2:-1] for line in lines if _is_name(line)}
    assert named - optional <= set(aws.ready["resources"])
    assert not optional & set(aws.ready["resources"])
    assert aws.ready["resources"]["IndexQueue"].startswith(aws.ready["endpoint_url"])
    assert aws.ready["outputs"]["MediaBucketName"] == aws.bucket


def _is_name(line: str) -> bool:
    return line.startswith("  ") and line[2:3].isalpha() and line.endswith(":")


def test_a_type_that_is_not_understood_is_an_error(start: Start, tmp_path: Any) -> None:
    """A resource of an unknown type stops the start and is named: nothing is skipped in silence."""
    template = tmp_path / "template.yaml"
    template.write_text("Resources:\n  Cache:\n    Type: AWS::ElastiCache::CacheCluster\n")
    with pytest.raises(AssertionError, match="Cache is of type AWS::ElastiCache::CacheCluster"):
        start_aws(tmp_path / "data", template)


def test_a_property_that_is_not_understood_is_an_error(tmp_path: Any) -> None:
    """A property without a meaning here stops the start and is named."""
    template = tmp_path / "template.yaml"
    template.write_text(
        "Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties:\n      KmsMasterKeyId: alias/aws/sqs\n"
    )
    with pytest.raises(AssertionError, match="KmsMasterKeyId"):
        start_aws(tmp_path / "data", template)


@pytest.mark.parametrize(
    ("change", "parameters", "told"),
    [
        (("sqs:ReceiveMessage, ", ""), [], "does not allow sqs:ReceiveMessage"),
        (("", ""), ["--parameter", "RetrySeconds=9"], "less than the 60 s"),
    ],
    ids=["role", "time"],
)
def test_a_mapping_that_aws_refuses_is_refused(
    tmp_path: Any, change: tuple[str, str], parameters: list[str], told: str
) -> None:
    """A function that may not read its queue, or whose queue hides messages for too short a time, stops the start."""
    template = tmp_path / "cloud" / "template.yaml"
    template.parent.mkdir()
    template.write_text((ROOT / "cloud" / "template.yaml").read_text().replace(*change))
    with pytest.raises(AssertionError, match=told):
        start_aws(tmp_path / "data", template, *parameters)


def test_parameters_can_be_given(start: Start) -> None:
    """`--parameter` overrides a default of the template."""
    aws = start("--parameter", "RetrySeconds=2", "--parameter", "FunctionTimeoutSeconds=1")
    url = aws.ready["resources"]["IndexQueue"]
    attributes = aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
    assert attributes["Attributes"]["VisibilityTimeout"] == "2"


def test_a_dead_network_answers_nothing(start: Start) -> None:
    """While the network is off every request is cut without an answer; afterwards everything is as before."""
    aws = start()
    assert control(aws, "/_local/network", {"online": False}) == {"online": False}
    with pytest.raises((botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionClosedError)):
        aws.client("s3").list_objects_v2(Bucket=aws.bucket)
    stats = control(aws, "/_local/stats")
    assert stats["online"] is False
    assert stats["requests"]["refused_offline"] >= 1
    control(aws, "/_local/network", {"online": True})
    assert aws.client("s3").list_objects_v2(Bucket=aws.bucket)["KeyCount"] == 0


def test_a_dead_network_cuts_what_is_under_way(start: Start) -> None:
    """An upload that is under way when the network goes is cut, stores nothing, and leaves nothing on disk."""
    aws = start()
    address = urlsplit(aws.ready["endpoint_url"])
    url = aws.client("s3").generate_presigned_url("put_object", Params={"Bucket": aws.bucket, "Key": "k"})
    path = url.removeprefix(aws.ready["endpoint_url"])
    with socket.create_connection((address.hostname or "", address.port or 0), 10) as connection:
        connection.sendall(f"PUT {path} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: 9000000\r\n\r\n".encode())
        connection.sendall(b"x" * 1_000_000)
        eventually(lambda: bodies(aws), 10)
        control(aws, "/_local/network", {"online": False})
        assert connection.recv(100) == b""
    control(aws, "/_local/network", {"online": True})
    assert aws.client("s3").list_objects_v2(Bucket=aws.bucket)["KeyCount"] == 0
    eventually(lambda: not bodies(aws), 10)


def bodies(aws: Running) -> int:
    return sum(1 for path in (aws.data / "bodies").rglob("*") if path.is_file())


def test_a_service_can_refuse_what_others_answer(start: Start) -> None:
    """A service that is switched off answers 503 to the site and stores nothing; the others go on, and so does it."""
    aws = start()
    s3 = aws.client("s3")
    assert control(aws, "/_local/refused", {"services": ["s3"]}) == {"services": ["s3"]}
    with pytest.raises(botocore.exceptions.ClientError, match="ServiceUnavailable"):
        s3.put_object(Bucket=aws.bucket, Key="k", Body=b"x")
    assert aws.client("dynamodb").list_tables()["TableNames"]
    control(aws, "/_local/refused", {"services": []})
    assert s3.list_objects_v2(Bucket=aws.bucket)["KeyCount"] == 0
    with pytest.raises(urllib.error.HTTPError, match="400"):
        control(aws, "/_local/refused", {"services": ["telephone"]})


def test_a_malformed_switch_is_refused(aws: Running) -> None:
    """The switch takes true or false and nothing else."""
    with pytest.raises(urllib.error.HTTPError, match="400"):
        control(aws, "/_local/network", {"online": "maybe"})


def test_it_ends_with_sigterm(start: Start) -> None:
    """SIGTERM ends it within seconds, with exit code 0."""
    aws = start()
    aws.stop()
    assert aws.process.returncode == 0

"""The template is one that AWS would take, and devices reach only what is their own (what else is promised of it: see
`test_assertions.py`).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local.iot_core import rule_sql
from local.iot_core.message import Message

ROOT = Path(__file__).parents[3]
TEMPLATE = ROOT / "cloud" / "template.yaml"


@pytest.fixture(scope="module")
def expanded() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "local.aws.expand_template", str(TEMPLATE), "eu-central-1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    body: dict[str, Any] = json.loads(done.stdout)
    return body


def statements(expanded: dict[str, Any], role: str) -> dict[str, dict[str, Any]]:
    (policy,) = expanded["Resources"][role]["Properties"]["Policies"]
    return {statement["Sid"]: statement for statement in policy["PolicyDocument"]["Statement"]}


@pytest.mark.slow
def test_cfn_lint_finds_nothing() -> None:
    """cfn-lint finds neither errors nor warnings."""
    done = subprocess.run(
        [sys.executable, "-c", "from cfnlint.runner import main; main()", str(TEMPLATE)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.slow
def test_functions_expand_with_their_queues(expanded: dict[str, Any]) -> None:
    """The SAM translator makes a function and a queue mapping with partial failures of each of our functions."""
    mappings = [
        body["Properties"]
        for body in expanded["Resources"].values()
        if body["Type"] == "AWS::Lambda::EventSourceMapping"
    ]
    assert {mapping["FunctionName"]["Ref"] for mapping in mappings} == {"NormalizeObject", "IndexObject", "WatchFleet"}
    assert all(mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"] for mapping in mappings)


@pytest.mark.slow
def test_a_device_reaches_only_what_is_its_own(expanded: dict[str, Any]) -> None:
    """Everything a device's role may touch carries the thing's own name from its certificate, but for log groups (they
    belong to all sites, and what the log manager may do with them neither writes into them nor reads from them) and the
    list of uploads under way, which S3 cannot narrow.
    """
    found = dict(statements(expanded, "DeviceRole"))
    begun = found.pop("BegunUploads")
    assert begun["Action"] == "s3:ListBucketMultipartUploads"
    groups = found.pop("LogGroups")
    assert set(groups["Action"]) == {"logs:CreateLogGroup", "logs:DescribeLogStreams"}
    assert json.dumps(groups["Resource"]).count("log-group:/aws/greengrass/") == len(groups["Resource"])
    for sid, statement in found.items():
        scope = json.dumps(statement["Condition"] if sid == "ListOwnFootage" else statement["Resource"])
        assert "credentials-iot:ThingName" in scope, sid
    own = statements(expanded, "DeviceRole")
    assert "s3:DeleteObject" not in own["OwnFootage"]["Action"]
    assert "secret:edgenvr/${!credentials-iot:ThingName}/*" in json.dumps(own["OwnSecrets"]["Resource"])
    assert "sites/${!credentials-iot:ThingName}/*" in json.dumps(own["OwnFootage"]["Resource"])


@pytest.mark.slow
def test_an_answer_to_an_alert_does_not_come_back_as_one(expanded: dict[str, Any]) -> None:
    """The rule for alerts takes what is raised and cleared, and not the cloud's own answers."""
    sql = expanded["Resources"]["PassAlertNotices"]["Properties"]["TopicRulePayload"]["Sql"]
    statement = rule_sql.parse(sql)
    selected = {
        verb: statement.select(Message(f"nvr/v1/site-1/alert/{verb}", b"no JSON"), 0)
        for verb in ("raised", "cleared", "acknowledged")
    }
    assert json.loads(selected["raised"] or b"")["topic"] == "nvr/v1/site-1/alert/raised"
    assert selected["cleared"] is not None
    assert selected["acknowledged"] is None


@pytest.mark.slow
def test_a_sites_zone_is_kept_when_its_configuration_names_one(expanded: dict[str, Any]) -> None:
    """The rule takes the zone that people want of a site, to where normalize_object may read it; no zone is no item."""
    rule = expanded["Resources"]["SiteRule"]["Properties"]["TopicRulePayload"]
    statement = rule_sql.parse(rule["Sql"])

    def item(desired: dict[str, Any], shadow: str = "site") -> Any:
        body = {"previous": {}, "current": {"state": {"desired": desired, "reported": {"time_zone": "UTC"}}}}
        topic = f"$aws/things/site-1/shadow/name/{shadow}/update/documents"
        selected = statement.select(Message(topic, json.dumps(body).encode()), 0)
        return None if selected is None else json.loads(selected)

    assert item({"time_zone": "Europe/Berlin"}) == {"pk": "SITE", "sk": "site-1", "time_zone": "Europe/Berlin"}
    assert item({"cameras": {}}) is None
    assert item({"time_zone": ""}) is None
    (action,) = rule["Actions"]
    table = {"Ref": "AlertsTable"}
    assert action["DynamoDBv2"]["PutItem"]["TableName"] == table
    reading = statements(expanded, "NormalizeRole")["TimeZoneOfSite"]
    assert reading["Resource"] == {"Fn::GetAtt": ["AlertsTable", "Arn"]}
    assert "SITE" in reading["Condition"]["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"]
    assert "SITE" in json.dumps(statements(expanded, "SeenRole")["Seen"])
    environment = expanded["Resources"]["NormalizeObject"]["Properties"]["Environment"]["Variables"]
    assert environment["TABLE_NAME"] == table

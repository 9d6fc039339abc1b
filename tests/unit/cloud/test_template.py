"""The template is one that AWS would take, and it grants no more than is needed."""

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
    assert {mapping["FunctionName"]["Ref"] for mapping in mappings} == {"NormalizeObject", "IndexObject", "CheckSites"}
    assert all(mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"] for mapping in mappings)


@pytest.mark.slow
def test_no_role_may_do_everything(expanded: dict[str, Any]) -> None:
    """No statement has a wildcard action, and none a resource of `*`."""
    roles = [name for name, body in expanded["Resources"].items() if body["Type"] == "AWS::IAM::Role"]

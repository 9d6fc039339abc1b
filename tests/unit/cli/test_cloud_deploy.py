"""`./nvr cloud deploy` says what it would do, and refuses what AWS would refuse later."""

from __future__ import annotations

import argparse
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, NoRegionError

from cli.cloud_account import failure, judge_runs
from cli.cloud_deploy import deploy_command, read_parameters, replica_command
from cli.sam_tool import QUIET, sam_program
from components.shared.errors import Rejected, Transient
from tests.unit.cli.conftest import Nvr

TEMPLATE: dict[str, Any] = {"Parameters": {"MediaDays": {}, "TriesMax": {}}}


def arguments(**given: object) -> argparse.Namespace:
    return argparse.Namespace(
        **{"stack": "edgenvr", "region": None, "replica_region": None, "profile": None, "yes": False, **given}
    )


@pytest.mark.parametrize(("unreserved", "is_enough"), [(120, False), (121, True), (1000, True)])
def test_the_account_s_limit_is_looked_at_first(unreserved: int, is_enough: bool) -> None:
    """Of the runs that are free, a hundred must be left: one less is refused with the command that asks for more."""
    if is_enough:
        assert judge_runs(1000, unreserved, 21) == f"{unreserved} runs at once are free, 21 are reserved"
        return
    with pytest.raises(Rejected, match="request-service-quota-increase"):
        judge_runs(1000, unreserved, 21)


def test_parameters_are_those_of_the_template() -> None:
    """A parameter is handed on; one that the template does not have is refused with those that it has."""
    assert read_parameters(["MediaDays=90", "TriesMax="], TEMPLATE) == {"MediaDays": "90", "TriesMax": ""}
    for wrong in ("MediaDay=90", "MediaDays"):
        with pytest.raises(Rejected, match="MediaDays, TriesMax"):
            read_parameters([wrong], TEMPLATE)


def test_the_change_set_is_asked_for_unless_told_otherwise() -> None:
    """Without `--yes` the SAM CLI asks; with it, it does not."""
    assert "--confirm-changeset" in deploy_command("sam", Path("t.json"), arguments(), {})
    told = deploy_command(
        "sam", Path("t.json"), arguments(yes=True, region="eu-west-1", profile="p"), {"MediaDays": "9"}
    )
    assert "--no-confirm-changeset" in told
    assert told[-2:] == ["--parameter-overrides", "MediaDays=9"]
    assert " ".join(told).count("--region eu-west-1 --profile p") == 1


def test_the_replica_is_a_stack_of_its_own_elsewhere() -> None:
    """Copies go to the other region, by the same credentials, asked for in the same way."""
    told = " ".join(replica_command("sam", arguments(region="eu-central-1", replica_region="eu-west-1", profile="p")))
    assert "--stack-name edgenvr-replica" in told
    assert "--region eu-west-1 --profile p" in told
    assert "cloud/replica.yaml" in told
    assert "--confirm-changeset" in told


def test_names_that_cannot_be_are_refused_at_once(nvr: Nvr) -> None:
    """A stack's name and a parameter are looked at before anything is done."""
    told = nvr("cloud", "deploy", "--dry-run", "--stack", "my stack")
    assert (told.code, "my stack" in told.error) == (2, True)
    told = nvr("cloud", "deploy", "--dry-run", "--parameter", "Nothing=1")
    assert (told.code, "MediaDays" in told.error) == (2, True)


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        (NoCredentialsError(), Rejected, "no credentials -> `aws sso login`"),
        (NoRegionError(), Rejected, "--region"),
        (ClientError({"Error": {"Code": "ExpiredToken", "Message": "old"}}, "x"), Rejected, "old -> log in again"),
        (ClientError({"Error": {"Code": "Odd", "Message": "why"}}, "x"), Rejected, "AWS answers Odd: why"),
        (EndpointConnectionError(endpoint_url="https://x"), Transient, "AWS does not answer"),
    ],
)
def test_errors_of_aws_say_what_to_do(error: ClientError, kind: type[Exception], told: str) -> None:
    """Each error names what could not be done and what helps."""
    found = failure("do it", error)
    assert type(found) is kind
    assert str(found).startswith("cannot do it: ")
    assert told in str(found)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_sam_cli_knows_every_option() -> None:
    """The pinned SAM CLI runs from its own environment and has each option that we call it with."""
    shown = subprocess.run(
        [sam_program(), "deploy", "--help"], capture_output=True, text=True, check=True, env={**QUIET, "COLUMNS": "200"}
    ).stdout
    ours = deploy_command("sam", Path("t"), arguments(region="r", profile="p"), {"A": "b"})
    ours += deploy_command("sam", Path("t"), arguments(yes=True), {})
    known = set(re.findall(r"--[a-z0-9-]+", shown))
    assert {option for option in ours if option.startswith("--")} <= known

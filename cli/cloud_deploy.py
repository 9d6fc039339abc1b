"""Deploy the template to an AWS account.

In this order: the template is checked (a weakness ends it), each function's code is staged with its pinned packages for
arm64, the account is looked at, the change set is shown and asked for, and its progress is told.

    ./nvr cloud deploy --dry-run                         check and stage, without an account
    ./nvr cloud deploy --region eu-central-1
    ./nvr cloud deploy --region eu-central-1 --profile nvr --parameter MediaDays=90 --yes
    ./nvr cloud deploy --region eu-central-1 --replica-region eu-west-1

It does the same again: what has not changed is left as it is. It uses the SAM CLI, which it fetches once into an
environment of its own.
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cli.cloud_account import Account, has_stack, output_of, real_account, require_runs
from cli.cloud_check import REPLICA, TEMPLATE, examine, print_findings
from cli.output import format_size
from cli.pins import uv_program
from cli.sam_tool import QUIET, sam_program
from cli.steps import ROOT, Step, run_step
from components.shared.errors import Rejected
from fleet.cloud_code import StagedCloud, reserved_runs, stage

HELP = "deploy the template to an AWS account"

STACK = "edgenvr"
BUILD = ROOT / "build" / "cloud"
_STACK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}")
_REGION_OF_CHECKS = "eu-central-1"

AFTERWARDS = """Afterwards, once per account:
  aws iot update-indexing-configuration --cli-input-json file://cloud/fleet_index.json
  aws iot update-event-configurations --event-configurations '{"THING": {"Enabled": true}}'
Subscribe people to the topic of alerts (docs/alert-path.md), then on a box: ./nvr cloud accept"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--region", metavar="NAME", help="where to (default: the profile's)")
    parser.add_argument("--profile", metavar="NAME", help="whose credentials (default: the environment's)")
    parser.add_argument("--stack", default=STACK, metavar="NAME", help=f"the stack's name (default: {STACK})")
    parser.add_argument(
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of the template that is not to have its default; may be given more than once",
    )
    parser.add_argument(
        "--replica-region", metavar="NAME", help="keep copies of events and metadata in this other region too"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask before the change set is carried out")
    parser.add_argument("--dry-run", action="store_true", help="check and stage only; needs no account")
    parser.add_argument(
        "--build", type=Path, default=BUILD, metavar="DIR", help="where to stage the code (default: build/cloud)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Deploy; 1 when the template has a weakness, or AWS refuses it."""
    if not _STACK_NAME.fullmatch(arguments.stack):
        raise Rejected(f"--stack {arguments.stack} is not a letter followed by up to 127 letters, digits and -")
    template = parse_template(TEMPLATE)
    parameters = read_parameters(arguments.parameter, template)
    findings = [*examine(TEMPLATE), *(examine(REPLICA) if arguments.replica_region else ())]
    print_findings(findings)
    if findings:
        print(f"{len(findings)} found: nothing was deployed")
        return 1
    print("== check: no weakness found", flush=True)
    staged = stage(ROOT, template, arguments.build.resolve(), uv_program())
    _tell(staged)
    sam = sam_program()
    validate = (sam, "validate", "--lint", "--template-file", str(staged.template))
    if run_step(Step("validate", (*validate, "--region", arguments.region or _REGION_OF_CHECKS)), QUIET) != 0:
        return 1
    replica = replica_command(sam, arguments) if arguments.replica_region else None
    if arguments.dry_run:
        commands = [*([replica] if replica else []), deploy_command(sam, staged.template, arguments, parameters)]
        print("== dry run: nothing was deployed. It would have been:", *map(shlex.join, commands), sep="\n")
        return 0
    account = real_account(None, arguments.region, arguments.profile)
    print(f"== account: {account.who()}", flush=True)
    if not has_stack(account, arguments.stack):
        print(f"== limits: {require_runs(account, reserved_runs(template))}", flush=True)
    if replica is not None:
        parameters["ReplicaBucketArn"] = _deploy_replica(replica, account, arguments)
    if run_step(Step("deploy", tuple(deploy_command(sam, staged.template, arguments, parameters))), QUIET) != 0:
        print(f"AWS did not take it, or was not asked to: the events above tell why; {arguments.stack} is as before")
        return 1
    print(AFTERWARDS)
    return 0


def _deploy_replica(command: Sequence[str], account: Account, arguments: argparse.Namespace) -> str:
    """The ARN of the bucket of copies, deployed first since the other template names it."""
    region = arguments.replica_region
    if region == account.session.region_name:
        raise Rejected(f"--replica-region {region} is where the footage is: copies there would be lost with it")
    if run_step(Step("deploy the replica", tuple(command)), QUIET) != 0:
        raise Rejected(f"the bucket of copies was not deployed to {region}: the events above tell why")
    elsewhere = real_account(None, region, arguments.profile)
    return output_of(elsewhere, replica_stack(arguments.stack), "ReplicaBucketArn")


def _tell(staged: StagedCloud) -> None:
    for function in staged.functions:
        print(f"== staged: {function.name}: {function.modules} modules, {format_size(function.size_bytes)} unpacked")


def parse_template(path: Path) -> dict[str, Any]:
    """The SAM template as it stands, its short forms (`!Ref`) written out."""
    from samtranslator.yaml_helper import yaml_parse  # slow: other commands should not pay for it

    parsed: dict[str, Any] = yaml_parse(path.read_text(encoding="utf-8"))
    return parsed


def read_parameters(given: Sequence[str], template: dict[str, Any]) -> dict[str, str]:
    """The parameters of the command line; Rejected for one that the template does not have."""
    parameters = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or name not in template["Parameters"]:
            known = ", ".join(template["Parameters"])
            raise Rejected(f"--parameter {text} is not NAME=VALUE of one that there is: {known}")
        parameters[name] = value
    return parameters


def deploy_command(sam: str, template: Path, arguments: argparse.Namespace, parameters: dict[str, str]) -> list[str]:
    """The call of the SAM CLI: it uploads what is new, shows the change set, asks, and tells each step."""
    command = _command(sam, template, arguments.stack, arguments.region, arguments)
    command += ["--resolve-s3", "--s3-prefix", arguments.stack]
    if parameters:
        command += ["--parameter-overrides", *(f"{name}={value}" for name, value in parameters.items())]
    return command


def replica_stack(stack: str) -> str:
    """The name of the stack with the copies."""
    return f"{stack}-replica"


def replica_command(sam: str, arguments: argparse.Namespace) -> list[str]:
    """The call of the SAM CLI for the bucket of copies."""
    return _command(sam, REPLICA, replica_stack(arguments.stack), arguments.replica_region, arguments)


def _command(sam: str, template: Path, stack: str, region: str | None, arguments: argparse.Namespace) -> list[str]:
    command = [sam, "deploy", "--template-file", str(template), "--stack-name", stack]
    command += ["--capabilities", "CAPABILITY_IAM", "--no-fail-on-empty-changeset"]
    command += ["--no-confirm-changeset" if arguments.yes else "--confirm-changeset"]
    if region:
        command += ["--region", region]
    if arguments.profile:
        command += ["--profile", arguments.profile]
    return command

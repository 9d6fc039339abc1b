"""Check the templates: whether AWS would take them (cfn-lint), and whether they keep what we promise (our rules).

A finding names the resource, the rule, what is wrong and what to do. Exceptions from rules stand in
`cloud/assertions/reviewed.py`, each with its reason. `--rules` lists the rules.

    ./nvr cloud check
    ./nvr cloud check --template cloud/template.yaml --json

It needs no account.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.output import add_json_argument, print_json, print_table
from cli.steps import ROOT
from cloud.assertions.rules import RULES, check
from cloud.assertions.template_world import TemplateUnreadableError
from components.shared.errors import Rejected, Transient

HELP = "check the templates; exit 1 when one has a weakness"

TEMPLATE = ROOT / "cloud" / "template.yaml"
REPLICA = ROOT / "cloud" / "replica.yaml"
LINT_S_MAX = 300
"""It takes 4 s on an idle machine."""

EXPAND_S_MAX = 120
REGION = "eu-central-1"
"""Which it is changes nothing that a rule looks at; the translator wants one."""

LINT_CODES_OF_A_BROKEN_RUN = 1
"""cfn-lint's exit code is a sum of 2, 4 and 8 for what it found; 1 is that it could not run."""


@dataclass(frozen=True, slots=True)
class TemplateFinding:
    """One weakness: in which template, of which rule and resource, what is wrong, what to do."""

    template: str
    rule: str
    resource: str
    problem: str
    advice: str


@dataclass(frozen=True, slots=True)
class CloudCheck:
    """The answer: `ok` when there is no finding."""

    templates: list[str]
    ok: bool
    findings: list[TemplateFinding]


ANSWER = CloudCheck


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--template",
        type=Path,
        metavar="FILE",
        help="only this template (default: cloud/template.yaml and cloud/replica.yaml)",
    )
    parser.add_argument("--rules", action="store_true", help="list our rules and end")
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check it; 1 when something was found."""
    if arguments.rules:
        print_table(("RULE", "WHAT IT ASKS"), [(rule.name, rule.asks) for rule in RULES], "none")
        return 0
    templates = [arguments.template] if arguments.template else [TEMPLATE, REPLICA]
    findings = []
    for template in templates:
        if not template.is_file():
            raise Rejected(f"{template}: there is no such template")
        found = examine(template)
        findings += found
        if not arguments.json:
            print_findings(found)
            print(f"{template}: {f'{len(found)} found' if found else 'no weakness found'}", flush=True)
    if arguments.json:
        print_json(CloudCheck([str(template) for template in templates], not findings, findings))
    return 1 if findings else 0


def print_findings(findings: list[TemplateFinding]) -> None:
    """Prints a line per finding."""
    for finding in findings:
        print(f"{finding.resource}: {finding.rule}: {finding.problem} -> {finding.advice}")


def examine(template: Path) -> list[TemplateFinding]:
    """Everything that is found in a template: what cfn-lint says, and which of our rules are broken.

    Rejected for a template that cannot be read, Transient when a program that reads it cannot run.
    """
    found = lint(template)
    if any(finding.rule.startswith("cfn-lint E0") for finding in found):
        return found  # it cannot even be parsed: rules would only repeat that
    try:
        broken = check(expand(template))
    except TemplateUnreadableError as error:
        raise Rejected(f"{template}: {error}") from error
    return found + [TemplateFinding(str(template), one.rule, one.resource, one.problem, one.advice) for one in broken]


def expand(template: Path) -> dict[str, Any]:
    """The plain CloudFormation that the template stands for. Rejected when the translator refuses it."""
    command = [sys.executable, "-m", "local.aws.expand_template", str(template.resolve()), REGION]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=EXPAND_S_MAX, check=False)
    except subprocess.TimeoutExpired as error:
        raise Transient(f"the SAM translator was not done with {template} after {EXPAND_S_MAX} s") from error
    if done.returncode != 0:
        raise Rejected(f"{template} cannot be expanded: {done.stderr.strip()[-500:]}")
    expanded: dict[str, Any] = json.loads(done.stdout)
    return expanded


def lint(template: Path) -> list[TemplateFinding]:
    """What cfn-lint says of the template. Transient when it cannot run."""
    command = [sys.executable, "-c", "from cfnlint.runner import main; main()", "--format", "json", str(template)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LINT_S_MAX, check=False)
    except subprocess.TimeoutExpired as error:
        raise Transient(f"cfn-lint was not done with {template} after {LINT_S_MAX} s") from error
    try:
        matches = json.loads(done.stdout or "[]")
    except ValueError:
        matches = None
    if matches is None or done.returncode == LINT_CODES_OF_A_BROKEN_RUN:
        raise Transient(f"cfn-lint could not read {template}: {(done.stderr or done.stdout).strip()[-500:]}")
    return [
        TemplateFinding(
            template=str(template),
            rule=f"cfn-lint {match['Rule']['Id']}",
            resource=_place(match["Location"]),
            problem=match["Message"],
            advice=f"see {match['Rule']['Source']}",
        )
        for match in matches
    ]


def _place(location: dict[str, object]) -> str:
    """The resource of a finding; the line where it is of none."""
    path = location.get("Path") or []
    if isinstance(path, list) and len(path) > 1 and path[0] == "Resources":
        return str(path[1])
    start = location.get("Start")
    return f"line {start['LineNumber']}" if isinstance(start, dict) else "the template"

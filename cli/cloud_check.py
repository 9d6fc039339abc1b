"""Check the template: what AWS would take of it (cfn-lint).

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

from cli.output import add_json_argument, print_json
from cli.steps import ROOT
from components.shared.errors import Rejected, Transient

HELP = "check the template; exit 1 when it has a weakness"

TEMPLATE = ROOT / "cloud" / "template.yaml"
LINT_S_MAX = 300
"""It takes 4 s on an idle machine."""

LINT_CODES_OF_A_BROKEN_RUN = 1
"""cfn-lint's exit code is a sum of 2, 4 and 8 for what it found; 1 is that it could not run."""


@dataclass(frozen=True, slots=True)
class TemplateFinding:
    """One weakness: which rule, of which resource, what is wrong, what to do."""

    rule: str
    resource: str
    problem: str
    advice: str


@dataclass(frozen=True, slots=True)
class CloudCheck:
    """The answer: `ok` when there is no finding."""

    template: str
    ok: bool
    findings: list[TemplateFinding]


ANSWER = CloudCheck


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--template",
        type=Path,
        default=TEMPLATE,
        metavar="FILE",
        help="another template (default: cloud/template.yaml)",
    )
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check it; 1 when something was found."""
    template: Path = arguments.template
    if not template.is_file():
        raise Rejected(f"{template}: there is no such template")
    findings = lint(template)
    if arguments.json:
        print_json(CloudCheck(str(template), not findings, findings))
    else:
        for finding in findings:
            print(f"{finding.resource}: {finding.rule}: {finding.problem} -> {finding.advice}")
        print(f"{template}: {'no weakness found' if not findings else f'{len(findings)} found'}")
    return 1 if findings else 0


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

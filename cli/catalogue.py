"""Hold a site's catalogues against its files: every disagreement is told, nothing is changed."""

from __future__ import annotations

import argparse

from cli.output import add_data_argument, add_json_argument, print_json, print_table, require_data
from components.shared.catalogue.check import Finding, check

ANSWER = list[Finding]
HELP = "check the catalogues against the files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="check")
    checking = actions.add_parser("check", help="tell every disagreement; exit 1 when there is one")
    checking.add_argument("--with-hash", action="store_true", help="also read every file and compare its hash (slow)")
    add_data_argument(checking)
    add_json_argument(checking)


def run(arguments: argparse.Namespace) -> int:
    """Check; 1 when something is wrong."""
    findings = check(require_data(arguments.data), with_hash=arguments.with_hash)
    if arguments.json:
        print_json(findings)
    else:
        print_table(
            ("what", "where", "detail"),
            [(finding.what, finding.where, finding.detail) for finding in findings],
            "The catalogues and the files agree.",
        )
    return 1 if findings else 0

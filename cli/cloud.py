"""The cloud side of a fleet: the template in `cloud/`, and the account that it is deployed to.

Each action is a command of its own: `./nvr cloud ACTION --help` explains it. docs/design/cloud.md has what the template
makes, and what of it the embedded AWS cannot run.
"""

from __future__ import annotations

import argparse
import importlib
from types import ModuleType

HELP = "check and deploy the cloud side"

ACTIONS = ("check", "deploy", "accept", "reconcile", "cost", "backup", "restore")
"""Each is `cli/cloud_<name>.py` with `HELP`, `add_arguments`, `run`, and `ANSWER` where it has one."""


def action_module(action: str) -> ModuleType:
    """The module that carries an action out."""
    return importlib.import_module("cli.cloud_" + action.replace("-", "_"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions with their options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name in ACTIONS:
        module = action_module(name)
        sub = actions.add_parser(
            name, help=module.HELP, description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        module.add_arguments(sub)
        sub.set_defaults(act=module.run)


def run(arguments: argparse.Namespace) -> int:
    """Carry the action out."""
    code: int = arguments.act(arguments)
    return code

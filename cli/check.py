"""The fast part of the checks: lint, types, import rules, unit and property tests. Everything is `./nvr test`."""

from __future__ import annotations

import argparse

from cli.steps import Step, run_steps, tool

HELP = "lint, types, import rules and unit tests (the fast part)"

STATIC = (
    Step("lint", (tool("ruff"), "check", ".")),
    Step("format", (tool("ruff"), "format", "--check", ".")),
    Step("types", (tool("mypy"),)),
    Step("import rules", (tool("lint-imports"),)),
)
FAST_TESTS = Step(
    "unit tests",
    (tool("pytest"), "-q", "-m", "not slow", "tests/unit", "tests/property", "tests/contract", "tests/sync", "-n", "2"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No options: the fast part is always the same."""
    parser.epilog = "Exit 0 when everything is green."


def run(_arguments: argparse.Namespace) -> int:
    """Run the checks; 1 when any is red."""
    failed = run_steps((*STATIC, FAST_TESTS))
    if failed:
        print(f"check: red: {', '.join(failed)}")
        return 1
    print("check: green")
    return 0

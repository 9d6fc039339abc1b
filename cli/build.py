"""Build the components: one artifact and one recipe each, in greengrass-build/, ready for a local deployment."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from cli.steps import ROOT
from fleet import artifacts

HELP = "build the components' artifacts and recipes"
TARGET = ROOT / "greengrass-build"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--target", type=Path, default=TARGET, help="where to (default: greengrass-build/)")
    parser.add_argument("--json", action="store_true", help="print what was built as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Build everything."""
    built = artifacts.build(ROOT, arguments.target)
    if arguments.json:
        print(json.dumps({"folder": str(built.folder), "packages": built.packages, "components": built.components}))
        return 0
    for name, version in built.components.items():
        size_bytes = sum(path.stat().st_size for path in (built.folder / "artifacts" / name / version).iterdir())
        print(f"{name} {version}: {size_bytes:,} bytes")
    return 0

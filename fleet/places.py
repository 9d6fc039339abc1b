"""The places that every component has, and which of them are missing.

A component is a folder of code, a recipe, pins with their dependency group, three import rules, a page of
documentation, a folder of tests and a member of the table of topics. Whichever of them names a component first, all
the others are due; what none of them names does not exist.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from fleet.artifacts import PUBLISHER_PREFIX, RUNTIME, package_of, recipe_files

GROUPS_OF_NO_COMPONENT = frozenset({"all", "cli", "cloud", "dev", "local"})
"""Dependency groups of what is no component."""

ALL_GROUP = "all"
SHARED = "shared"


def package_named(component: str) -> str:
    """The folder of a component: `VideoProcessor` is `video_processor`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", component).lower()


def component_named(package: str) -> str:
    """The name of a component's folder: `video_processor` is `VideoProcessor`."""
    return "".join(part.capitalize() for part in package.split("_"))


def group_of(package: str) -> str:
    """The dependency group of a component's folder, which its pins are named by too."""
    return package.replace("_", "-")


def missing_places(root: Path, in_topics: Collection[str]) -> list[str]:
    """Every place of a component that is not there, one sentence each; `in_topics` are those of the table of topics."""
    project = tomllib.loads((root / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    rules = {contract["id"]: contract for contract in project["tool"]["importlinter"]["contracts"]}
    named = {
        *in_topics,
        *(path.stem.removeprefix(PUBLISHER_PREFIX) for path in recipe_files(root) if path.stem != RUNTIME),
        *(component_named(path.parent.name) for path in (root / "components").glob("*/__init__.py")),
        *(component_named(group.replace("-", "_")) for group in groups.keys() - GROUPS_OF_NO_COMPONENT),
    } - {component_named(SHARED)}
    missing = []
    for component in sorted(named):
        package = package_named(component)
        faults = _without_files(root, component, package) + _without_rules(rules, package)
        if group_of(package) not in groups:
            faults.append(f"no dependency group {group_of(package)} in pyproject.toml")
        elif {"include-group": group_of(package)} not in groups[ALL_GROUP]:
            faults.append(f"its dependency group is not included in `{ALL_GROUP}` in pyproject.toml")
        if component not in in_topics:
            faults.append("not one of COMPONENTS in components/shared/wire/topics.py")
        missing += [f"component {component}: {fault}" for fault in faults]
    return missing


def _without_files(root: Path, component: str, package: str) -> list[str]:
    paths = (
        f"components/{package}/__init__.py",
        f"components/{package}/__main__.py",
        f"recipes/{PUBLISHER_PREFIX}{component}.yaml",
        f"requirements/{group_of(package)}.txt",
        f"docs/components/{package}.md",
    )
    faults = [f"no {path}" for path in paths if not (root / path).is_file()]
    if not any((root / "tests" / "unit" / package).glob("test_*.py")):
        faults.append(f"no tests in tests/unit/{package}")
    recipe = root / "recipes" / f"{PUBLISHER_PREFIX}{component}.yaml"
    if recipe.is_file() and package_of(recipe) != package:
        faults.append(f"its recipe runs {package_of(recipe)}, not {package}")
    return faults


def _without_rules(rules: Mapping[str, Mapping[str, Any]], package: str) -> list[str]:
    layered = {name for layer in rules["components"]["layers"] for name in re.split(r"[|: ]+", layer)}
    named = {
        "components": package in layered,
        "pure": f"components.{package}.core" in rules["pure"]["source_modules"],
        "cloud": f"components.{package}" in rules["cloud"]["forbidden_modules"],
    }
    return [f"not in the import rule `{rule}` in pyproject.toml" for rule, is_there in named.items() if not is_there]

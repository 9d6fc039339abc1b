"""Recipes agree with the table of topics, the components' folders, their pins and what both nuclei accept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.pins import artifact_groups
from components.shared.errors import Rejected
from components.shared.wire import topics
from fleet import artifacts, policies
from fleet.places import missing_places

ROOT = Path(__file__).parents[2]
RECIPES = {path.stem: path for path in artifacts.recipe_files(ROOT)}
OURS = [artifacts.PUBLISHER_PREFIX + component for component in topics.COMPONENTS]

POLICY_LIST_BYTES_MAX = 1_000
"""Nucleus Lite fails the deployment of a `resources` list above 1 024 bytes."""


def recipe(name: str) -> dict[str, Any]:
    """A recipe as a mapping."""
    return artifacts.check_recipe(name, RECIPES[name].read_text())


def test_every_component_has_all_its_places() -> None:
    """Folders, recipes, pins, import rules, pages, tests and the table of topics name the same components."""
    missing = missing_places(ROOT, topics.COMPONENTS)
    assert not missing, "\n".join(missing)
    assert set(RECIPES) == {*OURS, artifacts.RUNTIME}


@pytest.mark.parametrize("name", OURS)
def test_policy_equals_the_table_of_topics(name: str) -> None:
    """A component may say and hear exactly what the table gives it."""
    policies.check_policy(name, recipe(name))


def test_policy_that_differs_is_refused_by_name() -> None:
    """A topic too many or too few is told with the recipe and the topic."""
    altered = recipe(OURS[0])
    rules = altered["ComponentConfiguration"]["DefaultConfiguration"]["accessControl"]["aws.greengrass.ipc.pubsub"]
    rules["com.edgenvr.Capture:pubsub:publish"]["resources"][0] = "nvr/v1/segment/opened"
    with pytest.raises(Rejected, match=r"com\.edgenvr\.Capture.*segment/opened") as refusal:
        policies.check_policy(OURS[0], altered)
    assert "segment/closed" in str(refusal.value)


def test_policy_that_only_speaks_is_refused() -> None:
    """A component that speaks with IoT Core hears it too; a recipe that lacks either is named."""
    name = artifacts.PUBLISHER_PREFIX + topics.HEALTH_MONITOR
    altered = recipe(name)
    rules = altered["ComponentConfiguration"]["DefaultConfiguration"]["accessControl"]["aws.greengrass.ipc.mqttproxy"]
    for policy in rules.values():
        policy["operations"].remove("aws.greengrass#SubscribeToIoTCore")
    with pytest.raises(Rejected, match=r"HealthMonitor.*mqttproxy grants.*subscribes"):
        policies.check_policy(name, altered)


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_keeps_to_what_both_nuclei_do(name: str) -> None:
    """Only Runtime installs; a run has no timeout; no `startup`; every policy list is short; the platform is any."""
    manifest = recipe(name)["Manifests"][0]
    lifecycle = manifest["Lifecycle"]
    assert manifest["Platform"] == {"os": "linux", "runtime": "*"}
    assert set(lifecycle) == ({"install", "run"} if name == artifacts.RUNTIME else {"run"})
    assert set(lifecycle["run"]) == {"Script"}
    configuration = recipe(name).get("ComponentConfiguration", {}).get("DefaultConfiguration", {})
    for policies_of_service in configuration.get("accessControl", {}).values():
        for policy in policies_of_service.values():
            assert len(json.dumps(policy["resources"])) <= POLICY_LIST_BYTES_MAX


@pytest.mark.parametrize("name", OURS)
def test_run_is_a_launcher(name: str) -> None:
    """A run opens files to the group and ends as the launcher, so that a crash of the worker is never a strike."""
    lines = recipe(name)["Manifests"][0]["Lifecycle"]["run"]["Script"].splitlines()
    assert lines[0] == "umask 0007"
    assert lines[-1].startswith("exec python3 -m components.shared.runtime.launcher --module components.")
    dependencies = recipe(name)["ComponentDependencies"]
    assert dependencies[artifacts.RUNTIME]["DependencyType"] == "SOFT"


def test_pins_of_every_component() -> None:
    """Each component's pins exist and are a part of the common ones; none names a package index."""
    common = pinned(ROOT / "requirements" / "all.txt")
    packages = {artifacts.package_of(RECIPES[name]) for name in OURS}
    assert {str(package).replace("_", "-") for package in packages} | {"cloud"} == set(artifact_groups())
    for group in artifact_groups():
        text = (ROOT / "requirements" / f"{group}.txt").read_text()
        assert "http" not in text
        assert pinned(ROOT / "requirements" / f"{group}.txt") <= common


def pinned(path: Path) -> set[str]:
    """The `name==version` of a requirements file, markers left out."""
    return {line.split()[0] for line in path.read_text().splitlines() if "==" in line and line[0].isalnum()}


def test_pre_commit_fetches_nothing() -> None:
    """All hooks are local ones."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert {repository["repo"] for repository in hooks["repos"]} == {"local"}

"""A project of two components and a runtime, as small as `fleet.artifacts` takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from components.shared.wire import topics
from fleet.artifacts import PUBLISHER_PREFIX, RUNTIME
from fleet.policies import CLOUD_SPEAKERS

VERSION = "0.3.1"
COMPONENTS = {topics.CAPTURE: "capture", topics.CLOUD_SYNC: "cloud_sync"}

_SOURCES = {
    "components/__init__.py": '"""Components."""\n',
    "components/shared/__init__.py": '"""Shared."""\n',
    "components/shared/wire/__init__.py": '"""Said."""\n',
    "components/shared/wire/greeting.py": '"""A greeting."""\n\nWORDS = frozenset({"one", "two", "three", "four"})\n',
    "components/capture/__init__.py": '"""Records."""\n',
    "components/capture/__main__.py": (
        '"""Starts."""\n\nfrom components.capture.core.plan import PLAN\n'
        "from components.shared.wire import greeting\n\n"
        "print(PLAN, len(greeting.WORDS))\n"
    ),
    "components/capture/core/__init__.py": '"""Decides."""\n',
    "components/capture/core/plan.py": '"""A plan."""\n\nPLAN = "from the source"\n',
    "components/cloud_sync/__init__.py": '"""Uploads."""\n',
    "components/cloud_sync/__main__.py": '"""Starts."""\n\nprint("cloud_sync")\n',
    "tests/unit/capture/test_plan.py": '"""A test."""\n',
    "pyproject.toml": f'[project]\nname = "small"\nversion = "{VERSION}"\n',
    "requirements/capture.txt": "av==18.1.0\n",
    "requirements/cloud-sync.txt": "boto3==1.44.0\n",
}

_SCRIPT = (
    'umask 0007\nexport PYTHONPATH="{artifacts:path}/%s.zip"\nexec python3 -m components.shared.runtime.launcher '
    '--module components.%s --data "{configuration:/dataRoot}" --runtime {RUNTIME_HASH} --version {COMPONENT_VERSION}'
)


def make(root: Path) -> Path:
    """Write the project under `root` and return it."""
    for path, text in _SOURCES.items():
        write(root / path, text)
    for component, package in COMPONENTS.items():
        write_recipe(root, PUBLISHER_PREFIX + component, recipe(component, package))
    write_recipe(root, RUNTIME, {"ComponentName": RUNTIME, "ComponentVersion": "{COMPONENT_VERSION}"})
    return root


def write(path: Path, text: str) -> None:
    """Write a file and the folders that it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def recipe(component: str, package: str) -> dict[str, Any]:
    """A recipe that keeps to the table of topics."""
    name = PUBLISHER_PREFIX + component
    rules = {
        "aws.greengrass#PublishToTopic": [topic.name for topic in topics.published_by(component)],
        "aws.greengrass#SubscribeToTopic": [topic.name for topic in topics.subscribed_by(component)],
    }
    policies = {
        f"{name}:pubsub:{number}": {"operations": [operation], "resources": resources}
        for number, (operation, resources) in enumerate(rules.items())
    }
    rights = {"aws.greengrass.ipc.pubsub": policies}
    if component in CLOUD_SPEAKERS:
        operations = ["aws.greengrass#PublishToIoTCore", "aws.greengrass#SubscribeToIoTCore"]
        spoken = {"operations": operations, "resources": sorted(topics.CLOUD_RESOURCES)}
        rights["aws.greengrass.ipc.mqttproxy"] = {f"{name}:mqttproxy:1": spoken}
    return {
        "ComponentName": name,
        "ComponentVersion": "{COMPONENT_VERSION}",
        "ComponentConfiguration": {
            "DefaultConfiguration": {
                "dataRoot": "/var/lib/edgenvr",
                "accessControl": rights,
            }
        },
        "Manifests": [
            {
                "Lifecycle": {"run": {"Script": _SCRIPT % (package, package)}},
                "Artifacts": [{"URI": f"s3://BUCKET_NAME/COMPONENT_NAME/COMPONENT_VERSION/{package}.zip"}],
            }
        ],
    }


def write_recipe(root: Path, name: str, document: dict[str, Any]) -> None:
    """Write a recipe as YAML."""
    write(root / "recipes" / f"{name}.yaml", yaml.safe_dump(document, sort_keys=False))


def read_recipe(root: Path, name: str) -> dict[str, Any]:
    """A recipe of the project, to be altered and written again."""
    document: dict[str, Any] = yaml.safe_load((root / "recipes" / f"{name}.yaml").read_text())
    return document

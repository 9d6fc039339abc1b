"""Make a new component: every place that a component has, at once.

Makes the folder with its `core`, app and start, the recipe, the dependency group, the import rules, the page of
documentation, the place in the map of the log manager and the test folder, and names what is left: its row in the table
of topics, and its pins. The tests in `tests/sync` are red until all places agree.
"""

from __future__ import annotations

import argparse
import keyword
import re
import tomllib
from pathlib import Path

from cli.steps import ROOT
from components.shared.errors import Rejected
from components.shared.wire import topics
from fleet.artifacts import PUBLISHER_PREFIX
from fleet.places import group_of, missing_places, package_named

HELP = "make every place of a new component"

PURPOSE_CHARS_MAX = 100
"""It is one line of a docstring and of a recipe."""

LOGS_DOC = "docs/operations/logs.md"

_NAME = re.compile(r"[A-Z][a-z]+(?:[A-Z][a-z]+)*")
_PURPOSE = re.compile(rf"""[^"\\\n]{{1,{PURPOSE_CHARS_MAX}}}""")
_DEPENDENCIES = '["awsiotsdk>=1.31,<2", "pydantic>=2.13,<3"]'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("name", help="in CamelCase, such as VideoProcessor")
    parser.add_argument("--purpose", required=True, help="one sentence: what it does")


def run(arguments: argparse.Namespace) -> int:
    """Make all places, or none when one is there already."""
    for path in create(ROOT, arguments.name, arguments.purpose):
        print(f"made {path}")
    for fault in missing_places(ROOT, topics.COMPONENTS):
        print(f"left to do: {fault}")
    print("topics are yours to decide, `./nvr pins` makes the pins; `./nvr check` is red until everything agrees")
    return 0


def create(root: Path, name: str, purpose: str) -> list[str]:
    """Make every place of the component under `root`; returns the paths. Rejected when the name is bad or taken."""
    if not _NAME.fullmatch(name):
        raise Rejected(f"component name {name!r} is not CamelCase, such as VideoProcessor")
    if not _PURPOSE.fullmatch(purpose):
        raise Rejected(f'purpose {purpose!r}: one line of 1 to {PURPOSE_CHARS_MAX} letters without " and \\ was due')
    package = package_named(name)
    if keyword.iskeyword(package):
        raise Rejected(f"component {name}: Python cannot import a folder {package}; nothing was made")
    files = {
        f"components/{package}/__init__.py": f'"""{purpose}"""\n',
        f"components/{package}/core/__init__.py": f'"""What {name} decides, on plain values."""\n',
        f"components/{package}/app.py": _app(name),
        f"components/{package}/__main__.py": _main(name, package),
        f"recipes/{PUBLISHER_PREFIX}{name}.yaml": _recipe(name, package, purpose),
        f"docs/components/{package}.md": f"# {name}\n\n{purpose}\n",
        f"tests/unit/{package}/test_app.py": _test(name, package),
    }
    taken = [path for path in files if (root / path).exists()]
    if taken:
        raise Rejected(f"component {name}: {', '.join(taken)} exists already; nothing was made")
    project = (root / "pyproject.toml").read_text()
    if group_of(package) in tomllib.loads(project)["dependency-groups"]:
        raise Rejected(f"component {name}: pyproject.toml has a dependency group {group_of(package)}; nothing was made")
    changed = _with_rules(_with_group(project, package), package)
    logs = _with_log_upload((root / LOGS_DOC).read_text(), name)
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (root / "pyproject.toml").write_text(changed)
    (root / LOGS_DOC).write_text(logs)
    return [*files, "pyproject.toml", LOGS_DOC]


def _with_group(project: str, package: str) -> str:
    """pyproject.toml with the component's dependency group, before the group of the cloud."""
    group = group_of(package)
    text = _inserted(project, f"\n{group} = {_DEPENDENCIES}", before="\ncloud = [")
    return _inserted(text, f'\n    {{ include-group = "{group}" }},', before='\n    { include-group = "cloud" },')


def _with_rules(project: str, package: str) -> str:
    """pyproject.toml with the component in the import rules, beside Capture."""
    text = _inserted(project, f"{package} | ", before="capture | ")
    text = _inserted(text, f'\n    "components.{package}.core",', before='\n    "components.capture.core",')
    return _inserted(text, f'\n    "components.{package}",', before='\n    "components.capture", ')


def _with_log_upload(doc: str, name: str) -> str:
    """The page of logs with the component in the log manager's map, beside Capture."""
    settings = '{"diskSpaceLimit": "10", "diskSpaceLimitUnit": "MB", "deleteLogFileAfterCloudUpload": "false"}'
    entry = f'\n      "{PUBLISHER_PREFIX}{name}": {settings},'
    return _inserted(doc, entry, before=f'\n      "{PUBLISHER_PREFIX}Capture": {{', where=LOGS_DOC)


def _inserted(text: str, addition: str, *, before: str, where: str = "pyproject.toml") -> str:
    if before not in text:
        raise Rejected(f"{where} has no {before.strip()!r} to put {addition.strip()!r} before; nothing was made")
    return text.replace(before, addition + before, 1)


def _app(name: str) -> str:
    return f'''"""Wires {name}: what it is made of and which tasks it runs."""

from __future__ import annotations

from collections.abc import Sequence

from components.shared.runtime.component import Context, Task
from components.shared.wire.units import NS_PER_S

SWEEP_NS = 5 * NS_PER_S


def build(context: Context) -> Sequence[Task]:
    """The tasks of {name}."""

    def sweep() -> None:
        while not context.clock.wait(context.stop, SWEEP_NS):
            context.status.progressed()

    return [Task("sweep", sweep)]
'''


def _main(name: str, package: str) -> str:
    return f'''"""Starts {name}."""

import sys

from components.{package}.app import build
from components.shared.runtime.component import run_component

if __name__ == "__main__":
    sys.exit(run_component("{name}", build, sys.argv[1:]))
'''


def _recipe(name: str, package: str, purpose: str) -> str:
    component = PUBLISHER_PREFIX + name
    return f"""RecipeFormatVersion: "2020-01-25"
ComponentName: {component}
ComponentVersion: "{{COMPONENT_VERSION}}"
ComponentType: aws.greengrass.generic
ComponentDescription: "{purpose}"
ComponentPublisher: EdgeNVR
ComponentDependencies:
  {PUBLISHER_PREFIX}Runtime:
    VersionRequirement: ">=0.1.0 <1.0.0"
    DependencyType: SOFT
ComponentConfiguration:
  DefaultConfiguration:
    dataRoot: /var/lib/edgenvr
    accessControl:
      aws.greengrass.ipc.pubsub:
        {component}:pubsub:publish:
          policyDescription: Says what the table of topics gives it.
          operations:
            - aws.greengrass#PublishToTopic
          resources:
            - nvr/v1/status/reported
Manifests:
  - Platform:
      os: linux
      runtime: "*"
    Lifecycle:
      run:
        Script: |-
          umask 0007
          export PYTHONPATH="{{artifacts:path}}/{package}.zip"
          exec python3 -m components.shared.runtime.launcher --module components.{package} --data "{{configuration:/dataRoot}}" --runtime {{RUNTIME_HASH}} --version {{COMPONENT_VERSION}}
    Artifacts:
      - URI: "s3://BUCKET_NAME/COMPONENT_NAME/COMPONENT_VERSION/{package}.zip"
        Unarchive: NONE
        Permission:
          Read: OWNER
"""  # noqa: E501 - a command line of the recipe


def _test(name: str, package: str) -> str:
    return f'''"""{name} as a whole."""

from components.{package}.app import SWEEP_NS


def test_sweep_is_soon() -> None:
    """What a lost hint delays is found within ten seconds."""
    assert 0 < SWEEP_NS <= 10_000_000_000
'''

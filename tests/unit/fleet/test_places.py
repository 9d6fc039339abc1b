"""Whatever place of a component is missing is told by name."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from components.shared.wire import topics
from fleet.places import component_named, group_of, missing_places, package_named
from tests.fakes.checkout import checkout

PARTS = (
    ":(glob)components/*/__*.py",
    "recipes",
    "requirements",
    "docs/components",
    ":(glob)tests/unit/*/test_*.py",
    "pyproject.toml",
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The places of all components, in a copy of the project."""
    return checkout(tmp_path / "copy", PARTS)


def without_text(path: Path, pattern: str, replacement: str = "") -> None:
    """Take what matches out of a file, once."""
    text, count = re.subn(pattern, replacement, path.read_text(), count=1)
    assert count == 1
    path.write_text(text)


def _recipe(copy: Path) -> None:
    (copy / "recipes/com.edgenvr.CloudSync.yaml").unlink()


def _recipe_of_another(copy: Path) -> None:
    without_text(
        copy / "recipes/com.edgenvr.CloudSync.yaml", "--module components.cloud_sync", "--module components.it"
    )


def _pins(copy: Path) -> None:
    (copy / "requirements/cloud-sync.txt").unlink()


def _page(copy: Path) -> None:
    (copy / "docs/components/cloud_sync.md").unlink()


def _test_folder(copy: Path) -> None:
    shutil.rmtree(copy / "tests/unit/cloud_sync")


def _tests(copy: Path) -> None:
    for path in (copy / "tests/unit/cloud_sync").glob("test_*.py"):
        path.unlink()


def _folder(copy: Path) -> None:
    shutil.rmtree(copy / "components/cloud_sync")


def _start(copy: Path) -> None:
    (copy / "components/cloud_sync/__main__.py").unlink()


def _layer(copy: Path) -> None:
    without_text(copy / "pyproject.toml", r"cloud_sync \| ")


def _pure(copy: Path) -> None:
    without_text(copy / "pyproject.toml", r'    "components\.cloud_sync\.core",\n')


def _seen_by_cloud(copy: Path) -> None:
    without_text(copy / "pyproject.toml", r'"components\.cloud_sync", ')


def _group(copy: Path) -> None:
    without_text(copy / "pyproject.toml", r"\ncloud-sync = .*")
    without_text(copy / "pyproject.toml", r'    \{ include-group = "cloud-sync" \},\n')


def _included(copy: Path) -> None:
    without_text(copy / "pyproject.toml", r'    \{ include-group = "cloud-sync" \},\n')


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (_recipe, "no recipes/com.edgenvr.CloudSync.yaml"),
        (_recipe_of_another, "its recipe runs it, not cloud_sync"),
        (_pins, "no requirements/cloud-sync.txt"),
        (_page, "no docs/components/cloud_sync.md"),
        (_test_folder, "no tests in tests/unit/cloud_sync"),
        (_tests, "no tests in tests/unit/cloud_sync"),
        (_start, "no components/cloud_sync/__main__.py"),
        (_layer, "not in the import rule `components` in pyproject.toml"),
        (_pure, "not in the import rule `pure` in pyproject.toml"),
        (_seen_by_cloud, "not in the import rule `cloud` in pyproject.toml"),
        (_group, "no dependency group cloud-sync in pyproject.toml"),
        (_included, "its dependency group is not included in `all` in pyproject.toml"),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
def test_each_missing_place_is_told_alone(copy: Path, harm: Callable[[Path], None], told: str) -> None:
    """Deleting one place of one component gives exactly one sentence, which names both."""
    before = missing_places(copy, topics.COMPONENTS)
    harm(copy)
    assert [fault for fault in missing_places(copy, topics.COMPONENTS) if fault not in before] == [
        f"component CloudSync: {told}"
    ]


def test_missing_folder_is_told(copy: Path) -> None:
    """A component that everything names but that has no code is told."""
    _folder(copy)
    faults = missing_places(copy, topics.COMPONENTS)
    assert "component CloudSync: no components/cloud_sync/__init__.py" in faults
    assert "component CloudSync: no components/cloud_sync/__main__.py" in faults


def test_missing_topics_are_told(copy: Path) -> None:
    """A component that the table of topics does not know is told."""
    known = [component for component in topics.COMPONENTS if component != topics.CLOUD_SYNC]
    assert "component CloudSync: not one of COMPONENTS in components/shared/wire/topics.py" in missing_places(
        copy, known
    )


def test_one_place_alone_is_enough_to_be_due_in_all(copy: Path) -> None:
    """A component that only the table of topics names lacks every other place."""
    faults = [
        fault for fault in missing_places(copy, [*topics.COMPONENTS, "PeopleCounter"]) if "PeopleCounter" in fault
    ]
    assert len(faults) == 10


@pytest.mark.parametrize("component", [*topics.COMPONENTS, "Console"])
def test_names_lead_back(component: str) -> None:
    """The folder of a component is found from its name and its name from the folder."""
    assert component_named(package_named(component)) == component
    assert group_of("video_processor") == "video-processor"

"""The scaffold makes every place of a component, or nothing at all."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

import pytest
import yaml

from cli.new_component import PURPOSE_CHARS_MAX, create
from components.shared.errors import Rejected
from components.shared.wire import topics
from fleet.places import missing_places
from tests.fakes.checkout import checkout

NAME, PACKAGE, PURPOSE = "PeopleCounter", "people_counter", "Counts people, not cats: one by one."
PARTS = (
    ":(glob)components/*/__*.py",
    "recipes",
    "requirements",
    "docs/components",
    "tests/unit/*.py",
    "pyproject.toml",
    "docs/operations",
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What the scaffold looks at, in a copy of the project."""
    return checkout(tmp_path / "copy", PARTS)


def content(folder: Path) -> dict[str, str]:
    """The hash of every file, by its path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_every_place_is_made(copy: Path) -> None:
    """After it only the topics and the pins are missing: what cannot be decided or needs the package index."""
    before, lacked = content(copy), missing_places(copy, topics.COMPONENTS)
    made = create(copy, NAME, PURPOSE)
    after = content(copy)
    assert set(made) == {path for path, digest in after.items() if before.get(path) != digest}
    assert [fault for fault in missing_places(copy, topics.COMPONENTS) if fault not in lacked] == [
        f"component {NAME}: no requirements/people-counter.txt",
        f"component {NAME}: not one of COMPONENTS in components/shared/wire/topics.py",
    ]


def test_made_files_say_what_it_is_for(copy: Path) -> None:
    """The purpose stands in the package, the recipe and the page; pyproject.toml and the recipe can be read."""
    create(copy, NAME, PURPOSE)
    assert PURPOSE in (copy / f"components/{PACKAGE}/__init__.py").read_text()
    assert PURPOSE in (copy / f"docs/components/{PACKAGE}.md").read_text()
    recipe = yaml.safe_load((copy / f"recipes/com.edgenvr.{NAME}.yaml").read_text())
    assert recipe["ComponentDescription"] == PURPOSE
    assert "people-counter" in tomllib.loads((copy / "pyproject.toml").read_text())["dependency-groups"]


@pytest.mark.parametrize(
    "name",
    ["peopleCounter", "People_Counter", "People Counter", "PEOPLE", "P", "Pc2", "../Evil", "", "Class", "Import"],
)
def test_bad_name_makes_nothing(copy: Path, name: str) -> None:
    """A name that is not CamelCase, or that Python cannot import, is refused and nothing is made."""
    before = content(copy)
    with pytest.raises(Rejected, match=rf"component.*{name}"):
        create(copy, name, PURPOSE)
    assert content(copy) == before


@pytest.mark.parametrize("name", ["Capture", "Shared", "Runtime", "Cloud", "Local", "Cli", "Dev", "All"])
def test_taken_name_makes_nothing(copy: Path, name: str) -> None:
    """A name that a component, a recipe or a dependency group has already is refused and nothing is made."""
    before = content(copy)
    with pytest.raises(Rejected, match=f"component {name}.*nothing was made"):
        create(copy, name, PURPOSE)
    assert content(copy) == before


@pytest.mark.parametrize(
    ("purpose", "is_taken"),
    [
        ("", False),
        ("x", True),
        ("x" * PURPOSE_CHARS_MAX, True),
        ("x" * (PURPOSE_CHARS_MAX + 1), False),
        ("two\nlines", False),
        ('a "quoted" word', False),
        ("a back\\slash", False),
    ],
)
def test_purpose_is_one_plain_line(copy: Path, purpose: str, is_taken: bool) -> None:
    """A purpose that would break a docstring or a recipe is refused and nothing is made."""
    before = content(copy)
    if is_taken:
        create(copy, NAME, purpose)
        assert content(copy) != before
    else:
        with pytest.raises(Rejected, match="purpose"):
            create(copy, NAME, purpose)
        assert content(copy) == before


def test_project_of_another_form_is_refused(copy: Path) -> None:
    """Where pyproject.toml has no place for an import rule, nothing is made instead of a half."""
    path = copy / "pyproject.toml"
    path.write_text(path.read_text().replace('"components.capture.core",', '"components.recorder.core",'))
    before = content(copy)
    with pytest.raises(Rejected, match=r"pyproject\.toml has no .*components\.capture\.core"):
        create(copy, NAME, PURPOSE)
    assert content(copy) == before

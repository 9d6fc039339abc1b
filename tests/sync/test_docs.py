"""What is documented is what there is."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from cli.__main__ import GROUPS, module_of
from cli.docs import rendered

ROOT = Path(__file__).parents[2]
COMMANDS = [name for names in GROUPS.values() for name in names]


@pytest.mark.parametrize("path", rendered())
def test_made_document_is_up_to_date(path: str) -> None:
    """`./nvr docs` would change nothing."""
    assert (ROOT / path).read_text() == rendered()[path], "run `./nvr docs`"


def test_no_schema_is_left_over() -> None:
    """Every schema in docs belongs to a command or a shadow."""
    made = {Path(path).name for path in rendered() if "/schemas/" in path}
    assert {path.name for path in (ROOT / "docs" / "schemas").glob("*.json")} == made


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_a_module_with_help(name: str) -> None:
    """Each command has a one-line help, a text that explains it, and what the entry calls."""
    module = importlib.import_module(module_of(name))
    assert module.HELP
    assert len(module.HELP) <= 80
    assert module.__doc__
    assert callable(module.add_arguments)
    assert callable(module.run)


def test_every_decision_is_listed() -> None:
    """The list of decision records names each of them."""
    listed = (ROOT / "docs" / "decisions" / "README.md").read_text()
    for record in (ROOT / "docs" / "decisions").glob("[0-9]*.md"):
        assert record.name in listed


def test_links_in_documents_lead_somewhere() -> None:
    """Every relative link in a document names a file that exists."""
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for part in page.read_text().split("](")[1:]:
            target = part.split(")")[0].split("#")[0]
            if target and not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name} links to {target}"

"""`./nvr test` runs every test in one of its groups."""

from __future__ import annotations

import re
from pathlib import Path

from cli.test import BUSY

ROOT = Path(__file__).resolve().parents[2]
ALONE = re.compile(r"mark\.alone\b")


def test_what_needs_the_machine_alone_is_where_it_is_looked_for() -> None:
    """Tests marked `alone` are left out of the other groups; only in tests/faults the last one finds them."""
    marked = [path for path in (ROOT / "tests").rglob("*.py") if ALONE.search(path.read_text(encoding="utf-8"))]
    assert marked
    assert {path.relative_to(ROOT).parts[:2] for path in marked} == {("tests", "faults")}


def test_the_folders_of_the_first_group_are_there() -> None:
    """A folder that was renamed is named anew, or pytest would not find it."""
    assert [folder for folder in BUSY if not (ROOT / folder).is_dir()] == []
    assert not any(folder.startswith("tests/faults") for folder in BUSY)


def test_whole_sites_run_alone() -> None:
    """A whole site wants both cores, and builds where all sites of this checkout build."""
    files = sorted((ROOT / "tests" / "faults" / "site").glob("test_*.py"))
    assert files
    assert [path.name for path in files if not ALONE.search(path.read_text(encoding="utf-8"))] == []

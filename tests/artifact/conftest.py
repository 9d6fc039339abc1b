"""What the tests of artifacts share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.artifact import small_project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of two components."""
    return small_project.make(tmp_path / "project")

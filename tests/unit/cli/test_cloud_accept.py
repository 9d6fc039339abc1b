"""`./nvr cloud accept` where there is nothing to accept."""

from __future__ import annotations

from pathlib import Path

from tests.unit.cli.conftest import Nvr


def test_a_site_that_has_never_run_is_told(nvr: Nvr, tmp_path: Path) -> None:
    """Without a site there is nothing to watch."""
    told = nvr("cloud", "accept", "--data", tmp_path)
    assert (told.code, "no site has run" in told.error) == (2, True)


def test_a_stack_that_cannot_be_looked_at_is_told(nvr: Nvr, tmp_path: Path) -> None:
    """A profile that does not exist is named, with how to see which there are."""
    (tmp_path / "catalogue").mkdir()
    told = nvr("cloud", "accept", "--data", tmp_path, "--profile", "nobody-s", "--region", "eu-central-1")
    assert told.code == 2
    assert "nobody-s" in told.error
    assert "aws configure list-profiles" in told.error

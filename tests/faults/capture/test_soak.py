"""The quick form of the soak: two hours of two cameras, in which most goes wrong that can."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab import soak
from lab.show import perform

pytestmark = pytest.mark.slow


def test_two_hours_are_accounted_for(tmp_path: Path) -> None:
    """All limits are kept, and what is to be lived through was: kills, steps of the clock, a full disk, refusals."""
    told = perform(soak.SHOW, quick=True, work=tmp_path, say=print)
    assert told["pass"], json.dumps(told, indent=1)
    figures = told["figures"]
    assert figures["lives"] > 2 and figures["clock_steps"] > 3 and figures["pictures_lost_in_gaps"] > 0
    assert figures["segments"] > 40 and figures["pictures_recorded"] > 8_000
    for cause in ("authentication", "box_down", "clock", "component_down", "disk", "frozen", "schedule", "unreachable"):
        assert figures[f"gap_s_{cause}"] > 0, cause

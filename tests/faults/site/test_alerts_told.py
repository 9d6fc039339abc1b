"""Alerts of a whole site on their whole way: from a camera that is gone to somebody who has subscribed in the cloud."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab import alerts
from lab.show import perform

pytestmark = [pytest.mark.slow, pytest.mark.alone]


@pytest.mark.timeout(900)
def test_alerts_reach_people_once_also_over_a_break_of_the_line(tmp_path: Path) -> None:
    """A camera, a component and a line that are gone are told within their times and cleared once; what was over while
    the line was cut is told when it is back, and nothing is missing, doubled or made up.
    """
    told = perform(alerts.SHOW, quick=True, work=tmp_path, say=print)
    assert told["pass"], json.dumps(told, indent=1)
    assert told["figures"]["kinds_provoked"] == 4

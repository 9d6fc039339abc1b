"""The table of metrics keeps its own rules."""

from __future__ import annotations

import re

import pytest

from components.shared.wire.metrics import CLOUD_METRICS_PER_SITE_MAX, METRICS, PREFIX, SITE_METRICS, Metric


def test_no_name_is_there_twice() -> None:
    """Each name stands for one figure."""
    assert len({metric.name for metric in METRICS}) == len(METRICS)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_name_says_what_it_is_measured_in(metric: Metric) -> None:
    """A name is the prefix and snake case, and ends in its unit; what only grows ends in _total."""
    assert re.fullmatch(PREFIX + r"[a-z]+(_[a-z]+)*", metric.name)
    assert metric.name.rpartition("_")[2] == ("total" if metric.kind == "counter" else metric.unit)
    assert metric.meaning


def test_a_site_has_at_most_eight_metrics_in_the_cloud() -> None:
    """More than eight metrics of CloudWatch per site would cost more than all else; none of them has further labels."""
    in_cloud = [metric for metric in METRICS if metric.cloud == "metric"]
    of_a_site = [metric for metric in in_cloud if metric.made_by == "HealthMonitor"]
    assert 0 < len(of_a_site) <= CLOUD_METRICS_PER_SITE_MAX
    assert all(metric in SITE_METRICS for metric in of_a_site)
    assert not any(metric.labels for metric in in_cloud)

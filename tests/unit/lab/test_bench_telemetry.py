"""The account of telemetry: its promise is kept, and it is counted as the network counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from components.health_monitor.core.measures import Tally
from components.shared.wire.metrics import METRICS
from components.shared.wire.site_config import HealthSection
from lab.bench_telemetry import CAMERAS, LIMITS, QUICKEST_S, SHOW, carried, idle_picture, idle_samples


@pytest.mark.slow
def test_an_idle_site_sends_less_than_5_kbit_s(tmp_path: Path) -> None:
    """32 cameras with sub streams stay below 5 kbit/s at any pace, and every message below 6 000 bytes."""
    shown = SHOW.run(True, tmp_path, lambda _: None)
    assert shown.broken() == []
    assert LIMITS["idle_kbit_s"] == ("max", 5.0)
    assert LIMITS["message_bytes_max"] == ("max", 5_999.0)
    assert shown.figures["messages_an_hour"] == 60 + 12
    assert replace(shown, limits={"idle_kbit_s": ("max", 0.01)}).broken() != []


def test_the_quickest_pace_is_that_of_the_document() -> None:
    """What is called the quickest is the shortest interval that a site's document may have."""
    assert HealthSection.model_validate({"telemetry_s": QUICKEST_S}).telemetry_s == QUICKEST_S
    with pytest.raises(ValueError, match="greater than or equal to 5"):
        HealthSection.model_validate({"telemetry_s": QUICKEST_S - 1})


def test_the_idle_site_is_one_of_32_cameras() -> None:
    """Each camera has a main and a sub stream, and all are recorded."""
    streams = idle_picture(0).streams or ()
    assert len({stream.camera for stream in streams}) == CAMERAS == 32
    assert len(streams) == 64
    assert {stream.state for stream in streams} == {"recording"}


def test_the_idle_site_tells_every_figure() -> None:
    """What is counted has everything that a site can tell, but for kinds of conditions, of which it has none."""
    known = {sample.metric for sample in idle_samples(idle_picture(0), Tally())}
    wanted = {metric for metric in METRICS if metric.made_by == "HealthMonitor" and "kind" not in metric.labels}
    assert known == wanted


@pytest.mark.parametrize(
    ("payload_bytes", "carried_bytes"),
    [
        # 1 + 1 + 2 + 10 + 2 of MQTT and 22 of TLS; a segment and its acknowledgement; the answer and its own
        (0, 38 + 2 * 52 + (4 + 22 + 52) + 52),
        # two bytes of length from 128 on; 1 448 bytes are one segment, one more is two
        (1_409, 1_448 + 2 * 52 + 78 + 52),
        (1_410, 1_449 + 4 * 52 + 78 + 52),
    ],
)
def test_what_carries_a_message_is_counted(payload_bytes: int, carried_bytes: int) -> None:
    """Headers, records, segments and acknowledgements of a message add up."""
    assert carried(10, payload_bytes) == carried_bytes

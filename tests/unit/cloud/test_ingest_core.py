"""What is written down of telemetry, and how what makes no sense is refused."""

from __future__ import annotations

import base64
import io
import json
from contextlib import redirect_stdout
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.functions.ingest_telemetry import core, handler
from components.health_monitor.core.measures import Tally, measure
from components.health_monitor.core.rules import judge
from components.health_monitor.core.telemetry import CAMERA_COLUMNS, camera_rows, site_telemetry
from components.shared.wire.metrics import CLOUD_METRICS_PER_SITE_MAX, METRICS
from components.shared.wire.telemetry import encode_cameras, encode_site
from tests.unit.health_monitor.test_measures import BUSY, FOUND

RECEIVED_MS = BUSY.wall_ns // 1_000_000 - 1_500
NOW_MS = 1_800_000_000_000
SAMPLES = measure(BUSY, judge(BUSY), Tally(), FOUND)
SITE = encode_site(site_telemetry(BUSY, SAMPLES))
(CAMERAS,) = encode_cameras(BUSY.wall_ns, CAMERA_COLUMNS, camera_rows(BUSY, SAMPLES))
NAMES = {metric.name: metric for metric in METRICS}


def event(content: bytes, **changes: Any) -> dict[str, Any]:
    """What the topic rule hands over."""
    given = {"payload": base64.b64encode(content).decode(), "thing": "site-1", "received_ms": RECEIVED_MS}
    return {**given, **changes}


def written(content: bytes) -> list[dict[str, Any]]:
    return [dict(line) for line in core.lines(event(content), NOW_MS)]


def metrics_in(line: dict[str, Any]) -> dict[str, str]:
    """Name and unit of each metric that CloudWatch makes of a line."""
    return {one["Name"]: one["Unit"] for told in line["_aws"]["CloudWatchMetrics"] for one in told["Metrics"]}


def test_a_site_is_one_line_with_at_most_eight_metrics() -> None:
    """The site's figures are one line; exactly those that the table says are metrics, by site and with their units."""
    site, *others = written(SITE)
    (told,) = site["_aws"]["CloudWatchMetrics"]
    assert (told["Namespace"], told["Dimensions"]) == ("EdgeNVR", [["site"]])
    assert site["_aws"]["Timestamp"] == RECEIVED_MS
    wanted = {one.name for one in METRICS if one.cloud == "metric" and one.made_by == "HealthMonitor"}
    assert metrics_in(site).keys() == wanted
    assert len(wanted) <= CLOUD_METRICS_PER_SITE_MAX
    assert metrics_in(site)["edgenvr_uploads_waiting_bytes"] == "Bytes"
    assert metrics_in(site)["edgenvr_disk_used_percent"] == "Percent"
    assert all(isinstance(site[name], int | float) for name in wanted)
    assert (site["site"], site["event"], site["edgenvr_cameras_count"]) == ("site-1", "site_reported", 2)
    assert site["edgenvr_temperature_celsius"] == 61.5
    assert site["edgenvr_clock_ahead_s"] == 1.5
    assert not any("_aws" in line for line in others)


def test_conditions_and_components_are_lines() -> None:
    """Each condition that holds and each component is a line of its own, without metrics."""
    lines = written(SITE)
    assert {(line["kind"], line["edgenvr_condition_subjects_count"]) for line in lines if "kind" in line} == {
        ("camera_impaired", 2),
        ("component_down", 4),
        ("uploads_refused", 1),
    }
    (component,) = (line for line in lines if line["event"] == "component_reported")
    assert component == {
        "event": "component_reported",
        "site": "site-1",
        "wall_ns": BUSY.wall_ns,
        "component": "Capture",
        "edgenvr_component_silent_s": 2,
        "edgenvr_component_idle_s": 4,
        "edgenvr_component_backlog_count": 3,
    }


def test_each_stream_is_a_line_without_metrics() -> None:
    """Per-camera detail goes to log lines alone: a metric per camera would cost more than everything else."""
    lines = written(CAMERAS)
    assert [(line["camera"], line["stream"], line["state"]) for line in lines] == [
        ("cam-1", "main", "recording"),
        ("cam-1", "sub", "offline"),
        ("cam-2", "main", "off"),
        ("cam-3", "main", "offline"),
    ]
    assert lines[1] == {
        "event": "camera_reported",
        "site": "site-1",
        "wall_ns": BUSY.wall_ns,
        "camera": "cam-1",
        "stream": "sub",
        "state": "offline",
        "cause": "unreachable",
        "edgenvr_camera_recording_flag": 0,
        "edgenvr_camera_impaired_flag": 1,
        "edgenvr_camera_state_age_s": 5,
        "edgenvr_camera_failures_count": 7,
    }


def test_every_figure_of_the_table_is_written_somewhere() -> None:
    """What the table says goes to the cloud is in the lines, what it does not is not."""
    lines = [*written(SITE), *written(CAMERAS), *written(b"no")]
    named = {name for line in lines for name in line if name.startswith("edgenvr_")}
    assert named == {metric.name for metric in METRICS if metric.cloud != "none"}


@pytest.mark.parametrize(
    ("given_event", "site", "at_ms", "reason"),
    [
        (event(b"\xff"), "site-1", RECEIVED_MS, "no JSON"),
        (event(b'{"wall_ns":1,"values":{"cpu_percent":"hot"}}'), "site-1", RECEIVED_MS, "values.cpu_percent"),
        (event(b"{}"), "site-1", RECEIVED_MS, "wall_ns: Field required"),
        (event(SITE, payload="%"), "site-1", NOW_MS, "payload is not base64"),
        (event(SITE, payload=7), "site-1", NOW_MS, "have to be texts"),
        (event(SITE, thing="a/b"), "a/b", NOW_MS, "thing"),
        (event(SITE, thing=None), "unknown", NOW_MS, "have to be texts"),
        (event(SITE, received_ms="now"), "site-1", NOW_MS, "received_ms is 'now'"),
        (event(SITE, received_ms=True), "site-1", NOW_MS, "received_ms is 'True'"),
        ([], "unknown", NOW_MS, "an object was due, this is list"),
        (None, "unknown", NOW_MS, "an object was due"),
    ],
)
def test_what_makes_no_sense_is_refused_and_counted(given_event: Any, site: str, at_ms: int, reason: str) -> None:
    """A malformed message is one line with the reason and the site, and counts 1 in a metric of all sites together."""
    (line,) = (dict(one) for one in core.lines(given_event, NOW_MS))
    assert (line["event"], line["site"], line["edgenvr_telemetry_refused_count"]) == ("telemetry_refused", site, 1)
    assert reason in line["reason"]
    assert len(line["reason"]) <= core.REASON_CHARS_MAX
    assert metrics_in(line) == {"edgenvr_telemetry_refused_count": "Count"}
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [[]]
    assert line["_aws"]["Timestamp"] == at_ms


@pytest.mark.parametrize(
    "bad",
    [[1], ["recording", "", "x", 0, 1, 2], [None] * 6, ["recording", "", 1, 0, 1, float("inf")]],
    ids=["short", "text", "none", "infinite"],
)
def test_a_bad_row_keeps_no_other_row_from_being_written(bad: list[Any]) -> None:
    """One row that makes no sense is refused by name; the rows before and after it are written."""
    raw = json.loads(CAMERAS)
    rows = raw["cameras"]["rows"]
    raw["cameras"]["rows"] = {"cam-1": rows["cam-1"], "cam-bad": bad, "cam-3": rows["cam-3"]}
    lines = written(json.dumps(raw).encode())
    assert [line["event"] for line in lines] == ["camera_reported", "telemetry_refused", "camera_reported"]
    assert "cam-bad" in lines[1]["reason"]


def test_a_name_that_is_no_camera_is_refused() -> None:
    """A row is about a stream; what is none is refused, not written under a name that nobody has."""
    raw = {"wall_ns": 1, "cameras": {"columns": ["state"], "rows": {"../etc": ["off"], "a~other": ["off"]}}}
    assert [line["event"] for line in written(json.dumps(raw).encode())] == ["telemetry_refused"] * 2


def test_what_a_newer_release_adds_is_left_out() -> None:
    """Figures and columns that the table does not have are not written; those that it has are."""
    raw = {"v": 1, "wall_ns": 1, "values": {"cpu_percent": 7, "new_count": 1}}
    (site,) = written(json.dumps(raw).encode())
    assert site["edgenvr_cpu_percent"] == 7
    assert metrics_in(site) == {"edgenvr_cpu_percent": "Percent"}
    assert "new_count" not in json.dumps(site)
    raw = {"wall_ns": 1, "cameras": {"columns": ["state", "new"], "rows": {"cam-1": ["off", 5]}}}
    (camera,) = written(json.dumps(raw).encode())
    assert camera.keys() == {"event", "site", "wall_ns", "camera", "stream", "state"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(
    JSON
    | st.fixed_dictionaries({"wall_ns": JSON, "values": JSON, "components": JSON, "conditions": JSON})
    | st.fixed_dictionaries({"wall_ns": st.just(1), "cameras": st.fixed_dictionaries({"columns": JSON, "rows": JSON})})
)
def test_no_message_at_all_makes_the_function_fail(document: Any) -> None:
    """Whatever a site sends, each line is JSON with a known event, and nothing is raised."""
    with redirect_stdout(io.StringIO()) as log:
        counted = handler.handle(event(json.dumps(document).encode()), None)
        counted_bare = handler.handle(document, None)
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert len(lines) == counted["lines"] + counted_bare["lines"]
    known = {"site_reported", "component_reported", "condition_reported", "camera_reported", "telemetry_refused"}
    assert {line["event"] for line in lines} <= known


def test_the_handler_writes_bare_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """A line of the log is the JSON and nothing else: CloudWatch finds no metrics behind a prefix."""
    assert handler.handle(event(CAMERAS), None) == {"lines": 4, "refused": 0}
    assert handler.handle(event(b"x"), None) == {"lines": 1, "refused": 1}
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["event"] for line in lines] == [*["camera_reported"] * 4, "telemetry_refused"]

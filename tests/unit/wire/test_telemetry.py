"""How telemetry is written, and what of it is believed."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.shared.errors import Rejected
from components.shared.wire.codec import MESSAGE_BYTES_MAX
from components.shared.wire.telemetry import (
    CameraTelemetry,
    SiteTelemetry,
    Table,
    decode,
    encode_cameras,
    encode_site,
)

SITE = SiteTelemetry(
    wall_ns=1_760_000_000_000_000_000,
    values={"cpu_percent": 12.5, "cameras_count": 3.0},
    conditions={"camera_impaired": 2},
    components=Table(columns=["backlog_count"], rows={"Capture": [0]}),
)


def test_site_telemetry_comes_back_as_it_went() -> None:
    """What is decoded is what was said, in few bytes: whole numbers have no fraction, others two digits of it."""
    payload = encode_site(SITE)
    assert b'"cpu_percent":12.5,"cameras_count":3}' in payload
    assert decode(payload) == SITE
    long = SITE.model_copy(update={"values": {"cpu_percent": 100 / 3}})
    told = decode(encode_site(long))
    assert isinstance(told, SiteTelemetry)
    assert told.values == {"cpu_percent": 33.33}


def test_small_figures_keep_more_digits() -> None:
    """A write of some milliseconds is not nought: below 1 there are four digits."""
    small = {"disk_write_s": 0.0012345, "camera_clock_apart_s": -0.01239, "clock_error_s": 0.00001, "cloud_s": 0.99999}
    told = decode(encode_site(SITE.model_copy(update={"values": small})))
    assert isinstance(told, SiteTelemetry)
    assert told.values == {
        "disk_write_s": 0.0012,
        "camera_clock_apart_s": -0.0124,
        "clock_error_s": 0,
        "cloud_s": 1,
    }


def test_a_row_per_camera_comes_back() -> None:
    """Each row has a cell per column, a text or a number."""
    (payload,) = encode_cameras(7, ["state", "failures_count"], {"front": ["recording", 0.0], "yard~sub": ["off", 2.5]})
    told = decode(payload)
    assert isinstance(told, CameraTelemetry)
    assert told.cameras.row("front") == {"state": "recording", "failures_count": 0}
    assert told.cameras.row("yard~sub") == {"state": "off", "failures_count": 2.5}


def test_no_cameras_are_no_message() -> None:
    """A site without cameras says nothing of them."""
    assert encode_cameras(7, ["state"], {}) == []


@given(st.integers(1, 400), st.integers(1, 64))
def test_any_number_of_cameras_fits_into_messages(count: int, chars: int) -> None:
    """However many cameras there are, every message fits its limit and every row is in one of them, in order."""
    rows: dict[str, list[str | float]] = {f"{number:032}": ["x" * chars, 1.0] for number in range(count)}
    messages = encode_cameras(7, ["cause", "failures_count"], rows)
    assert all(len(message) <= MESSAGE_BYTES_MAX for message in messages)
    told = [decode(message) for message in messages]
    assert [name for one in told if isinstance(one, CameraTelemetry) for name in one.cameras.rows] == list(rows)


def test_what_is_too_long_is_never_sent() -> None:
    """A message above the limit is Rejected by whoever makes it, with its size."""
    many = SITE.model_copy(update={"values": {"x" * 60 + f"_{number:03}": 1.0 for number in range(200)}})
    with pytest.raises(Rejected, match=r"telemetry of the site has 1[0-9]{4} bytes, the limit is 6000"):
        encode_site(many)
    with pytest.raises(Rejected, match="telemetry of front has"):
        encode_cameras(7, ["cause"], {"front": ["x" * 7_000]})


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "no JSON"),
        (b"\xff\x00", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[1]", "valid dictionary"),
        (b"{}", "wall_ns: Field required; values: Field required"),
        (b'{"wall_ns":-1,"values":{}}', "wall_ns: Input should be greater"),
        (b'{"wall_ns":1,"values":{"a":"7"}}', "values.a: Input should be a valid number"),
        (b'{"wall_ns":1,"values":{"a":true}}', "values.a: Input should be a valid number"),
        (b'{"wall_ns":1,"values":{"a":NaN}}', "values.a: Input should be a finite number"),
        (b'{"wall_ns":1,"values":{"A b":1}}', "values.A b"),
        (b'{"wall_ns":1,"values":{},"conditions":{"x":1.5}}', "conditions.x"),
        (b'{"wall_ns":1,"cameras":{"columns":["a"]}}', "cameras.rows: Field required"),
        (b'{"wall_ns":1,"cameras":7}', "cameras: Input should be"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(payload: bytes, reason: str) -> None:
    """A malformed message is Rejected and its fault is named."""
    with pytest.raises(Rejected) as caught:
        decode(payload)
    assert reason in str(caught.value)


def test_fields_and_columns_of_a_newer_release_are_no_fault() -> None:
    """What this release does not know is read past."""
    told = decode(b'{"v":2,"wall_ns":1,"values":{"new_count":1},"new":{}}')
    assert isinstance(told, SiteTelemetry)
    assert told.values == {"new_count": 1}


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("front", [1]),
        ("front", [1, 2, 3]),
        ("front", [None, 2]),
        ("front", [[], 2]),
        ("front", [math.inf, 2]),
        ("front", ["x" * 65, 2]),
        ("f" * 65, [1, 2]),
        ("", [1, 2]),
    ],
)
def test_a_bad_row_says_nothing_against_the_others(name: str, cells: list[object]) -> None:
    """A row that is none is Rejected when it is read; the message and its other rows are good."""
    raw = {"wall_ns": 1, "cameras": {"columns": ["a", "b"], "rows": {name: cells, "good": [1, "x"]}}}
    told = decode(json.dumps(raw).encode())
    assert isinstance(told, CameraTelemetry)
    with pytest.raises(Rejected, match="row '"):
        told.cameras.row(name)
    assert told.cameras.row("good") == {"a": 1, "b": "x"}


@given(st.binary(max_size=200) | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(repr))
def test_no_bytes_at_all_do_more_than_be_refused(raw: bytes | str) -> None:
    """Whatever arrives is a message or Rejected."""
    try:
        decode(raw if isinstance(raw, bytes) else raw.encode())
    except Rejected:
        return

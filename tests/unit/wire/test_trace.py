"""Traces follow from what they are about, and from nothing else."""

from __future__ import annotations

import re

import pytest

from components.shared.wire.trace import trace_of, trace_of_document, trace_of_event, trace_of_segment

SEGMENT = "cam-1_20251121T040506.789Z"
SHA = "ab" * 32


def test_a_segment_has_one_trace_for_ever() -> None:
    """Whoever names the segment comes to the same id, in every release: it is written into objects."""
    assert trace_of_segment("site-1", SEGMENT) == "6a3b6a8c6b4e82f39b972b9c4eb97fd0"
    assert re.fullmatch("[0-9a-f]{32}", trace_of_segment("site-1", SEGMENT))


def test_things_that_differ_have_other_traces() -> None:
    """Sites, kinds and names do not run into one another: cam-1 is at every site, and begins segments at all times."""
    traces = [
        trace_of_segment("site-1", SEGMENT),
        trace_of_segment("site-2", SEGMENT),
        trace_of_event("site-1", SEGMENT),
        trace_of_document("site-1", SEGMENT, ""),
        trace_of_document("site-1", "site", SHA),
        trace_of_document("site-1", "site", "cd" * 32),
    ]
    assert len(set(traces)) == len(traces)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"camera": "cam-1", "segment": SEGMENT}, trace_of_segment("site-1", SEGMENT)),
        ({"segment": SEGMENT, "document": "site", "sha256": SHA}, trace_of_segment("site-1", SEGMENT)),
        ({"event": "e-1", "camera": "cam-1"}, trace_of_event("site-1", "e-1")),
        ({"document": "site", "version": 3, "sha256": SHA}, trace_of_document("site-1", "site", SHA)),
        ({"alert": "f" * 32, "segment": SEGMENT}, "f" * 32),
        ({"document": "site"}, None),
        ({"segment": None, "camera": "cam-1"}, None),
        ({"segments": 3}, None),
        ({}, None),
    ],
)
def test_fields_name_what_they_are_about(fields: dict[str, object], expected: str | None) -> None:
    """A line or message belongs to the alert, segment, event or document that it names, to none without."""
    assert trace_of("site-1", fields) == expected

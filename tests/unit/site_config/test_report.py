"""What is told of a document, in little room."""

from __future__ import annotations

import pytest

from components.shared.wire.site_config import REPORTED_BYTES_MAX, canonical_json
from components.site_config.core.documents import DocumentState
from components.site_config.core.report import Applied, describe, reported

SHA = "a" * 64
COMPONENTS = ("Capture", "CloudSync", "HealthMonitor", "VideoProcessor")


def test_document_in_force() -> None:
    """State, version, hash and the components' answers; nothing that says nothing, since every leaf costs."""
    description = describe(DocumentState("in_force", 3, SHA), {"Capture": Applied(3, SHA, "in_force")})
    assert reported(description) == {
        "state": "in_force",
        "version": 3,
        "sha256": SHA,
        "components": {"Capture": {"version": 3, "sha256": SHA, "state": "in_force"}},
    }


def test_refusal_of_an_older_document_is_no_error_of_this_one() -> None:
    """A component's refusal counts for the document that it has seen."""
    description = describe(DocumentState("in_force", 3, SHA), {"Capture": Applied(2, "b" * 64, "refused", "old")})
    assert description["error"] is None


@pytest.mark.parametrize("character", ["x", '"', "ü", "\x01", "\U0001f4f7"])
def test_report_fits_whatever_it_says(character: str) -> None:
    """The longest texts, of the dearest characters, stay within what a document leaves for the report."""
    text = character * 2_000
    state = DocumentState("refused", 2**53, SHA, text, tuple(text for _ in range(20)), 2**53, SHA)
    applied = {name: Applied(2**53, SHA, "refused", text) for name in COMPONENTS}
    found = reported(describe(state, applied, lost=text))
    assert len(canonical_json(found)) <= REPORTED_BYTES_MAX
    assert found["state"] == "refused"
    assert found["error"].startswith(character)


def test_usual_refusal_is_told_in_full() -> None:
    """An error of usual length, with answers of all components, is not cut."""
    applied = {name: Applied(12, SHA, "in_force") for name in COMPONENTS}
    error = "document site: recording.segment_s: Input should be a valid integer; recrding: no such member"
    found = reported(describe(DocumentState("refused", 13, "b" * 64, error, (), 12, SHA), applied))
    assert found["error"] == error
    assert set(found["components"]) == set(COMPONENTS)
    assert found["components"]["Capture"]["sha256"] == SHA

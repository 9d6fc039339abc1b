"""What people read of an alert."""

from __future__ import annotations

import pytest

from cloud import alert_text
from components.shared.wire.alert_notice import REASON_CHARS_MAX, SUBJECT_CHARS_MAX, AlertNotice, notice_of
from components.shared.wire.units import NS_PER_S, WallNs, parse_stamp

RAISED = parse_stamp("20251020T140300.000Z")


def notice(kind: str, subject: str = "front", cleared_after_s: int | None = None, count: int = 1) -> AlertNotice:
    cleared = None if cleared_after_s is None else WallNs(RAISED + cleared_after_s * NS_PER_S)
    return notice_of("berlin-1", kind, subject, "critical", "offline: refused", RAISED, cleared, count, "t-1")


def test_a_raised_alert_says_all_that_is_known() -> None:
    """The message names site, kind, subject, severity, time and reason, and by what it is found again."""
    told = notice("camera_offline")
    assert alert_text.text(told).splitlines() == [
        "RAISED: camera front is not recording",
        "",
        "Site:      berlin-1",
        "Kind:      camera_offline",
        "Subject:   front",
        "Severity:  critical",
        "Raised:    2025-10-20 14:03:00 UTC",
        "Reason:    offline: refused",
        "",
        f"Alert {told.alert}, notice {told.id}",
        "Trace t-1",
    ]


@pytest.mark.parametrize(("after_s", "lasted"), [(0, "0 s"), (192, "3 min 12 s"), (7_205, "2 h 0 min 5 s")])
def test_a_cleared_alert_says_how_long_it_lasted(after_s: int, lasted: str) -> None:
    """A message of the end says when it began, when it ended and what lies between."""
    text = alert_text.text(notice("camera_offline", cleared_after_s=after_s))
    assert text.startswith("CLEARED: camera front is not recording\n")
    assert f", after {lasted}\n" in text


def test_not_recording_and_unknown_are_told_apart() -> None:
    """Of a site that nobody can ask it is said that recording is unknown; of a camera that it is not recording."""
    unreachable, silent, impaired = (
        alert_text.subject(notice(kind)) for kind in ("site_unreachable", "health_monitor_silent", "camera_offline")
    )
    assert "recording unknown" in unreachable
    assert "recording unknown" in silent
    assert impaired.endswith("camera front is not recording")
    assert len({unreachable, silent, impaired}) == 3


def test_a_kind_that_is_not_known_is_told_by_its_name() -> None:
    """A kind from a newer release is told, not kept back."""
    assert alert_text.headline(notice("lens_on_fire")) == "lens on fire: front"


def test_a_grouped_alert_says_how_many() -> None:
    """An alert that holds several subjects says so."""
    assert alert_text.headline(notice("camera_offline", "site", count=40)).endswith("(40 in all)")


def test_subject_and_short_text_fit_what_carries_them() -> None:
    """A subject is at most 100 printable ASCII characters, a short text 140, whatever the alert is about."""
    long = notice_of("s" * 128, "k" * 64, "\N{SNOWMAN}\n" * SUBJECT_CHARS_MAX, "warning", "", RAISED)
    for text, chars_max in ((alert_text.subject(long), 100), (alert_text.short(long), 140)):
        assert len(text) == chars_max
        assert text.isascii()
        assert text.isprintable()


@pytest.mark.parametrize(("letters", "is_cut"), [(100, False), (101, True)])
def test_a_subject_is_cut_only_when_it_must_be(letters: int, is_cut: bool) -> None:
    """A subject of just 100 characters is whole; of one more it ends in dots."""
    around = len(alert_text.subject(notice("camera_offline", "f"))) - 1
    subject = alert_text.subject(notice("camera_offline", "f" * (letters - around)))
    assert len(subject) == 100
    assert subject.endswith("...") is is_cut


def test_a_text_from_elsewhere_begins_no_line() -> None:
    """Line breaks in a reason or subject do not make lines of their own, which might pass for ours."""
    forged = notice_of("berlin-1", "x", "a\nSite: b", "warning", "r\r\nSeverity: none"[:REASON_CHARS_MAX], RAISED)
    lines = alert_text.text(forged).splitlines()
    assert [line for line in lines if line.startswith("Site:")] == ["Site:      berlin-1"]
    assert [line for line in lines if line.startswith("Severity:")] == ["Severity:  warning"]


def test_filters_see_site_kind_severity_and_state() -> None:
    """The attributes of a message are what subscriptions choose by."""
    assert alert_text.attributes(notice("camera_offline", cleared_after_s=1)) == {
        "site": "berlin-1",
        "kind": "camera_offline",
        "severity": "critical",
        "state": "cleared",
    }

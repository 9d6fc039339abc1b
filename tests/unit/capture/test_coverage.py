"""Recorded + gaps = wall time: what is covered, what is not, and what start-up adds."""

from components.capture.core.coverage import absence, cover
from components.shared.wire.units import Span, WallNs


def span(start: int, end: int) -> Span:
    return Span(WallNs(start), WallNs(end))


def test_a_whole_record() -> None:
    """Segments and gaps that touch cover everything."""
    found = cover(span(0, 100), [span(10, 40), span(40, 60)], [(span(0, 10), "starting"), (span(60, 100), "frozen")])
    assert found.is_whole
    assert found.recorded_ns == 50
    assert found.gaps_ns == {"starting": 10, "frozen": 40}


def test_what_is_missing_is_named() -> None:
    """Time in neither a segment nor a gap is missing: at the start, between, at the end."""
    found = cover(span(0, 100), [span(10, 40), span(50, 60)], [])
    assert found.missing == (span(0, 10), span(40, 50), span(60, 100))
    assert not found.is_whole


def test_what_is_double_is_named() -> None:
    """Time in two of them is double."""
    found = cover(span(0, 100), [span(0, 60), span(50, 100)], [(span(90, 95), "disk")])
    assert found.doubled == (span(50, 60), span(90, 95))


def test_only_the_window_counts() -> None:
    """What lies outside the window does not count, what reaches over its edges does so far."""
    found = cover(span(10, 20), [span(0, 15), span(30, 40)], [(span(15, 50), "disk")])
    assert (found.recorded_ns, found.gaps_ns, found.is_whole) == (5, {"disk": 5}, True)


def test_absence_of_the_component() -> None:
    """From the end of the record to the start of the process, nobody was there."""
    assert absence(WallNs(50), WallNs(0), WallNs(10), WallNs(80)) == (span(50, 80), "component_down")


def test_absence_of_the_box() -> None:
    """If the box booted since, it was the box."""
    assert absence(WallNs(50), WallNs(0), WallNs(60), WallNs(80)) == (span(50, 80), "box_down")


def test_absence_without_a_record() -> None:
    """A stream that was enabled and never recorded was starting."""
    assert absence(None, WallNs(20), WallNs(0), WallNs(80)) == (span(20, 80), "starting")


def test_no_absence() -> None:
    """A record that reaches to the start, or beyond it after a clock was put back, leaves nothing."""
    assert absence(WallNs(80), WallNs(0), WallNs(0), WallNs(80)) is None
    assert absence(WallNs(90), WallNs(0), WallNs(0), WallNs(80)) is None
    assert absence(None, WallNs(80), WallNs(0), WallNs(80)) is None

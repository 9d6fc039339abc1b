"""What came to a subscriber is held against what was provoked."""

from __future__ import annotations

from cloud.alert_text import attributes, text
from components.shared.wire.alert_notice import AlertState, notice_of
from components.shared.wire.units import WallNs
from lab.alert_account import Told, account, told_by

CAMERA = ("camera_offline", "cam-1")
RAISED_NS = WallNs(1_761_000_000_000_000_000)


def came(kind: str, subject: str, state: AlertState, number: int = 0) -> Told:
    """An alert as the cloud tells it."""
    raised_ns = WallNs(RAISED_NS + number)
    cleared_ns = None if state == "raised" else WallNs(raised_ns + 90)
    notice = notice_of("site-1", kind, subject, "critical", "offline: refused", raised_ns, cleared_ns)
    return told_by(
        1.0,
        {
            "Message": text(notice),
            "MessageAttributes": {name: {"Value": value} for name, value in attributes(notice).items()},
        },
    )


def test_once_raised_and_once_cleared_is_whole() -> None:
    """An alert that came both times is neither missing nor doubled; kind, subject and ids are read from its text."""
    both = [came(*CAMERA, "raised"), came(*CAMERA, "cleared")]
    assert (both[0].kind, both[0].subject, both[0].state) == (*CAMERA, "raised")
    assert both[0].alert == both[1].alert and both[0].notice != both[1].notice
    found = account(both, {CAMERA: 1}, [both[0].alert])
    assert found == account([], {})


def test_what_did_not_come_is_missing() -> None:
    """An end that never came is missing, and so is an alert that only the site's catalogue knows."""
    found = account([came(*CAMERA, "raised")], {CAMERA: 1}, ["abc"])
    assert found.missing == (
        "camera_offline of cam-1 cleared: 0 of 1",
        "alert abc stands in the site's catalogue and never came",
    )
    assert found.doubled == ()


def test_what_came_again_is_doubled() -> None:
    """The same notice twice is doubled, and so is a second alert for one provocation."""
    twice = account([came(*CAMERA, "raised")] * 2 + [came(*CAMERA, "cleared")], {CAMERA: 1})
    assert len(twice.doubled) == 1 and twice.missing == ()
    anew = account([came(*CAMERA, state, number) for number in (0, 1) for state in ("raised", "cleared")], {CAMERA: 1})
    assert anew.doubled == ("camera_offline of cam-1 raised: 2 instead of 1", *anew.doubled[1:])
    assert account([came(*CAMERA, state, 1) for state in ("raised", "cleared")], {CAMERA: 2}).missing != ()


def test_what_nobody_provoked_is_unexpected_unless_it_is_the_machine_s() -> None:
    """A stranger counts; that the processor is busy with something else does not."""
    found = account([came("footage_lost", "box", "raised"), came("cpu_overloaded", "box", "raised")], {})
    assert found.unexpected == ("footage_lost of box raised",)
    assert found.of_the_machine == ("cpu_overloaded of box raised",)


def test_what_may_follow_is_neither_unexpected_nor_missing() -> None:
    """An alert that may come of what was done counts nothing, come or not; doubled it is doubled."""
    stuck = ("component_stuck", "SiteConfig")
    assert account([came(*stuck, "raised")], {}, (), [stuck]) == account([], {}, (), [stuck]) == account([], {})
    assert account([came(*stuck, "raised")] * 2, {}, (), [stuck]).doubled != ()

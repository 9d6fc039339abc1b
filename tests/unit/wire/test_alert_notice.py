"""Alert notices and their acknowledgements: golden files, ids, limits, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.shared.errors import Rejected
from components.shared.wire.alert_notice import (
    ACKNOWLEDGED_IDS_MAX,
    REASON_CHARS_MAX,
    SUBJECT_CHARS_MAX,
    WALL_NS_MAX,
    AlertNotice,
    acknowledged_topic,
    alert_topic,
    decode_acknowledged,
    decode_notice,
    encode_acknowledged,
    encode_notice,
    notice_of,
)
from components.shared.wire.codec import MESSAGE_BYTES_MAX
from components.shared.wire.units import WallNs

GOLDEN = Path(__file__).parents[2] / "data" / "alert_notices"
RAISED_NS = WallNs(1_760_968_980_000_000_000)
CLEARED_NS = WallNs(1_760_969_100_000_000_000)
RAISED = notice_of("site-1", "camera_offline", "cam-1", "critical", "offline: refused", RAISED_NS, trace_id="t-1")
CLEARED = notice_of(
    "site-1", "cameras_offline", "site", "critical", "3 cameras: cam-1 cam-2 cam-3", RAISED_NS, CLEARED_NS, 3, "t-2"
)


def test_golden_notices_are_decoded_to_what_they_said() -> None:
    """Every release decodes every notice that was ever written, ids included."""
    assert decode_notice((GOLDEN / "raised.0.1.0.json").read_bytes()) == RAISED
    assert decode_notice((GOLDEN / "cleared.0.1.0.json").read_bytes()) == CLEARED
    golden = decode_acknowledged((GOLDEN / "acknowledged.0.1.0.json").read_bytes())
    assert golden.ids == [RAISED.id, CLEARED.id]


def test_ids_are_those_that_were_agreed_on() -> None:
    """Both sides and every release make the same ids: they are written out here."""
    assert RAISED.alert == "28899dbabd16dfb83812369b9b82e302"
    assert RAISED.id == "55db99b08ad7e59ab15c33ecd495ca89"


def test_raise_and_clear_share_the_alert_and_not_the_id() -> None:
    """One alert, two things to say of it."""
    over = notice_of("site-1", "camera_offline", "cam-1", "critical", "", RAISED_NS, CLEARED_NS)
    assert over.alert == RAISED.alert
    assert over.id != RAISED.id
    assert (RAISED.state, over.state) == ("raised", "cleared")


@pytest.mark.parametrize(
    "other",
    [
        notice_of("site-2", "camera_offline", "cam-1", "critical", "", RAISED_NS),
        notice_of("site-1", "camera_frozen", "cam-1", "critical", "", RAISED_NS),
        notice_of("site-1", "camera_offline", "cam-2", "critical", "", RAISED_NS),
        notice_of("site-1", "camera_offline", "cam-1", "critical", "", WallNs(RAISED_NS + 1)),
    ],
    ids=["thing", "kind", "subject", "time"],
)
def test_whatever_makes_another_alert_makes_another_id(other: AlertNotice) -> None:
    """Thing, kind, subject and time each tell alerts apart."""
    assert other.alert != RAISED.alert


@pytest.mark.parametrize("notice", [RAISED, CLEARED], ids=["raised", "cleared"])
def test_notice_survives_the_way(notice: AlertNotice) -> None:
    """What is encoded is decoded to the same."""
    assert decode_notice(encode_notice(notice)) == notice


@pytest.mark.parametrize("letter", ["x", "ü", "😀", "\x01", '"'])
def test_the_longest_notice_fits_a_message(letter: str) -> None:
    """Texts are cut, so that whatever they hold is below the limit of a message."""
    notice = notice_of(
        "t" * 128,
        "k" * 64,
        letter * 300,
        "warning",
        letter * 900,
        WallNs(WALL_NS_MAX),
        WallNs(WALL_NS_MAX),
        10**6,
        "x" * 90,
    )
    assert (len(notice.subject), len(notice.reason)) == (SUBJECT_CHARS_MAX, REASON_CHARS_MAX)
    assert len(encode_notice(notice)) < MESSAGE_BYTES_MAX
    assert decode_notice(encode_notice(notice)) == notice


def test_fields_from_the_future_are_ignored() -> None:
    """A newer release may add fields."""
    raw = json.loads(encode_notice(RAISED))
    assert decode_notice(json.dumps({**raw, "v": 2, "new": {"deep": 1}}).encode()).id == RAISED.id


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"id": "0" * 32}, "id is not"),
        ({"alert": "0" * 32}, "alert is not"),
        ({"id": "nothing"}, "id:"),
        ({"state": "cleared"}, "cleared_wall_ns"),
        ({"cleared_wall_ns": 5}, "cleared_wall_ns"),
        ({"severity": "fatal"}, "severity"),
        ({"kind": "Camera Offline"}, "kind"),
        ({"thing": "a/b"}, "thing"),
        ({"raised_wall_ns": "yesterday"}, "raised_wall_ns"),
        ({"count": 0}, "count"),
        ({"reason": "x" * 501}, "reason"),
    ],
)
def test_bad_notice_is_refused_by_name(change: dict[str, object], told: str) -> None:
    """The refusal names what is wrong."""
    raw = {**json.loads(encode_notice(RAISED)), **change}
    with pytest.raises(Rejected, match=told):
        decode_notice(json.dumps(raw).encode())


@pytest.mark.parametrize("payload", [b"", b"\xff", b"[]", b"null"])
def test_bytes_that_are_no_notice_are_refused(payload: bytes) -> None:
    """Whatever arrives, nothing but Rejected is raised."""
    with pytest.raises(Rejected):
        decode_notice(payload)
    with pytest.raises(Rejected):
        decode_acknowledged(payload)


def test_acknowledgement_has_a_limit() -> None:
    """At the limit an answer goes and fits a message, above it is refused."""
    ids = ["0" * 32] * ACKNOWLEDGED_IDS_MAX
    assert decode_acknowledged(encode_acknowledged(ids)).ids == ids
    assert len(encode_acknowledged(ids)) < MESSAGE_BYTES_MAX
    with pytest.raises(Rejected, match="ids"):
        encode_acknowledged([*ids, "0" * 32])


def test_topics() -> None:
    """Notices and answers have the topics that both sides know; a thing that is no name makes none."""
    assert alert_topic("site-1", "raised") == "nvr/v1/site-1/alert/raised"
    assert acknowledged_topic("site-1") == "nvr/v1/site-1/alert/acknowledged"
    with pytest.raises(Rejected):
        alert_topic("a/b", "cleared")

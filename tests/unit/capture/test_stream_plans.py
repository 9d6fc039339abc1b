"""What a camera's document and the hour come to: how each of its streams is read, and what is wanted of it."""

from components.capture.camera_plan import Wanted
from components.capture.core.schedule import Decision
from components.capture.stream_plans import plan_streams
from components.shared.wire.site_config import CameraDocument, parse_camera
from components.shared.wire.units import NS_PER_S

RECORDED = Decision("continuous", None, None)
BETWEEN = Decision(None, "schedule", None)
OFF = Decision(None, "policy", None)
SUB = {"url": "rtsp://camera/2", "transport": "udp"}


def camera(**fields: object) -> CameraDocument:
    source = fields.pop("source", {"url": "rtsp://camera/1", "secret": "cameras"})
    return parse_camera("cam-1", {"schema": 1, "name": "Yard", "source": source, **fields}).document


def test_one_stream_keeps_its_picture() -> None:
    """Recorded as decided, with a picture as often as the document says."""
    (plan,) = plan_streams("cam-1", camera(snapshot_s=10), RECORDED, "UTC").values()
    assert (plan.url, plan.secret, plan.is_on) == ("rtsp://camera/1", "cameras", True)
    assert plan.wanted == Wanted("continuous", None, 10 * NS_PER_S)


def test_the_sub_stream_is_read_and_only_kept_when_asked() -> None:
    """It has the login of the camera, an address of its own, and the picture, which costs less to decode there."""
    plans = plan_streams("cam-1", camera(sub=SUB), RECORDED, "UTC")
    main, sub = plans["cam-1"], plans["cam-1~sub"]
    assert (sub.url, sub.secret, sub.transport) == ("rtsp://camera/2", "cameras", "udp")
    assert main.wanted == Wanted("continuous", None, 0)
    assert sub.wanted == Wanted(None, "policy", 30 * NS_PER_S)
    kept = plan_streams("cam-1", camera(sub={**SUB, "record": True}), RECORDED, "UTC")
    assert kept["cam-1~sub"].wanted.recorded == "continuous"


def test_between_spans_a_camera_is_read_and_off_it_is_not() -> None:
    """Live view goes on outside the schedule; a camera that is off is left alone, unless somebody starts it."""
    (between,) = plan_streams("cam-1", camera(mode="schedule"), BETWEEN, "UTC").values()
    assert (between.is_on, between.wanted.cause) == (True, "schedule")
    (off,) = plan_streams("cam-1", camera(mode="off"), OFF, "UTC").values()
    assert (off.is_on, off.wanted.cause) == (False, "policy")
    (started,) = plan_streams("cam-1", camera(mode="off"), RECORDED, "UTC").values()
    assert started.is_on


def test_names_of_files_are_in_the_sites_zone_unless_said_otherwise() -> None:
    """A stream has none."""
    folder = {"url": "folder:///drop"}
    (plan,) = plan_streams("cam-1", camera(source=folder), RECORDED, "Europe/Berlin").values()
    assert (plan.folder, plan.time_zone) == ("/drop", "Europe/Berlin")
    zoned = camera(source={**folder, "time_zone": "Asia/Tokyo"})
    (plan,) = plan_streams("cam-1", zoned, RECORDED, "Europe/Berlin").values()
    assert plan.time_zone == "Asia/Tokyo"
    (plan,) = plan_streams("cam-1", camera(), RECORDED, "Europe/Berlin").values()
    assert (plan.folder, plan.time_zone) == (None, "")


def test_both_streams_are_read_by_the_reader_that_the_document_names() -> None:
    """Our own client unless it says otherwise."""
    own = plan_streams("cam-1", camera(sub=SUB), RECORDED, "UTC")
    assert {plan.reader for plan in own.values()} == {"own"}
    document = camera(source={"url": "rtsp://camera/1", "reader": "libav"}, sub=SUB)
    assert {plan.reader for plan in plan_streams("cam-1", document, RECORDED, "UTC").values()} == {"libav"}

"""Cameras that break off, hang or refuse while they are recorded: told, with a gap of that cause, recorded again."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from components.capture.packet_source import OpenSource
from components.shared.catalogue.check import check
from components.shared.runtime.clock import SystemClock
from components.shared.wire.messages import StreamChanged
from components.shared.wire.units import NS_PER_S
from local.cameras import CameraSpec, RunningCameras, start_cameras
from tests.fakes.capture_box import CaptureBox
from tests.fakes.packet_sources import SourceKind
from tests.fakes.recorded_frames import sent_between, stamped, stamps_in
from tests.integration.capture.conftest import PASSWORD, small
from tests.integration.capture.pathologies.conftest import QUICK

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Break:
    """A camera, how it breaks, and the outcome. Whatever it is: each run whole to its end, gaps from there on."""

    spec: CameraSpec
    fault: str
    causes: tuple[str, ...]
    """Of the gaps, in the order in which they come first; `before` may come before them."""
    text: str
    """What is said of the last cause; a pattern."""
    settings: dict[str, int | bool] = field(default_factory=dict)
    transport: str = "tcp"
    before: tuple[str, ...] = ()
    runs_min: int = 2
    tail_max: int = 0
    """Frames that were sent before the break and may be lost, beside those that the source holds back."""

    @property
    def id(self) -> str:
        return self.spec.id


_NO_PICTURE = "no new picture for 3 s though the connection stands"
_ENDED = "the camera ended the stream"
_BROKEN = f"{_ENDED}|reading broke off"
_SILENT = "does not answer within 3 s"
_REFUSED = "refuses the user or password"

BREAKS = (
    Break(small("teardown", "h264"), "teardown", ("unreachable",), _ENDED),
    # The goodbye has a port of its own, and may overtake the last pictures.
    Break(small("teardown-udp", "h265"), "teardown", ("unreachable",), _ENDED, transport="udp", tail_max=2),
    # What was not read yet when a reset comes is thrown away by the system.
    Break(small("reset", "h265", audio="aac"), "reset", ("unreachable",), _BROKEN, tail_max=15),
    Break(small("reset-udp", "h264"), "reset", ("unreachable",), _BROKEN, transport="udp", tail_max=15),
    Break(
        small("reboot-loop", "h264"),
        *("reboot", ("unreachable",), _BROKEN, {"after_s": 2, "drop": True}),
        runs_min=4,
        tail_max=15,
    ),
    # Sources that do not hear how their keep-alive was answered learn of it when the session has ended for want of one.
    Break(
        small("401-mid-session", "h264", session_timeout_s=2),
        *("unauthorized", ("authentication",), _REFUSED),
        before=("unreachable",),
    ),
    Break(small("hang", "h264"), "hang", ("frozen", "unreachable"), _SILENT),
    Break(small("hang-udp", "h265"), "hang", ("frozen", "unreachable"), _SILENT, transport="udp"),
    Break(small("half-open", "h264", audio="pcma"), "half_open", ("frozen",), _NO_PICTURE),
    Break(small("slow-loris", "h264"), "slow", ("frozen", "unreachable"), _SILENT),
)
EACH = pytest.mark.parametrize("row", BREAKS, ids=lambda row: row.id)


@pytest.fixture(scope="module")
def cameras(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCameras]:
    specs = [
        *(row.spec for row in BREAKS),
        small("good", "h264"),
        small("sound-alone", "h264", audio="aac", sound_only=True),
    ]
    with start_cameras(specs, cache, tmp_path_factory.mktemp("cameras")) as running:
        yield running


@pytest.fixture(scope="module")
def recorded(
    cameras: RunningCameras, open_quickly: OpenSource, clock: SystemClock, tmp_path_factory: pytest.TempPathFactory
) -> CaptureBox:
    """All cameras, recorded together: well, broken until each has been told, and well again. One never breaks."""
    box = CaptureBox(tmp_path_factory.mktemp("box") / "data", clock)
    box.set_secret("cameras", f"viewer:{PASSWORD}")
    rows = {row.id: row for row in BREAKS}
    for name in (*rows, "good", "sound-alone"):
        transport = rows[name].transport if name in rows else "tcp"
        box.set_camera(name, cameras.url(name), "cameras", transport=transport)
    with box.running(open_quickly, limits=QUICK):
        for name in (*rows, "good"):
            box.wait_for_segments(name, 2, within_s=180.0)
        for row in BREAKS:
            cameras.control.set_fault(row.id, row.fault, **row.settings)
        for row in BREAKS:
            box.wait_for(f"{row.id} is told", partial(is_told, box, row), within_s=180.0)
            cameras.control.set_fault(row.id, "none")
        for row in BREAKS:
            box.wait_for(f"{row.id} is recorded again", partial(is_recorded_again, box, row), within_s=180.0)
    return box


def is_told(box: CaptureBox, row: Break) -> bool:
    """Whether every gap that is expected has come."""
    return has_causes(box, row) and len(box.runs(row.id)) >= row.runs_min - 1


def is_recorded_again(box: CaptureBox, row: Break) -> bool:
    """Whether the last of the expected runs has a closed segment."""
    runs = box.runs(row.id)
    return len(runs) >= row.runs_min and box.segments(row.id)[-1].run == runs[-1].run


def has_causes(box: CaptureBox, row: Break) -> bool:
    """Whether gaps of the expected causes have come, and of no other."""
    return causes_of(box, row.id) in (row.causes, row.before + row.causes)


def causes_of(box: CaptureBox, camera: str) -> tuple[str, ...]:
    """The causes of the gaps that came after the camera's first picture, in the order in which each came first."""
    return tuple(dict.fromkeys(gap.cause for gap in box.gaps(camera) if gap.cause != "starting"))


@EACH
def test_each_run_is_whole(recorded: CaptureBox, cameras: RunningCameras, row: Break) -> None:
    """From the first to the last frame of a run, every frame that was sent is in exactly one segment."""
    lines = cameras.sent_frames(row.id)
    sessions = {(line["lap"], line["frame"], line["session"]) for line in lines}
    for run in recorded.runs(row.id):
        paths = [recorded.rows.file_path(found) for found in recorded.segments(row.id) if found.run == run.run]
        frames = [frame for path in paths for frame in stamps_in(path)]
        assert len(frames) <= run.frames_recorded <= len(frames) + row.tail_max
        (session,) = {session for lap, frame, session in sessions if (lap, frame) == frames[0]} & {
            session for lap, frame, session in sessions if (lap, frame) == frames[-1]
        }
        sent = [line for line in lines if line["session"] == session]
        assert frames == sent_between(sent, frames[0], frames[-1])


@EACH
def test_the_first_run_ends_where_the_camera_broke(
    source_kind: SourceKind, recorded: CaptureBox, cameras: RunningCameras, row: Break
) -> None:
    """Of what was sent before the break all is recorded, but for what was on its way."""
    first = recorded.runs(row.id)[0]
    paths = [recorded.rows.file_path(found) for found in recorded.segments(row.id) if found.run == first.run]
    last = [frame for path in paths for frame in stamps_in(path)][-1]
    lines = cameras.sent_frames(row.id)
    session = next(line["session"] for line in lines if (line["lap"], line["frame"]) == last)
    # Later ones are those of a session that was given up, and is sent to again once the camera is well.
    until_ns = (first.ended_ns or 0) + NS_PER_S
    lines = [line for line in lines if line["session"] == session and line["wall_ns"] < until_ns]
    sent = [(line["lap"], line["frame"]) for line in lines if line["fault"] == "none"]
    lost = len(sent) - 1 - sent.index(last) if last in sent else 0
    assert lost <= row.tail_max + source_kind.holds_back_max


@EACH
def test_gaps_say_why(recorded: CaptureBox, row: Break) -> None:
    """The gap begins where footage ends, says what happened, and ends where footage begins; time is whole."""
    gaps = [gap for gap in recorded.gaps(row.id) if gap.cause != "starting"]
    assert has_causes(recorded, row)
    assert any(re.search(row.text, gap.detail) and row.id in gap.detail for gap in gaps if gap.cause == row.causes[-1])
    ends = {found.end_ns for found in recorded.segments(row.id)}
    assert gaps[0].start_ns in ends
    assert gaps[-1].end_ns in {found.start_ns for found in recorded.segments(row.id)}
    assert recorded.coverage(row.id).is_whole


@EACH
def test_states_are_told(recorded: CaptureBox, row: Break) -> None:
    """The stream is recording, then what it is called without pictures, then recording again."""
    bodies = [message.body for message in recorded.broker.published if isinstance(message.body, StreamChanged)]
    states = [(body.state, body.cause) for body in bodies if body.camera == row.id]
    assert ("recording", "") in states
    for cause in row.causes:
        state = "frozen" if cause == "frozen" else "connecting"
        assert (state, cause) in states
    assert states[-1] == ("recording", "")


def test_a_rebooting_camera_is_never_offline(recorded: CaptureBox) -> None:
    """A camera that plays between its reboots is recorded each time, after the shortest pause."""
    bodies = [message.body for message in recorded.broker.published if isinstance(message.body, StreamChanged)]
    looped = [body for body in bodies if body.camera == "reboot-loop"]
    assert {body.state for body in looped} <= {"connecting", "recording"}
    assert max(body.failures for body in looped) == 1


def test_sound_alone_is_refused(recorded: CaptureBox) -> None:
    """A camera without a picture is told to be none, once and for all; nothing is recorded."""
    assert not recorded.segments("sound-alone")
    assert causes_of(recorded, "sound-alone") == ("undecodable",)
    assert "offers no video" in recorded.gaps("sound-alone")[-1].detail
    assert recorded.coverage("sound-alone").is_whole


def test_a_good_camera_is_not_disturbed(recorded: CaptureBox, cameras: RunningCameras) -> None:
    """While all the others break, a good one loses nothing."""
    (run,) = recorded.runs("good")
    frames = stamped(recorded.files("good"))
    assert frames == sent_between(cameras.sent_frames("good"), frames[0], frames[-1])
    assert run.frames_received == run.frames_recorded == len(frames)
    rows = recorded.segments("good")
    assert all(row.end_ns == following.start_ns for row, following in itertools.pairwise(rows))


def test_sequence_numbers_that_jump_back_over_udp(
    box: CaptureBox, open_quickly: OpenSource, source_kind: SourceKind, cache: Path, tmp_path: Path
) -> None:
    """Packets that look as if they were long too late are the camera's new numbers: it is recorded on, or again."""
    with start_cameras([small("jumper", "h264")], cache, tmp_path / "cameras") as cameras:
        box.set_camera("jumper", cameras.url("jumper"), "cameras", transport="udp")
        with box.running(open_quickly, limits=QUICK):
            box.wait_for_segments("jumper", 2)
            cameras.control.set_fault("jumper", "sequence_jump", by=-20_000)
            sent = len(cameras.sent_frames("jumper"))
            box.wait_for("two seconds of it", lambda: len(cameras.sent_frames("jumper")) > sent + 60)
            box.wait_for_segments("jumper", len(box.segments("jumper")) + 2)
        frames = stamped(box.files("jumper"))
        lines = [(line["lap"], line["frame"]) for line in cameras.sent_frames("jumper")]
    assert box.coverage("jumper").is_whole
    assert frames == sorted(set(frames))
    assert causes_of(box, "jumper") == (() if source_kind.follows_sequence_back else ("frozen",))
    if source_kind.follows_sequence_back:
        missing = set(lines[lines.index(frames[0]) : lines.index(frames[-1])]) - set(frames)
        assert len(missing) <= 2  # of what is on its way, the numbers say nothing


def test_catalogue_and_files_agree(recorded: CaptureBox) -> None:
    """The catalogue's own check finds nothing, hashes included."""
    assert check(recorded.data) == []

"""What goes wrong on the way while a camera is recorded: recording goes on, without a gap."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av
import pytest

from components.capture.packet_source import OpenSource
from components.shared.catalogue.check import check
from components.shared.runtime.clock import SystemClock
from components.shared.wire.units import NS_PER_S
from local.cameras import CameraSpec, RunningCameras, start_cameras
from tests.fakes.capture_box import CaptureBox
from tests.fakes.packet_sources import SourceKind
from tests.fakes.recorded_frames import decoded, stamps_in
from tests.integration.capture.conftest import PASSWORD, small
from tests.integration.capture.pathologies.conftest import QUICK

pytestmark = pytest.mark.slow

BEFORE, DURING, AFTER = 2, 4, 2
"""Segments that are recorded before the fault, under it, and after it."""

DECODED_MAX = 6
"""Segments of a camera that are decoded, from before the fault on."""


@dataclass(frozen=True)
class Trouble:
    """A camera, what goes wrong, and the outcome. Whatever it is: one frame after the other, no gap, no frame twice."""

    spec: CameraSpec
    fault: str
    settings: dict[str, int] = field(default_factory=dict)
    transport: str = "tcp"
    runs: int = 1
    """Runs that come of it: the picture's parameters change there and back."""
    hurt_max: int = 0
    """Frames that may be hurt beside those of which the camera left packets out."""
    told: frozenset[str] = frozenset()
    """The names of the warnings in the log, which are all there are."""
    may_tell: frozenset[str] = frozenset()
    """Warnings that may be there as well: sources judge this differently."""
    loses_packets: bool = False
    skips_numbers: bool = False
    """Whether packets seem to be lost that never were."""

    @property
    def id(self) -> str:
        return self.spec.id


_MISSED, _REPAIRED = frozenset({"network_packets_missed"}), frozenset({"times_repaired"})
_RICH = {"bitrate": 1_000_000}  # several packets a frame
_BACK = {"by": -20_000}

TROUBLES = (
    # Over TCP the loss is the camera's own, and libav tells nobody: what is hurt shows when the footage is decoded.
    Trouble(small("loss-tcp", "h264", **_RICH), "loss", {"every": 100}, loses_packets=True),
    Trouble(small("loss-udp-h264", "h264", **_RICH), "loss", {"every": 100}, "udp", told=_MISSED, loses_packets=True),
    Trouble(small("loss-udp-h265", "h265", **_RICH), "loss", {"every": 100}, "udp", told=_MISSED, loses_packets=True),
    Trouble(small("reorder-udp", "h264", **_RICH), "reorder", {"every": 10}, "udp"),
    # A number that is far away is taken for an error until the next one agrees: one packet is thrown away.
    Trouble(small("sequence-ahead", "h264"), "sequence_jump", hurt_max=2, may_tell=_MISSED),
    Trouble(small("sequence-back", "h264"), "sequence_jump", _BACK, hurt_max=2, may_tell=_MISSED),
    Trouble(small("sequence-near", "h264"), "sequence_jump", {"by": 200}, skips_numbers=True),
    Trouble(small("sequence-ahead-udp", "h264"), "sequence_jump", transport="udp", hurt_max=2, may_tell=_MISSED),
    Trouble(small("sequence-near-udp", "h264"), "sequence_jump", {"by": 200}, "udp", told=_MISSED),
    Trouble(small("hour-ahead", "h264"), "timestamp_jump", {"by": 3_600}, told=_REPAIRED),
    Trouble(small("hour-back", "h265"), "timestamp_jump", {"by": -3_600}, told=_REPAIRED),
    # Who takes times from the sender's reports has nothing to repair when one comes with the jump.
    Trouble(small("hour-ahead-sound", "h264", audio="aac"), "timestamp_jump", {"by": 3_600}, may_tell=_REPAIRED),
    Trouble(small("hour-back-sound", "h264", audio="pcma"), "timestamp_jump", {"by": -3_600}, may_tell=_REPAIRED),
    Trouble(small("new-sps-h264", "h264"), "new_sps", runs=3),
    Trouble(small("new-sps-h265", "h265"), "new_sps", runs=3),
    # Every keyframe brings its own sets, so pictures go on to be shown: no reason for another run.
    Trouble(small("new-pps-h264", "h264"), "new_pps"),
    Trouble(small("new-pps-h265", "h265"), "new_pps"),
    Trouble(small("new-size-h264", "h264", audio="aac"), "resolution", runs=3),
    Trouble(small("new-size-h265", "h265", sets_in="stream"), "resolution", runs=3),
    Trouble(small("rtcp-ends", "h264", audio="aac"), "drop_rtcp"),
)
EACH = pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.id)


@pytest.fixture(scope="module")
def cameras(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCameras]:
    with start_cameras([row.spec for row in TROUBLES], cache, tmp_path_factory.mktemp("cameras")) as running:
        yield running


@pytest.fixture(scope="module")
def recorded(
    cameras: RunningCameras, open_source: OpenSource, clock: SystemClock, tmp_path_factory: pytest.TempPathFactory
) -> CaptureBox:
    """All cameras, recorded together: well, in trouble, and well again."""
    box = CaptureBox(tmp_path_factory.mktemp("box") / "data", clock)
    box.set_secret("cameras", f"viewer:{PASSWORD}")
    for row in TROUBLES:
        box.set_camera(row.id, cameras.url(row.id), "cameras", transport=row.transport)
    with box.running(open_source, limits=QUICK):
        for row in TROUBLES:
            box.wait_for_segments(row.id, BEFORE, within_s=180.0)
        counts = {}
        for row in TROUBLES:
            counts[row.id] = len(box.segments(row.id))
            cameras.control.set_fault(row.id, row.fault, **row.settings)
        for row in TROUBLES:
            box.wait_for_segments(row.id, counts[row.id] + DURING, within_s=180.0)
        for row in TROUBLES:
            counts[row.id] = len(box.segments(row.id))
            cameras.control.set_fault(row.id, "none")
        for row in TROUBLES:
            box.wait_for_segments(row.id, counts[row.id] + AFTER, within_s=180.0)
    return box


@EACH
def test_only_what_was_hurt_is_hurt(recorded: CaptureBox, cameras: RunningCameras, trouble: Trouble) -> None:
    """Every frame whose packets all came is there, once and in order; those that were hurt are no more than that."""
    found = [frame for path in recorded.files(trouble.id) for frame in stamps_in(path)]
    lines = cameras.sent_frames(trouble.id)
    sent = [(line["lap"], line["frame"]) for line in lines]
    sent = sent[sent.index(found[0]) : sent.index(found[-1]) + 1]
    hurt = {(line["lap"], line["frame"]) for line in lines if line["lost"]}
    assert bool(hurt) == trouble.loses_packets
    missing = [frame for frame in sent if frame not in set(found)]
    assert len([frame for frame in missing if frame not in hurt]) <= trouble.hurt_max
    assert found == [frame for frame in sent if frame not in set(missing)]


@EACH
def test_the_record_has_no_hole(recorded: CaptureBox, trouble: Trouble) -> None:
    """All that was received is recorded, segments touch, and the only gap is from before the first picture."""
    runs = recorded.runs(trouble.id)
    assert len(runs) == trouble.runs
    assert all(run.frames_received == run.frames_recorded for run in runs)
    rows = recorded.segments(trouble.id)
    assert all(row.end_ns == following.start_ns for row, following in itertools.pairwise(rows))
    assert {gap.cause for gap in recorded.gaps(trouble.id)} <= {"starting"}
    assert recorded.coverage(trouble.id).is_whole


@EACH
def test_times_go_on(recorded: CaptureBox, cameras: RunningCameras, trouble: Trouble) -> None:
    """Recorded time is the time that passed while the frames were sent: no trouble makes it longer or shorter."""
    rows = recorded.segments(trouble.id)
    first = stamps_in(recorded.rows.file_path(rows[0]))[0]
    last = stamps_in(recorded.rows.file_path(rows[-1]))[0]
    sent = {(line["lap"], line["frame"]): line["wall_ns"] for line in cameras.sent_frames(trouble.id)}
    recorded_s = (rows[-1].start_ns - rows[0].start_ns) / NS_PER_S
    assert recorded_s == pytest.approx((sent[last] - sent[first]) / NS_PER_S, abs=0.5)


@EACH
def test_whole_frames_can_be_shown(recorded: CaptureBox, trouble: Trouble) -> None:
    """Every segment opens and plays to its end; where nothing was hurt, every frame shows its number."""
    for path in recorded.files(trouble.id)[:DECODED_MAX]:
        with av.open(str(path)) as container:
            frames = sum(bool(packet.size) for packet in container.demux(video=0))
        shown = decoded([path])
        if trouble.loses_packets or trouble.hurt_max:
            assert shown
            assert len(shown) <= frames
        else:
            assert shown == [frame for _lap, frame in stamps_in(path)]


@EACH
def test_sound_goes_on(recorded: CaptureBox, trouble: Trouble) -> None:
    """Each file of a camera with sound has as much of it as of the picture."""
    if trouble.spec.audio == "none":
        return
    for path in recorded.files(trouble.id)[1:-1]:
        with av.open(str(path)) as container:
            spans = {
                stream.type: float((stream.duration or 0) * (stream.time_base or 0)) for stream in container.streams
            }
        assert spans["audio"] == pytest.approx(spans["video"], abs=0.5)


@EACH
def test_what_is_told(recorded: CaptureBox, source_kind: SourceKind, trouble: Trouble) -> None:
    """The log warns of what was missed or repaired, and of nothing else."""
    warned = {
        record.event
        for record in recorded.log.records
        if record.fields.get("camera") == trouble.id and record.level in ("WARNING", "ERROR")
    }
    sees_more = source_kind.sees_loss_over_tcp and (trouble.loses_packets or trouble.skips_numbers)
    must = trouble.told | _MISSED if sees_more else trouble.told
    assert must <= warned <= must | trouble.may_tell


@pytest.mark.parametrize("trouble", [row for row in TROUBLES if row.loses_packets and row.told], ids=lambda row: row.id)
def test_loss_is_counted_not_repeated(recorded: CaptureBox, cameras: RunningCameras, trouble: Trouble) -> None:
    """The log tells how many packets were lost: at once, then once a minute and at the end, and none is forgotten."""
    told = [record.fields for record in recorded.log.named("network_packets_missed")]
    told = [fields for fields in told if fields["camera"] == trouble.id]
    run = recorded.runs(trouble.id)[0]
    sent = cameras.sent_frames(trouble.id)  # to the other kinds of sources, too, before and after this one
    began_ns, ended_ns = run.started_ns - NS_PER_S, (run.ended_ns or 0) + NS_PER_S
    lost = sum(line["lost"] for line in sent if began_ns < line["wall_ns"] < ended_ns)
    lasted_ns = (run.ended_ns or 0) - run.started_ns
    assert len(told) <= 2 + lasted_ns // (60 * NS_PER_S) < lost
    counted = int(str(told[-1]["in_all"]))
    assert sum(int(str(fields["packets"])) for fields in told) == counted <= lost
    is_one_session = len(recorded.runs(trouble.id)) == 1  # on a busy machine there may be another, which counts anew
    if is_one_session and not recorded.log.named("worker_left_behind"):  # with its last word unsaid
        assert counted >= lost - 2  # nothing tells of a loss after which nothing came


def test_catalogue_and_files_agree(recorded: CaptureBox) -> None:
    """The catalogue's own check finds nothing, hashes included."""
    assert check(recorded.data) == []

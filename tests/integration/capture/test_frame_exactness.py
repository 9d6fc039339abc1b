"""Every frame that a camera sent is in exactly one segment, across every cut."""

import itertools

import av
import pytest

from components.capture.libav_source import open_libav
from components.shared.catalogue.check import check
from components.shared.runtime.clock import SystemClock
from local.cameras import RunningCameras
from tests.fakes.capture_box import CaptureBox
from tests.fakes.recorded_frames import audio_packets, decoded, sent_between, stamped

pytestmark = pytest.mark.slow

CAMERAS = ("cam-1", "cam-2", "cam-3", "cam-4")
SEGMENTS = 5


@pytest.fixture(scope="module")
def recorded(cameras: RunningCameras, tmp_path_factory: pytest.TempPathFactory, clock: SystemClock) -> CaptureBox:
    """All four cameras, recorded for several segments."""
    box = CaptureBox(tmp_path_factory.mktemp("box") / "data", clock)
    box.set_secret("cameras", f"viewer:{cameras.specs['cam-1'].password}")
    for camera in CAMERAS:
        box.set_camera(camera, cameras.url(camera), "cameras")
    with box.running(open_libav(clock)):
        for camera in CAMERAS:
            box.wait_for_segments(camera, SEGMENTS)
    return box


@pytest.mark.parametrize("camera", CAMERAS)
def test_recorded_frames_are_those_sent(recorded: CaptureBox, cameras: RunningCameras, camera: str) -> None:
    """Between the first and the last recorded frame none that was sent is missing and none is there twice."""
    frames = stamped(recorded.files(camera))
    assert len(frames) >= SEGMENTS * 15
    assert frames == sent_between(cameras.sent_frames(camera), frames[0], frames[-1])


@pytest.mark.parametrize("camera", CAMERAS)
def test_segments_decode_by_themselves(recorded: CaptureBox, camera: str) -> None:
    """Each segment, decoded alone, shows every one of its frames, each with its own number."""
    files = recorded.files(camera)
    assert decoded(files) == [frame for _lap, frame in stamped(files)]


@pytest.mark.parametrize("camera", CAMERAS)
def test_counts_agree(recorded: CaptureBox, camera: str) -> None:
    """Frames received, recorded, in the rows and in the files are the same number."""
    frames = len(stamped(recorded.files(camera)))
    (run,) = recorded.runs(camera)
    assert (run.frames_received, run.frames_recorded) == (frames, frames)
    assert sum(row.frames for row in recorded.segments(camera)) == frames


@pytest.mark.parametrize("camera", CAMERAS)
def test_segments_touch(recorded: CaptureBox, camera: str) -> None:
    """Wall time and decode times run on from segment to segment, without a hole and without overlap."""
    rows = recorded.segments(camera)
    for row, following in itertools.pairwise(rows):
        assert row.end_ns == following.start_ns
        assert row.facts is not None
        assert following.facts is not None
        lasted = sum(gop.duration_ticks for gop in row.facts.gops)
        assert row.facts.start_ticks + lasted == following.facts.start_ticks
    assert rows[0].start_ns > recorded.runs(camera)[0].started_ns - 1
    assert recorded.coverage(camera).is_whole


@pytest.mark.parametrize("camera", CAMERAS)
def test_walls_are_those_of_sending(recorded: CaptureBox, cameras: RunningCameras, camera: str) -> None:
    """The wall time of a recorded frame is when the camera made it, to a few frames."""
    row = recorded.segments(camera)[2]
    first = stamped([recorded.rows.file_path(row)])[0]
    sent = next(line for line in cameras.sent_frames(camera) if (line["lap"], line["frame"]) == first)
    assert abs(row.start_ns - sent["wall_ns"]) < 300_000_000


def test_catalogue_and_files_agree(recorded: CaptureBox) -> None:
    """The catalogue's own check finds nothing, hashes included."""
    assert check(recorded.data) == []


@pytest.mark.parametrize(("camera", "rate", "samples"), [("cam-1", 16_000, 1024), ("cam-3", 8_000, 1024)])
def test_audio_runs_on(recorded: CaptureBox, camera: str, rate: int, samples: int) -> None:
    """AAC is copied and G.711 becomes AAC, without a hole over all cuts, as long as the video."""
    files = recorded.files(camera)
    with av.open(str(files[0])) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        assert container.streams.audio[0].codec_context.sample_rate == rate
    packets = audio_packets(files)
    steps = [following[0] - packet[0] for packet, following in itertools.pairwise(packets)]
    assert all(abs(step - samples) <= 2 for step in steps), steps
    video_s = sum(row.end_ns - row.start_ns for row in recorded.segments(camera) if row.end_ns) / 1e9
    assert len(packets) * samples / rate == pytest.approx(video_s, abs=0.5)


def test_sound_stays_with_its_pictures(recorded: CaptureBox) -> None:
    """In every segment but the last, which a stop may cut short, both begin and end together, to 250 ms."""
    for path in recorded.files("cam-1")[:-1]:
        with av.open(str(path)) as container:
            spans: dict[str, tuple[float, float]] = {}
            for packet in container.demux():
                if packet.size and packet.dts is not None:
                    start_s = float(packet.dts * packet.time_base)
                    first_s, _last_s = spans.get(packet.stream.type, (start_s, start_s))
                    spans[packet.stream.type] = (first_s, start_s)
            assert spans["audio"][0] == pytest.approx(spans["video"][0], abs=0.25)
            assert spans["audio"][1] == pytest.approx(spans["video"][1], abs=0.25)


def test_unknown_audio_is_told(recorded: CaptureBox) -> None:
    """Audio that cannot be stored is left out with its reason, and the video is recorded all the same."""
    (record,) = recorded.log.named("audio_dropped")
    assert record.fields["camera"] == "cam-4"
    assert "g726" in str(record.fields["reason"])
    with av.open(str(recorded.files("cam-4")[0])) as container:
        assert not container.streams.audio


def test_password_is_nowhere(recorded: CaptureBox, cameras: RunningCameras) -> None:
    """The camera's password is in no log record, no catalogue, no recorded file."""
    password = cameras.specs["cam-1"].password
    assert password not in recorded.log.text()
    for path in recorded.data.rglob("*"):
        if path.is_file() and path.parent.name != "secrets":
            assert password.encode() not in path.read_bytes(), path

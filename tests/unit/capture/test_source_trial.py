"""A trial passes with the first keyframe that decodes, and tells what is wrong with everything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.capture.camera_plan import Source
from components.capture.core.trial import Failure, Verdict
from components.capture.packet_source import PacketSource, SourceRequest
from components.capture.picture_check import is_whole
from components.capture.source_trial import KEYFRAME_NS_MAX, OPENING_NS_MAX, TrialThread, TrialTools
from components.shared.runtime.secrets import Secret, write_secret
from tests.fakes.clock import FakeClock
from tests.fakes.packet_source import FakeCamera, open_fake
from tests.fakes.waiting import eventually

WITHIN_S = 60.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def camera(clock: FakeClock) -> FakeCamera:
    return FakeCamera("cam-1", clock, login="viewer:right", read_s=WITHIN_S)


def begin(data: Path, camera: FakeCamera, secret: str = "viewer:right") -> TrialThread:
    write_secret(data, "cameras", Secret(secret))
    tools = TrialTools(data, open_fake(camera), is_whole, camera.clock)
    return TrialThread("cam-1", Source("rtsp://camera/cam-1", "cameras", "tcp", "own"), tools)


def verdict_of(trial: TrialThread) -> Verdict:
    eventually(lambda: trial.look() is not None, WITHIN_S)
    verdict = trial.look()
    assert verdict is not None
    return verdict


def play_nothing_that_decodes(camera: FakeCamera) -> None:
    """Pictures without a keyframe, and a keyframe that is none."""
    eventually(lambda: camera.watchers, WITHIN_S)
    camera.play(is_keyframe=False)
    camera.play(payload=b"\x00\x00\x00\x05\x65garb", is_keyframe=True)
    camera.played = 0


def test_a_keyframe_that_decodes_passes(tmp_path: Path, camera: FakeCamera) -> None:
    """Whatever came before it; the camera is let go of at once."""
    trial = begin(tmp_path, camera)
    play_nothing_that_decodes(camera)
    camera.play(len(camera.stream))
    camera.break_off()
    assert verdict_of(trial).failure is None
    eventually(lambda: not camera.watchers, WITHIN_S)


def test_what_does_not_decode_does_not_pass(tmp_path: Path, camera: FakeCamera) -> None:
    """The trial goes on until the camera hangs up."""
    trial = begin(tmp_path, camera)
    play_nothing_that_decodes(camera)
    camera.break_off()
    assert verdict_of(trial).failure == "unreachable"


def test_without_a_keyframe_it_has_failed_at_the_limit(tmp_path: Path, camera: FakeCamera, clock: FakeClock) -> None:
    """Counted from the moment at which it was open, and not a moment before."""
    trial = begin(tmp_path, camera)
    eventually(lambda: trial.is_open, WITHIN_S)
    camera.play(3, is_keyframe=False)
    clock.advance(KEYFRAME_NS_MAX - 1)
    assert trial.look() is None
    clock.advance(1)
    verdict = trial.look()
    assert verdict is not None
    assert (verdict.failure, "no keyframe that decodes within 30 s" in verdict.detail) == ("no_video", True)
    trial.end()
    eventually(lambda: not camera.watchers, WITHIN_S)


def test_what_never_opens_is_unreachable(tmp_path: Path, camera: FakeCamera, clock: FakeClock) -> None:
    """A name that is looked up for ever holds up nothing."""

    def hang(request: SourceRequest) -> PacketSource:
        eventually(lambda: clock.monotonic_ns() > 10**15, WITHIN_S)
        return camera.open(request)

    trial = TrialThread(
        "cam-1", Source("rtsp://camera/cam-1", None, "tcp", "own"), TrialTools(tmp_path, hang, is_whole, clock)
    )
    clock.advance(OPENING_NS_MAX - 1)
    assert trial.look() is None
    clock.advance(1)
    verdict = trial.look()
    assert verdict is not None
    assert verdict.failure == "unreachable"
    clock.advance(10**15)


@pytest.mark.parametrize(
    ("wrong", "failure"),
    [
        ({"is_there": False}, "unreachable"),
        ({"has_video": False}, "no_video"),
        ({"login": "viewer:other"}, "authentication"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, camera: FakeCamera, wrong: dict[str, object], failure: Failure) -> None:
    """The way there, the picture, the login; the sentence names the camera and holds no password."""
    for name, value in wrong.items():
        setattr(camera, name, value)
    verdict = verdict_of(begin(tmp_path, camera))
    assert verdict.failure == failure
    assert "camera cam-1" in verdict.detail
    assert "right" not in verdict.detail


def test_a_stream_that_ends_early_has_failed(tmp_path: Path, camera: FakeCamera) -> None:
    """Whether it ends in good order or breaks off."""
    for end, failure in ((camera.end, "no_video"), (camera.break_off, "unreachable")):
        trial = begin(tmp_path, camera)
        eventually(lambda: camera.watchers, WITHIN_S)
        end()
        assert verdict_of(trial).failure == failure
        eventually(lambda: not camera.watchers, WITHIN_S)

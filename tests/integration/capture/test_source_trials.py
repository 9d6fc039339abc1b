"""A camera's new source is tried beside the one that is recorded, in the product's processes, on stand-in cameras."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from components.shared.catalogue.check import check
from components.shared.runtime.clock import SystemClock
from components.shared.wire.messages import ConfigApplied, ConfigState
from components.shared.wire.units import NS_PER_S
from local.cameras import RunningCameras, start_cameras
from tests.fakes.capture_box import CaptureBox
from tests.fakes.recorded_frames import sent_between, stamped
from tests.integration.capture.conftest import PASSWORD, small

pytestmark = pytest.mark.slow

WITHIN_S = 60.0
NOBODY = "rtsp://127.0.0.1:1/main"
SWITCH_NS_MAX = 20 * NS_PER_S
"""A second or two on a machine that does nothing else."""


@pytest.fixture(scope="module")
def pair(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCameras]:
    """The camera that is recorded, another good one, and one without a picture."""
    specs = [small("old"), small("new"), replace(small("deaf", audio="aac"), sound_only=True)]
    with start_cameras(specs, cache, tmp_path_factory.mktemp("pair")) as running:
        yield running


@pytest.fixture
def box(tmp_path: Path, clock: SystemClock) -> CaptureBox:
    box = CaptureBox(tmp_path / "data", clock)
    box.set_secret("cameras", f"viewer:{PASSWORD}")
    box.set_secret("wrong", "viewer:not-the-p4ssword")
    return box


def newest_answer(box: CaptureBox) -> tuple[ConfigState, str]:
    """What Capture said last of the camera's document."""
    bodies = [message.body for message in box.broker.published if isinstance(message.body, ConfigApplied)]
    last = [body for body in bodies if body.document == "camera-cam-1"][-1:]
    return (last[0].state, last[0].error or "") if last else ("pending", "nothing was said")


def wait_answer(box: CaptureBox, state: ConfigState, text: str = "") -> None:
    def holds() -> bool:
        said, error = newest_answer(box)
        return said == state and text in error

    box.wait_for(f"{state} ({text})", holds, WITHIN_S)


def wait_recording(box: CaptureBox) -> None:
    box.wait_for_state("cam-1", "recording", within_s=WITHIN_S)


def wait_proven(box: CaptureBox, url: str) -> None:
    """Wait until Capture has noted, a second or two after the first picture, where pictures come from."""
    wait_recording(box)
    noted = box.data / "capture" / "sources.json"
    box.wait_for(f"{url} is proven", lambda: noted.exists() and url in noted.read_text(), WITHIN_S)


def test_bad_sources_cost_no_picture(box: CaptureBox, pair: RunningCameras) -> None:
    """An address where nobody is, a wrong path, a wrong password, a camera without a picture: each is refused with
    its reason, and every picture of the camera is recorded meanwhile, over one connection.
    """
    box.set_camera("cam-1", pair.url("old"), "cameras")
    bad = [
        (NOBODY, "cameras", "(unreachable)"),
        (pair.url("old") + "-no-such-path", "cameras", "(unreachable)"),
        (pair.url("old"), "wrong", "(authentication)"),
        (pair.url("old"), "absent", "secret absent is not there"),
        (pair.url("deaf"), "cameras", "(no_video)"),
    ]
    with box.running_crews():
        wait_proven(box, pair.url("old"))
        for url, secret, reason in bad:
            box.set_camera("cam-1", url, secret)
            wait_answer(box, "refused", reason)
            box.wait_for_segments("cam-1", len(box.segments("cam-1")) + 1, WITHIN_S)
        box.set_camera("cam-1", pair.url("old"), "cameras")
        wait_answer(box, "in_force")
    (run,) = box.runs("cam-1")
    assert run.frames_received == run.frames_recorded
    frames = stamped(box.files("cam-1"))
    (session,) = {line["session"] for line in pair.sent_frames("old")}
    assert frames == sent_between(pair.sent_frames("old", session), frames[0], frames[-1])
    assert [gap.cause for gap in box.gaps("cam-1") if gap.end_ns is not None] == ["starting"]
    assert "not-the-p4ssword" not in box.log.text()
    assert check(box.data) == []


def test_good_source_is_followed(box: CaptureBox, pair: RunningCameras) -> None:
    """A source that shows a picture is recorded as soon as it has; the record is whole over the change."""
    box.set_camera("cam-1", pair.url("old"), "cameras")
    with box.running_crews():
        wait_proven(box, pair.url("old"))
        box.set_camera("cam-1", pair.url("new"), "cameras")
        box.wait_for("a second run", lambda: len(box.runs("cam-1")) == 2, WITHIN_S)
        wait_recording(box)
        wait_answer(box, "in_force")
        box.wait_for_segments("cam-1", len(box.segments("cam-1")) + 1, WITHIN_S)
    assert box.log.named("source_trial_passed")
    first, second = box.runs("cam-1")
    assert second.started_ns - (first.ended_ns or 0) < SWITCH_NS_MAX
    assert box.coverage("cam-1").is_whole


def test_over_a_restart(box: CaptureBox, pair: RunningCameras) -> None:
    """A box that starts with a bad source in force records from the one before, and follows once it is put right."""
    box.set_camera("cam-1", pair.url("old"), "cameras")
    with box.running_crews():
        wait_proven(box, pair.url("old"))
    box.set_camera("cam-1", NOBODY, "cameras")
    with box.running_crews():
        wait_recording(box)
        wait_answer(box, "refused", "(unreachable)")
        box.set_camera("cam-1", pair.url("new"), "cameras")
        box.wait_for("the new source", lambda: len(box.runs("cam-1")) == 3, WITHIN_S)
    assert not [gap for gap in box.gaps("cam-1") if gap.cause == "unreachable"]


def test_a_dead_source_is_left_at_once(box: CaptureBox, pair: RunningCameras) -> None:
    """A camera that is gone is recorded from its new source as soon as that shows a picture."""
    box.set_camera("cam-1", pair.url("old"), "cameras")
    try:
        with box.running_crews():
            wait_proven(box, pair.url("old"))
            pair.control.set_fault("old", "refuse", drop=True)
            box.wait_for_state("cam-1", "connecting", within_s=WITHIN_S)
            box.set_camera("cam-1", pair.url("new"), "cameras")
            wait_recording(box)
    finally:
        pair.control.set_fault("old", "none")


def test_without_a_trial(box: CaptureBox, pair: RunningCameras) -> None:
    """A document that wants no trial is followed at once, wherever it leads."""
    box.set_camera("cam-1", pair.url("old"), "cameras")
    with box.running_crews():
        wait_proven(box, pair.url("old"))
        box.set_camera("cam-1", NOBODY, "cameras", trial=False)
        box.wait_for_state("cam-1", "connecting", "unreachable", within_s=WITHIN_S)
        assert newest_answer(box)[0] == "in_force"
    assert not box.log.named("source_trial_began")

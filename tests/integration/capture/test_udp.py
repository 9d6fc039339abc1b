"""Cameras over UDP: recorded like others; packets lost on the way are told."""

import av
import pytest

from components.capture.libav_source import open_libav
from components.shared.catalogue.check import check
from components.shared.runtime.clock import SystemClock
from tests.fakes.capture_box import CaptureBox
from tests.fakes.udp_camera import udp_camera

pytestmark = pytest.mark.slow


def test_recorded_over_udp(box: CaptureBox, clock: SystemClock) -> None:
    """A camera over UDP, whose parameter sets come in the stream alone, is recorded to the last picture."""
    with udp_camera() as camera:
        box.set_camera("cam-1", camera.url, transport="udp")
        with box.running(open_libav(clock)):
            box.wait_for_segments("cam-1", 3)
    (run,) = box.runs("cam-1")
    assert (run.width, run.height) == (320, 240)
    assert run.frames_received == run.frames_recorded
    shown = 0
    for path in box.files("cam-1"):
        with av.open(str(path)) as container:
            shown += len(list(container.decode(video=0)))
    assert shown == run.frames_recorded >= 3 * 15
    assert not box.log.named("network_packets_missed")
    assert check(box.data) == []


def test_loss_is_told(box: CaptureBox, clock: SystemClock) -> None:
    """Packets that the network loses are counted and told; recording goes on."""
    with udp_camera() as camera:
        camera.loses_every = 9
        box.set_camera("cam-1", camera.url, transport="udp")
        with box.running(open_libav(clock)):
            box.wait_for_segments("cam-1", 2)
            box.wait_for("the loss is told", lambda: box.log.named("network_packets_missed"))
    assert box.log.named("network_packets_missed")[-1].fields["in_all"]
    assert box.coverage("cam-1").is_whole

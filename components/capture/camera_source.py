"""Opens a camera by the reader that its document names: our own client, or libav for a camera that needs it."""

from __future__ import annotations

from components.capture.libav_source import open_libav
from components.capture.packet_source import OpenSource, PacketSource, SourceRequest
from components.capture.rtsp_source import open_rtsp
from components.shared.runtime.clock import Clock


def open_camera(clock: Clock) -> OpenSource:
    """What opens cameras over RTSP."""
    readers = {"own": open_rtsp(clock), "libav": open_libav(clock)}

    def open_source(request: SourceRequest) -> PacketSource:
        return readers[request.reader](request)

    return open_source

"""Serves MP4 clips over RTSP by gst-rtsp-server: /usr/bin/python3 gst_server.py CLIP...

The clip `name.h264.aac.mp4` is at `/name.h264.aac.mp4`; the parts of its name say which payloaders it takes. It runs in
Debian's own Python, where GStreamer's bindings are, so it imports nothing else. The first line of its output is the
port. It ends with the process that started it.
"""

import os
import sys
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")

from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402  # the versions must be chosen before

_LOOK_S = 1
_PAYLOADERS = {
    # config-interval=-1: parameter sets before every keyframe, as cameras send them.
    "h264": "h264parse config-interval=-1 ! rtph264pay name=pay{number} pt=96",
    "h265": "h265parse config-interval=-1 ! rtph265pay name=pay{number} pt=96",
    "aac": "aacparse ! rtpmp4gpay name=pay{number} pt=97",
}


def launch_line(clip: Path) -> str:
    """The pipeline that serves a clip: a payloader for each part of its name that is a codec."""
    kinds = [part for part in clip.name.split(".") if part in _PAYLOADERS]
    branches = [f"d. ! queue ! {_PAYLOADERS[kind].format(number=number)}" for number, kind in enumerate(kinds)]
    return f"( filesrc location={clip} ! qtdemux name=d {' '.join(branches)} )"


def main(clips: list[str]) -> None:
    """Serve until the parent is gone."""
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    for clip in map(Path, clips):
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(launch_line(clip))
        server.get_mount_points().add_factory(f"/{clip.name}", factory)
    server.attach(None)
    sys.stdout.write(f"{server.get_bound_port()}\n")
    sys.stdout.flush()
    loop = GLib.MainLoop()
    parent = os.getppid()

    def look() -> bool:
        if os.getppid() != parent:
            loop.quit()
        return True

    GLib.timeout_add_seconds(_LOOK_S, look)
    loop.run()


if __name__ == "__main__":
    main(sys.argv[1:])

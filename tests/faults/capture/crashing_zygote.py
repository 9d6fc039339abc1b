"""A zygote whose crews crash while they read cameras, as libav might, where a file says so.

The file holds a line per camera: its name, a space, and `open` or `picture`, which is when its process crashes, or
`error`, when its source raises what only a fault in the program raises.
"""

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from components.capture.core.packets import EncodedPacket, StreamParameters  # noqa: E402 - the path must be set before
from components.capture.crew_inside import CrewSources  # noqa: E402
from components.capture.packet_source import OpenSource, PacketSource, SourceRequest  # noqa: E402
from components.capture.zygote import camera_sources, main  # noqa: E402


class CrashingSource:
    """A source that reads an address which is none."""

    def __init__(self, inner: PacketSource, camera: str, faults: Path) -> None:
        self._inner = inner
        self._camera = camera
        self._faults = faults

    @property
    def parameters(self) -> StreamParameters:
        """See PacketSource."""
        return self._inner.parameters

    @property
    def packets_missed(self) -> int:
        """See PacketSource."""
        return self._inner.packets_missed

    def packets(self) -> Iterator[EncodedPacket]:
        """See PacketSource."""
        for packet in self._inner.packets():
            crash_if(self._camera, "picture", self._faults)
            if is_said(self._camera, "error", self._faults):
                raise LookupError("this is no error of ours")
            yield packet

    def interrupt(self) -> None:
        """See PacketSource."""
        self._inner.interrupt()

    def close(self) -> None:
        """See PacketSource."""
        self._inner.close()


def crash_if(camera: str, moment: str, faults: Path) -> None:
    """Crash when the file says that this camera crashes then."""
    if is_said(camera, moment, faults):
        ctypes.string_at(0)


def is_said(camera: str, fault: str, faults: Path) -> bool:
    """Whether the file says so."""
    return f"{camera} {fault}" in faults.read_text().splitlines()


def crashing(open_inner: OpenSource, faults: Path) -> OpenSource:
    """Opens sources that crash."""

    def open_source(request: SourceRequest) -> PacketSource:
        crash_if(request.camera, "open", faults)
        return CrashingSource(open_inner(request), request.camera, faults)

    return open_source


def sources(faults: Path) -> CrewSources:
    """Those of the product, and their faults."""
    real = camera_sources()
    return CrewSources(crashing(real.open_source, faults), real.is_whole)


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:], lambda: sources(Path(sys.argv[1]))))

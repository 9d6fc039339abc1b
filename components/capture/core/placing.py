"""Which crew records a camera.

Cameras share a process to save memory, and not too many of them, because they crash together. A camera is never moved
for tidiness: moving costs footage. So crews that have become small are filled by the cameras that come next.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from components.capture.core.suspicion import Standing

CAMERAS_PER_CREW = 8
"""See docs/decisions/0008: a crew costs 6 to 11 MB beside its cameras, a crash costs each of them a second."""


def choose_crew(
    camera: str, crews: Mapping[str, Collection[str]], standing: Callable[[str], Standing], size_max: int
) -> str | None:
    """The fullest crew that has room for the camera, by name; None when it needs a new one.

    `crews` are the cameras of each. A camera shares with those of its own standing, a suspect with nobody.
    """
    mine = standing(camera)
    if mine == "suspect":
        return None
    open_crews = [
        name
        for name, cameras in crews.items()
        if len(cameras) < size_max and all(standing(other) == mine for other in cameras)
    ]
    return max(open_crews, key=lambda name: len(crews[name]), default=None)

"""Which crew records a camera.

Cameras share a process to save memory, and not too many of them, because they crash together. A camera is never moved
for tidiness: moving costs footage. So crews that have become small are filled by the cameras that come next.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

CAMERAS_PER_CREW = 8
"""See docs/decisions/0008: a crew costs a few megabytes, a crash costs its cameras a second."""


def choose_crew(
    camera: str, crews: Mapping[str, Collection[str]], is_suspect: Callable[[str], bool], size_max: int
) -> str | None:
    """The fullest crew that has room, by name; None when the camera needs a new one.

    `crews` are the cameras of each. Suspects are recorded alone.
    """
    if is_suspect(camera):
        return None
    open_crews = [
        name
        for name, cameras in crews.items()
        if len(cameras) < size_max and not any(is_suspect(other) for other in cameras)
    ]
    return max(open_crews, key=lambda name: len(crews[name]), default=None)

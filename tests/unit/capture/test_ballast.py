"""The ballast is there while there is room, and thrown away when the disk has less than it."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.capture.ballast import BALLAST_BYTES, Ballast
from tests.fakes.log import RecordingLog

ENOUGH = 100 * BALLAST_BYTES


@pytest.mark.parametrize(
    ("was_there", "free_bytes", "is_there"),
    [
        (False, ENOUGH + BALLAST_BYTES, True),
        (False, ENOUGH + BALLAST_BYTES - 1, False),
        (True, BALLAST_BYTES, True),
        (True, BALLAST_BYTES - 1, False),
        (False, 0, False),
    ],
)
def test_made_and_thrown_away(tmp_path: Path, was_there: bool, free_bytes: int, is_there: bool) -> None:
    """It is made with room to spare, kept at its own size, and thrown away below that, which is told."""
    log = RecordingLog()
    ballast = Ballast(tmp_path, log)
    ballast.folder.mkdir()
    path = ballast.folder / "ballast"
    if was_there:
        ballast.look(10 * ENOUGH, ENOUGH)
    for _ in range(2):
        ballast.look(free_bytes, ENOUGH)
    assert path.exists() == is_there
    if is_there:
        assert path.stat().st_blocks * 512 >= BALLAST_BYTES, "it takes its room from the disk"
    assert bool(log.named("ballast_thrown")) == (was_there and not is_there)

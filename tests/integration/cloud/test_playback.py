"""Playlists over real files are played by players that are not ours: libav's and the ffmpeg program, over HTTP."""

from __future__ import annotations

import itertools
import shutil
import subprocess

import av
import pytest

from cloud.playlist import playlist
from components.shared.wire.units import NS_PER_S, Span, WallNs
from tests.fakes.range_server import range_server
from tests.fakes.stored_files import START_NS, Stored, recorded

FPS = 10


def seconds(start_s: int, end_s: int) -> Span:
    return Span(WallNs(START_NS + start_s * NS_PER_S), WallNs(START_NS + end_s * NS_PER_S))


def played(files: list[Stored], span: Span) -> tuple[list[float], list[tuple[str, str | None]]]:
    """The time of each picture that libav shows, and what it asked for."""
    contents = {f"/{one.key}": one.data for one in files}
    contents["/span.m3u8"] = playlist([one.file for one in files], span).encode()
    with range_server(contents) as server, av.open(f"{server.url}/span.m3u8") as container:
        shown = [frame.time or 0.0 for frame in container.decode(video=0)]
        return shown, list(server.asked)


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("sound", [False, True])
def test_files_of_a_run_play_through(codec: str, sound: bool) -> None:
    """Every picture of three files is shown once, a tenth of a second after the one before, and nothing but the ranges
    of the index is asked for.
    """
    files = [recorded(at_s, codec=codec, sound=sound) for at_s in (0, 6, 12)]
    shown, asked = played(files, seconds(0, 18))
    assert len(shown) == 18 * FPS
    assert {round(later - earlier, 3) for earlier, later in itertools.pairwise(shown)} == {0.1}
    media = [wanted for path, wanted in asked if path != "/span.m3u8"]
    assert all(wanted is not None for wanted in media)
    wanted_ranges = {
        f"bytes={offset}-{offset + size - 1}"
        for one in files
        for offset, size in [(0, one.facts.init_bytes), *((gop.offset_bytes, gop.size_bytes) for gop in one.facts.gops)]
    }
    assert set(media) == wanted_ranges


@pytest.mark.slow
def test_a_span_in_the_middle_begins_with_its_keyframe() -> None:
    """Of a span within two files only the GOPs that it touches are played."""
    shown, _ = played([recorded(0), recorded(6)], seconds(3, 9))
    assert len(shown) == 8 * FPS  # 2 s to 10 s


@pytest.mark.slow
def test_two_runs_play_one_after_the_other() -> None:
    """A run that begins later, whose decode times begin anew, follows the one before.

    libav (8.1) does not know discontinuities: its MP4 demuxer loses the fragment with which times go back, here of a
    second. That browsers lose nothing is shown in `test_page`.
    """
    shown, asked = played([recorded(0), recorded(60, run="run-2", run_at_s=60)], seconds(0, 100))
    assert len(shown) == (12 - 1) * FPS
    assert len({path for path, _ in asked}) == 3


@pytest.mark.slow
@pytest.mark.debian
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs the Debian package ffmpeg")
def test_the_ffmpeg_program_plays_it() -> None:
    """The ffmpeg program finds no fault in a playlist of two runs, one of them with a hole."""
    files = [recorded(0), recorded(12), recorded(60, run="run-2", run_at_s=60)]
    contents = {f"/{one.key}": one.data for one in files}
    contents["/span.m3u8"] = playlist([one.file for one in files], seconds(0, 100)).encode()
    with range_server(contents) as server:
        done = subprocess.run(
            ["ffmpeg", "-v", "error", "-i", f"{server.url}/span.m3u8", "-f", "framemd5", "-"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    # It asks for what is told to be missing all the same, and goes on when it gets nothing.
    assert all("gap.mp4" in line or "404" in line or "DTS" in line for line in done.stderr.splitlines()), done.stderr
    frames = [line for line in done.stdout.splitlines() if line and not line.startswith("#")]
    assert (done.returncode, len(frames)) == (0, (18 - 1) * FPS)  # see above

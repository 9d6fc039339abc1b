"""What the doctor says of a camera whose footage comes as files."""

from __future__ import annotations

from pathlib import Path

from cli.doctor_camera import examine_camera
from cli.doctor_folder import FILES_MAX
from components.shared.errors import NvrError
from components.shared.wire.site_config import SourceSection

NAME = "2026-11-21/001/dav/10/10.00.00-10.05.00[M][0@0][0].mp4"


def examine(folder: Path) -> str:
    """The doctor's words, those of a refusal included."""
    try:
        return examine_camera(folder, "drive", SourceSection(url=f"folder://{folder}"))
    except NvrError as error:
        return str(error)


def put(folder: Path, *names: str) -> None:
    """Empty files of these names."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """It says what to look at."""
    assert "is its disk mounted" in examine(tmp_path / "missing")


def test_names_that_are_understood(tmp_path: Path) -> None:
    """Counted, without indexes and unfinished files; an empty folder is none to complain about."""
    assert examine(tmp_path) == "0 of 0 files have a name that is understood"
    put(tmp_path, NAME, "holiday.mp4", NAME.replace(".mp4", ".idx"), NAME + "_")
    assert examine(tmp_path) == "1 of 2 files have a name that is understood"


def test_names_of_another_kind(tmp_path: Path) -> None:
    """One of them is shown, whatever it is."""
    put(tmp_path, "\udcffholiday.mp4")
    assert "'\\\\xffholiday.mp4'" in examine(tmp_path)


def test_a_large_folder_is_looked_at_in_part(tmp_path: Path) -> None:
    """The answer comes soon."""
    put(tmp_path, *(f"NVR_ch1_main_20261121{number:06d}_20261121235959.mp4" for number in range(FILES_MAX + 5)))
    assert f"of the first {FILES_MAX} files" in examine(tmp_path)

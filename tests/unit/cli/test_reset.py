"""A reset removes a site and nothing else, and never without being sure."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.reset import OF_A_SITE, forget
from cli.site_lock import holding
from components.shared.errors import Rejected
from local.site import Layout
from tests.unit.cli.conftest import Nvr

ROOT = Path(__file__).parents[3]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data root with something in each of its folders."""
    data = tmp_path / "data"
    for name in OF_A_SITE:
        (data / name).mkdir(parents=True)
        (data / name / "file").write_text(name)
    (data / "local" / "scenes").mkdir()
    (data / "local" / "scenes" / "scene").write_text("took minutes")
    return data


def names(folder: Path) -> set[str]:
    """Every path below a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_everything_goes_but_the_scenes(nvr: Nvr, data: Path) -> None:
    """With --yes the whole data root goes; the encoded scenes stay, and a second reset is as good."""
    assert nvr("reset", "--yes", "--data", data).code == 0
    assert names(data) == {"local", "local/lock", "local/scenes", "local/scenes/scene"}
    assert nvr("reset", "--yes", "--data", data).code == 0


def test_link_is_removed_not_followed(data: Path, tmp_path: Path) -> None:
    """A volume elsewhere that a link leads to stays as it is."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "footage").write_text("kept")
    (data / "media" / "disk").symlink_to(elsewhere)
    (data / "local" / "core").symlink_to(elsewhere)
    forget(Layout(data))
    assert names(elsewhere) == {"footage"}


def test_nobody_asked_nothing_removed(nvr: Nvr, data: Path) -> None:
    """Without a terminal to ask at, and without --yes, nothing is removed."""
    before = names(data)
    told = nvr("reset", "--data", data)
    assert told.code == 2
    assert "--yes" in told.error
    assert names(data) == before


def test_running_site_stays(nvr: Nvr, data: Path) -> None:
    """A site that runs is not removed under its own feet."""
    status = Layout(data).core_status
    status.parent.mkdir()
    status.write_text(json.dumps({"pid": os.getpid()}))
    before = names(data)
    told = nvr("reset", "--yes", "--data", data)
    assert told.code == 2
    assert "is running: stop it first" in told.error
    assert names(data) == before


def test_nothing_there_is_done_already(nvr: Nvr, tmp_path: Path) -> None:
    """A data root that does not exist is forgotten."""
    told = nvr("reset", "--yes", "--data", tmp_path / "none")
    assert (told.code, told.error) == (0, "")


def _letter(data: Path) -> None:
    (data / "letter.txt").write_text("dear")


def _own_folder(data: Path) -> None:
    (data / "photos").mkdir()


def _usual_names_alone(data: Path) -> None:
    forget(Layout(data))
    (data / "local" / "scenes" / "scene").unlink()
    (data / "local" / "scenes").rmdir()
    (data / "local").rmdir()
    for name in ("media", "logs"):
        (data / name).mkdir()


@pytest.mark.parametrize("harm", [_letter, _own_folder, _usual_names_alone])
def test_folder_that_is_not_a_site_alone_stays(nvr: Nvr, data: Path, harm: Callable[[Path], None]) -> None:
    """Whatever is not of a site in the folder keeps everything in it, for `reset` and for `up --fresh`."""
    harm(data)
    before = names(data)
    told = nvr("reset", "--yes", "--data", data)
    assert told.code == 2
    assert "nothing was removed" in told.error
    with pytest.raises(Rejected, match="nothing was removed"):
        forget(Layout(data))
    assert names(data) == before


def test_project_itself_is_no_site() -> None:
    """The project's own folder has a `local` too: it is refused."""
    with pytest.raises(Rejected, match="which is not of a site"):
        forget(Layout(ROOT))


def test_file_is_no_site(nvr: Nvr, tmp_path: Path) -> None:
    """A file in place of a data root is told as that."""
    _letter(tmp_path)
    told = nvr("reset", "--yes", "--data", tmp_path / "letter.txt")
    assert told.code == 2
    assert "is not a folder" in told.error


def test_site_of_secrets_alone(data: Path, tmp_path: Path) -> None:
    """What `./nvr secret set` makes before the first start can be forgotten too."""
    fresh = tmp_path / "fresh"
    (fresh / "secrets").mkdir(parents=True)
    (fresh / "secrets" / "yard").write_text("a:b")
    forget(Layout(fresh))
    assert names(fresh) == set()


def test_site_that_is_starting_stays(nvr: Nvr, data: Path) -> None:
    """While another command has the site, from its first step on, it is neither removed nor started again."""
    with holding(Layout(data)):
        before = names(data)
        for command in (("reset", "--yes"), ("up",)):
            told = nvr(*command, "--data", data)
            assert told.code == 2
            assert "starting or running" in told.error
        assert names(data) == before

"""What the catalogue commands do and say."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.shared.catalogue.volumes import MARKER, absence, identify_volumes
from tests.unit.cli.conftest import Nvr
from tests.unit.cli.footage import Footage

pytestmark = pytest.mark.slow


def test_rebuild(nvr: Nvr, footage: Footage, tmp_path: Path) -> None:
    """A lost catalogue is made again, by several processes; the answer counts what was found and says what is aside."""
    rows = [footage.record(0, 10), footage.record(30, 10)]
    data = tmp_path / "data"
    footage.archive.close()
    told = nvr("catalogue", "rebuild", "--json", "--data", data)
    assert told.code == 0
    answer = told.json
    assert (answer["segments"], answer["streams"], answer["gaps"], answer["repairs"]) == (2, 1, 1, [])
    assert answer["size_bytes"] == sum(footage.path(row).stat().st_size for row in rows)
    assert Path(answer["set_aside"]).exists()
    assert [span["state"] for span in nvr("segments", "--json", "--data", data).json] == ["closed", "unknown", "closed"]
    text = nvr("catalogue", "rebuild", "--data", data).out
    assert "2 segments" in text and "1 gaps, from main" in text and "damaged-2.db" in text


def test_rebuild_refuses_while_capture_writes(nvr: Nvr, footage: Footage, tmp_path: Path) -> None:
    """Exit code 2 and the process that writes, nothing is changed."""
    footage.record(0, 10)
    told = nvr("catalogue", "rebuild", "--data", tmp_path / "data")
    assert told.code == 2 and "already has a writer" in told.error
    assert len(nvr("segments", "--json", "--data", tmp_path / "data").json) == 1


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (("--volume", "main"), "NAME=DIR"),
        (("--volume", "main="), "NAME=DIR"),
        (("--volume", "main=a", "--volume", "main=b"), "twice"),
        (("--volume", "Disk 1=/nowhere"), "Disk 1"),
        (("--volume", "main=/nowhere"), "no folder /nowhere"),
    ],
)
def test_rebuild_says_what_is_wrong(
    nvr: Nvr, footage: Footage, tmp_path: Path, options: tuple[str, ...], fault: str
) -> None:
    """A volume that is named wrongly, or is not there, is named in the refusal."""
    footage.archive.close()
    told = nvr("catalogue", "rebuild", *options, "--data", tmp_path / "data")
    assert told.code == 2 and fault in told.error


def test_rebuild_without_a_site(nvr: Nvr, tmp_path: Path) -> None:
    """Where nothing is, nothing is made."""
    assert "not there" in nvr("catalogue", "rebuild", "--data", tmp_path / "nothing").error
    (tmp_path / "empty").mkdir()
    told = nvr("catalogue", "rebuild", "--data", tmp_path / "empty")
    assert told.code == 2 and "has no volumes" in told.error
    assert list((tmp_path / "empty").iterdir()) == []


def test_accept(nvr: Nvr, footage: Footage, tmp_path: Path) -> None:
    """A new disk at a volume's place becomes the volume; a name that nobody knows does not."""
    archive = footage.archive
    identify_volumes(archive.writer)
    (volume,) = archive.writer.volumes()
    (archive.root / MARKER).unlink()
    assert absence(volume) is not None
    told = nvr("catalogue", "accept", "main", "--data", tmp_path / "data")
    assert told.code == 0 and "is volume main now" in told.out
    assert absence(volume) is None
    assert nvr("catalogue", "accept", "other", "--data", tmp_path / "data").code == 2

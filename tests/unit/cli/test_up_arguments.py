"""What `./nvr up` refuses before it starts anything, naming the option."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from cli.__main__ import build_parser
from cli.up import CAMERAS_MAX, SEGMENT_S_MAX, check_arguments, real_cameras, stand_in_specs
from components.shared.errors import Rejected
from components.shared.runtime.secrets import Secret, write_secret
from components.shared.wire.site_config import parse_camera
from tests.unit.cli.conftest import Nvr


def parsed(data: Path, *options: str) -> argparse.Namespace:
    """The arguments of `up` with these options."""
    return build_parser("up").parse_args(["up", "--data", str(data), *options])


def is_taken(data: Path, *options: str) -> bool:
    """Whether these options pass; a refusal names the option."""
    try:
        check_arguments(parsed(data, *options))
    except Rejected as refusal:
        assert str(refusal).startswith(options[0])
        return False
    return True


@pytest.mark.parametrize(
    ("option", "taken", "refused"),
    [
        ("--cameras", ["0", "1", str(CAMERAS_MAX)], ["-1", str(CAMERAS_MAX + 1)]),
        ("--segment-seconds", ["1", "2", str(SEGMENT_S_MAX)], ["0", "-5", str(SEGMENT_S_MAX + 1)]),
        ("--for", ["0.1", "60"], ["0", "-1"]),
        ("--camera-size", ["64x48", "1920x1080"], ["1920", "1920x", "axb", "1920x1080x2", "1x1", " 64x48"]),
    ],
)
def test_numbers_have_ranges(tmp_path: Path, option: str, taken: list[str], refused: list[str]) -> None:
    """Each number is taken at its limits and refused beyond, by its option's name."""
    assert [value for value in taken if is_taken(tmp_path, option, value)] == taken
    assert [value for value in refused if is_taken(tmp_path, option, value)] == []


def test_refusal_starts_nothing(nvr: Nvr, tmp_path: Path) -> None:
    """A refused option makes no data root."""
    told = nvr("up", "--cameras", "65", "--data", tmp_path / "data")
    assert (told.code, told.out) == (2, "")
    assert told.error == "nvr up: --cameras 65: 0 to 64 was due\n"
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://viewer:s3cret@192.0.2.10/1",
        "rtsp://viewer@192.0.2.10/1",
        "rtsp://:s3cret@192.0.2.10/1",
        "yard=rtsp://viewer:s3cret@192.0.2.10/1",
        "yard=rtsp://viewer:s3%40cret@[2001:db8::1]:554/1?a=b",
    ],
)
def test_password_in_a_url_is_refused_and_not_shown(tmp_path: Path, url: str) -> None:
    """A password does not belong on a command line: the refusal says where it does, without repeating it."""
    with pytest.raises(Rejected, match=r"\./nvr secret set") as refusal:
        check_arguments(parsed(tmp_path, "--camera", url))
    for secret in ("s3cret", "s3%40cret", "viewer"):
        assert secret not in str(refusal.value)


@pytest.mark.parametrize("name", ["Yard", "yard 1", "hof_1", "ü", "x" * 33])
def test_bad_id_is_refused(tmp_path: Path, name: str) -> None:
    """An id that cannot be part of a file's name is refused with what one looks like."""
    with pytest.raises(Rejected, match=r"camera id .* is not 1 to 32 of a-z, 0-9 and -"):
        real_cameras([f"{name}=rtsp://192.0.2.10/1"], tmp_path)


def test_longest_id_is_taken(tmp_path: Path) -> None:
    """An id of 32 letters is one."""
    assert list(real_cameras(["x" * 32 + "=rtsp://192.0.2.10/1"], tmp_path)) == ["x" * 32]


@pytest.mark.parametrize(
    "url", ["http://192.0.2.10/1", "192.0.2.10", "yard=", "rtsp://", "rtsp:///1", "", "yard=file:///etc"]
)
def test_address_that_is_no_camera(tmp_path: Path, url: str) -> None:
    """What is not an RTSP address with a host is refused with the form of one."""
    with pytest.raises(Rejected, match=r"rtsp://HOST\[:PORT\]/PATH|camera id"):
        real_cameras([url], tmp_path)


def test_real_cameras_become_valid_documents(tmp_path: Path) -> None:
    """Cameras are named as given or by their number; one with a secret of its name refers to it."""
    write_secret(tmp_path, "yard", Secret("viewer:s3cret"))
    given = ["yard=rtsp://192.0.2.10/1?a=b", "rtsps://cam.example/main"]
    documents = real_cameras(given, tmp_path)
    assert documents == {
        "yard": {"schema": 1, "name": "yard", "source": {"url": "rtsp://192.0.2.10/1?a=b", "secret": "yard"}},
        "camera-2": {"schema": 1, "name": "camera-2", "source": {"url": "rtsps://cam.example/main"}},
    }
    for camera, document in documents.items():
        assert parse_camera(camera, document).document.source.url == document["source"]["url"]


def test_stand_in_cameras_are_of_all_kinds(tmp_path: Path) -> None:
    """Four stand-ins have both codecs, and sound in two forms, so that a first look shows all."""
    specs = stand_in_specs(4, parsed(tmp_path, "--camera-size", "640x360", "--camera-fps", "10"))
    assert [spec["id"] for spec in specs] == ["cam-1", "cam-2", "cam-3", "cam-4"]
    assert {spec["codec"] for spec in specs} == {"h264", "h265"}
    assert {spec["audio"] for spec in specs} == {"none", "aac", "pcma"}
    assert {(spec["width"], spec["height"], spec["fps"]) for spec in specs} == {(640, 360, 10)}
    assert stand_in_specs(0, parsed(tmp_path)) == []

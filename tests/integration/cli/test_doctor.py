"""The doctor tests as the recorder would use things, and every failure says what to do."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cli.doctor import Finding, run
from cli.doctor_camera import examine_camera
from components.shared.errors import NvrError
from components.shared.runtime.config import write_document
from components.shared.runtime.secrets import Secret, write_secret
from components.shared.wire.site_config import SourceSection, camera_shadow, document_sha256
from local.cameras import CameraSpec, RunningCameras, start_cameras
from tests.fakes.clock import FakeClock

PASSWORD = "a pass:word@1"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cameras(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCameras]:
    """One small camera with a password that needs care."""
    small = {"width": 320, "height": 240, "gop_s": 0.4, "loop_s": 2.0, "bitrate": 100_000}
    specs = [CameraSpec("yard", user="viewer", password=PASSWORD, **small)]  # type: ignore[arg-type]
    with start_cameras(specs, tmp_path_factory.mktemp("loops"), tmp_path_factory.mktemp("cameras")) as running:
        yield running


def refusal(data: Path, url: str, secret: str | None = None) -> tuple[str, str]:
    """What is wrong with a camera, and what to do."""
    with pytest.raises(NvrError) as refused:
        examine_camera(data, "yard", SourceSection(url=url, secret=secret))
    problem, _, advice = str(refused.value).partition(" -> ")
    return problem, advice


def test_good_camera(cameras: RunningCameras, tmp_path: Path) -> None:
    """A camera that can be recorded tells what it sends and how long its first keyframe takes."""
    write_secret(tmp_path, "yard", Secret(f"viewer:{PASSWORD}"))
    source = SourceSection(url=cameras.url("yard"), secret="yard")
    assert examine_camera(tmp_path, "yard", source).startswith("h264 320x240, first keyframe after ")


def test_wrong_password(cameras: RunningCameras, tmp_path: Path) -> None:
    """A refused password names the command that sets it, and shows neither password nor user."""
    write_secret(tmp_path, "yard", Secret("viewer:s3cret"))
    problem, advice = refusal(tmp_path, cameras.url("yard"), "yard")
    assert problem == "the camera refuses user or password"
    assert advice == "set it with `./nvr secret set yard`"
    problem, advice = refusal(tmp_path, cameras.url("yard"))
    assert problem == "the camera refuses user or password"
    assert "source.secret yard" in advice


def test_secret_that_is_not_set(cameras: RunningCameras, tmp_path: Path) -> None:
    """A secret that is not there names the command that sets it."""
    problem, advice = refusal(tmp_path, cameras.url("yard"), "yard")
    assert "secret yard is not there" in problem
    assert "./nvr secret set yard" in problem + advice


def test_wrong_path(cameras: RunningCameras, tmp_path: Path) -> None:
    """A path that the camera does not have is told as that, with the password in no text."""
    write_secret(tmp_path, "yard", Secret(f"viewer:{PASSWORD}"))
    parts = urlsplit(cameras.url("yard"))
    problem, advice = refusal(tmp_path, parts._replace(path="/nothing").geturl(), "yard")
    assert problem.startswith("the stream cannot be opened")
    assert "is its path right?" in advice
    for shown in (PASSWORD, "a%20pass", "word%401"):
        assert shown not in problem + advice


def test_port_that_is_closed(tmp_path: Path) -> None:
    """A box that is there without RTSP is told apart from one that is not."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        problem, advice = refusal(tmp_path, f"rtsp://127.0.0.1:{port}/1")
    assert problem == f"127.0.0.1 refuses connections on port {port}"
    assert "is RTSP switched on" in advice


def test_name_that_nobody_knows(tmp_path: Path) -> None:
    """A host's name that cannot be resolved says to use the address."""
    problem, advice = refusal(tmp_path, "rtsp://camera.invalid/1")
    assert problem == "the name camera.invalid is not known"
    assert "use the camera's address" in advice


def findings(data: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, list[Finding]]:
    """What the command found, and its exit code."""
    from cli.__main__ import build_parser

    capsys.readouterr()
    code = run(build_parser("doctor").parse_args(["doctor", "--data", str(data), "--json", *options]))
    return code, [Finding(**found) for found in json.loads(capsys.readouterr().out)]


def test_every_failure_of_an_empty_folder_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing is, everything is examined, and each failure has its advice."""
    for data in (tmp_path, tmp_path / "none"):
        code, found = findings(data, capsys)
        assert code == 1
        failures = [finding for finding in found if not finding.is_well]
        assert {"core", "cameras", "AWS"} <= {finding.what for finding in failures}
        assert all("./nvr" in finding.advice for finding in failures)


def test_each_configured_camera_is_examined(
    cameras: RunningCameras, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Good and bad cameras, and a document that is damaged, each have their line."""
    clock, known = FakeClock(), {}
    write_secret(tmp_path, "yard", Secret(f"viewer:{PASSWORD}"))
    sources = {
        "yard": {"url": cameras.url("yard"), "secret": "yard"},
        "door": {"url": "rtsp://camera.invalid/1"},
        "hall": {"url": "rtsp://camera.invalid/2"},
    }
    for camera, source in sources.items():
        document: dict[str, object] = {"schema": 1, "name": camera, "source": source}
        write_document(tmp_path, camera_shadow(camera), document, 1, clock)
        known[camera] = document_sha256(document)
    write_document(tmp_path, "site", {"schema": 1, "cameras": known}, 1, clock)
    (tmp_path / "config" / "camera-hall.json").write_text("{")
    code, found = findings(tmp_path, capsys, "--only", "cameras")
    assert code == 1
    assert {(finding.what, finding.is_well) for finding in found} == {
        ("yard", True),
        ("door", False),
        ("camera-hall", False),
    }
    assert all(finding.advice for finding in found if not finding.is_well)

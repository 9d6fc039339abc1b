"""The cameras' process: how it starts, what it writes, and that it always ends."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local.cameras import CamerasFailedError, default_specs, start_cameras
from local.cameras.loops import loop_path, picture_of, read_loop
from local.cameras.spec import to_json
from tests.fakes.waiting import eventually
from tests.integration.cameras.conftest import PASSWORD, small
from tests.integration.cameras.rtsp_client import RtspClient

pytestmark = pytest.mark.slow

_ROOT = Path(__file__).resolve().parents[3]


def _command(cache: Path, folder: Path, *more: str) -> list[str]:
    ready = str(folder / "ready.json")
    return [sys.executable, "-m", "local.cameras", "--cache", str(cache), "--ready", ready, *more]


def _spec_file(folder: Path, mode: int = 0o600) -> str:
    path = folder / "spec.json"
    path.write_text(to_json([small("cam-1", "h264")]), encoding="utf-8")
    path.chmod(mode)
    return str(path)


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_the_ready_file_tells_all_but_the_password(cache: Path, tmp_path: Path) -> None:
    """Ports and cameras stand in the ready file, and neither it nor the command line nor the log has the password."""
    with start_cameras([small("cam-1", "h264", audio="pcma")], cache, tmp_path) as cameras:
        ready = json.loads((tmp_path / "ready.json").read_text(encoding="utf-8"))
        assert ready == cameras.ready
        assert ready["pid"] == cameras.process.pid
        assert ready["cameras"]["cam-1"] == {
            "url": f"rtsp://127.0.0.1:{ready['port']}/cam-1",
            "codec": "h264",
            "width": 320,
            "height": 240,
            "fps": 15,
            "gop_frames": 6,
            "loop_frames": 30,
            "bitrate": 100_000,
            "audio": "pcma",
            "user": "viewer",
        }
        assert PASSWORD.encode() not in Path(f"/proc/{cameras.process.pid}/cmdline").read_bytes()
    assert PASSWORD not in (tmp_path / "ready.json").read_text(encoding="utf-8")
    assert PASSWORD not in (tmp_path / "cameras.log").read_text(encoding="utf-8")


def test_a_loop_is_encoded_once(tmp_path: Path) -> None:
    """Cameras with equal pictures share one encode, told on stderr, and a second start needs none."""
    specs = [small("cam-1", "h264"), small("cam-2", "h264"), small("cam-3", "h264", audio="pcma")]
    cache = tmp_path / "cache"
    with start_cameras(specs, cache, tmp_path / "first"):
        told = (tmp_path / "first" / "cameras.log").read_text(encoding="utf-8").splitlines()
    assert told == [f"encoding h264 320x240 15 fps: {tenth * 10} %" for tenth in range(11)]
    files = {path: path.stat().st_mtime_ns for path in cache.glob("*.loop")}
    assert len(files) == 2
    with start_cameras(specs, cache, tmp_path / "second"):
        assert (tmp_path / "second" / "cameras.log").read_text(encoding="utf-8") == ""
    assert {path: path.stat().st_mtime_ns for path in cache.glob("*.loop")} == files


def test_a_damaged_loop_is_encoded_anew(tmp_path: Path) -> None:
    """A cache file that was cut is replaced, and the cameras serve."""
    cache = tmp_path / "cache"
    with start_cameras([small("cam-1", "h264")], cache, tmp_path):
        pass
    (path,) = cache.glob("*.loop")
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with start_cameras([small("cam-1", "h264")], cache, tmp_path):
        assert path.read_bytes() == whole


def test_it_ends_within_a_second_of_sigterm(cache: Path, tmp_path: Path) -> None:
    """With a client that watches, SIGTERM ends the process cleanly within a second."""
    with (
        start_cameras([small("cam-1", "h264")], cache, tmp_path) as cameras,
        RtspClient(cameras.url("cam-1"), "viewer", PASSWORD) as client,
    ):
        client.play()
        begin_s = time.monotonic()
        cameras.process.send_signal(signal.SIGTERM)
        assert cameras.process.wait(5.0) == 0
        assert time.monotonic() - begin_s < 1.0


def test_it_ends_while_it_encodes(tmp_path: Path) -> None:
    """SIGTERM during the first encode ends the process and its encoder, and leaves no half loop."""
    cache, log = tmp_path / "cache", tmp_path / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(_command(cache, tmp_path, "--count", "1"), cwd=_ROOT, stderr=file)
    eventually(lambda: b"0 %" in log.read_bytes(), 20.0)
    process.send_signal(signal.SIGTERM)
    assert process.wait(5.0) == 0
    eventually(lambda: not _encoders(cache), 5.0)
    assert not loop_path(cache, picture_of(default_specs(1)[0])).exists()
    assert all(read_loop(path).units for path in cache.glob("*.loop*"))
    assert not (tmp_path / "ready.json").exists()


def _encoders(cache: Path) -> list[str]:
    """The processes that have this cache folder on their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue  # it ended while we looked
            if str(cache).encode() in words:
                found.append(entry.name)
    return found


def test_it_ends_with_its_parent(cache: Path, tmp_path: Path) -> None:
    """When the process that started the cameras is killed, they end too."""
    command = _command(cache, tmp_path, "--spec", _spec_file(tmp_path), "--die-with-parent")
    source = "import subprocess, sys; subprocess.run(sys.argv[1:])"
    parent = subprocess.Popen([sys.executable, "-c", source, *command], cwd=_ROOT)
    ready = tmp_path / "ready.json"
    eventually(ready.exists, 20.0)
    pid = json.loads(ready.read_text(encoding="utf-8"))["pid"]
    assert _is_running(pid)
    parent.kill()
    parent.wait()
    eventually(lambda: not _is_running(pid), 5.0)


def test_a_spec_that_others_may_read_is_refused(cache: Path, tmp_path: Path) -> None:
    """The process ends with 2 and says what to do."""
    command = _command(cache, tmp_path, "--spec", _spec_file(tmp_path, 0o644))
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert "chmod 600" in done.stderr


def test_cameras_that_cannot_start_say_why(cache: Path, tmp_path: Path) -> None:
    """Starting from Python raises with the process's own words."""
    with (
        pytest.raises(CamerasFailedError, match="width 100 is not an even number"),
        start_cameras([small("cam-1", "h264", width=100)], cache, tmp_path),
    ):
        pass
    assert not _encoders(tmp_path)


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """When no loop can be encoded the start fails and names the loop and the folder."""
    cache = tmp_path / "cache"
    cache.write_text("a file", encoding="utf-8")
    with (
        pytest.raises(CamerasFailedError, match=r"(?s)cache.*Picture\(codec='h264'.*the encoder ended with 1"),
        start_cameras([small("cam-1", "h264")], cache, tmp_path),
    ):
        pass


def test_cameras_come_back_on_their_port(cache: Path, tmp_path: Path) -> None:
    """After a restart the cameras are at the same address, and their laps begin anew."""
    spec, port = small("cam-1", "h264", loop_s=10.0), 0
    for _ in range(2):
        with start_cameras([spec], cache, tmp_path, port=port) as cameras:
            assert port in (0, cameras.ready["port"])
            port = cameras.ready["port"]
            with RtspClient(cameras.url("cam-1"), "viewer", PASSWORD) as client:
                client.play()
                eventually(lambda: len(cameras.sent_frames("cam-1", client.session)) > 3)
                assert cameras.sent_frames("cam-1", client.session)[0]["lap"] == 0


def test_default_cameras_take_their_password_from_a_file(cache: Path, tmp_path: Path) -> None:
    """--user needs --password-file, and that file must be private."""
    for more, reason in (
        (("--user", "viewer"), "--user and --password-file go together"),
        (("--user", "viewer", "--password-file", str(tmp_path / "absent")), "cannot be read"),
    ):
        command = _command(cache, tmp_path, "--count", "1", *more)
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=20, check=False)
        assert (done.returncode, reason in done.stderr) == (2, True)
    assert not list(tmp_path.iterdir())

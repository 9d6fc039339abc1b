"""Secrets must be nowhere, also while a password is rotated under a camera that is recorded; a segment's trace must be
everywhere, from the camera to the function in the cloud.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest

from cli.local_cloud import LocalCloud
from cli.up import STAND_IN_SECRET, THING, bring_up
from components.shared.catalogue.capture import CaptureReader
from components.shared.errors import NvrError
from components.shared.runtime.secrets import read_secret
from components.shared.wire.object_keys import object_key, parse_relative_path
from components.shared.wire.secret import Secret
from components.shared.wire.segment_metadata import TRACE_METADATA
from components.shared.wire.trace import trace_of_segment
from lab.running_site import ROOT, scene_cache
from local.cameras.process import Control
from local.site import CAMERA_USER, Layout, Site
from tests.fakes.waiting import eventually
from tests.integration.iot_core.paho_listener import Listener

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(400)]

OPTIONS = argparse.Namespace(
    camera=[],
    cameras=1,
    camera_size="640x360",
    camera_fps=10,
    camera_bitrate=300_000,
    camera_loop=4.0,
    segment_seconds=1,
    nucleus="lite",
    drop_local_messages=False,
)
CAMERA = "cam-1"
WAIT_S = 90.0
"""For any one step, on a machine that does much else; each takes a few seconds on an idle one."""

BY_SITE = "S1te-N0te/7f3a9c"
BY_CLOUD = "Cl0ud-N0te+51be02"

OF_THE_CAMERA_AND_THE_CLOUD = ("local/camera-password", "local/cameras.json", "local/cloud")
"""What the stand-ins of a camera and of Secrets Manager know themselves; on a real site they are not on the box."""


class Rotation:
    """A site that records one camera, and what is done to its password."""

    def __init__(self, site: Site, cloud: LocalCloud) -> None:
        assert site.cameras is not None
        self.site = site
        self.cloud = cloud
        self.data = site.layout.data
        self.passwords = [site.camera_password()]
        self.control = Control(site.cameras.addresses["control_port"])

    def set_at_the_site(self, password: str) -> None:
        """As an operator does, by standard input."""
        self.passwords.append(password)
        command = [str(ROOT / "nvr"), "secret", "set", STAND_IN_SECRET, "--stdin", "--data", str(self.data)]
        subprocess.run(command, input=f"{CAMERA_USER}:{password}\n", text=True, check=True, capture_output=True)

    def set_in_the_cloud(self, password: str) -> None:
        """As a rotation in Secrets Manager does."""
        self.passwords.append(password)
        self.cloud.set_secret(STAND_IN_SECRET, f"{CAMERA_USER}:{password}")

    def change_in_the_camera(self, password: str) -> None:
        """The camera wants another password, and ends its sessions, as many do then."""
        self.control.set_password(CAMERA, password, drop=True)

    def sessions(self) -> tuple[int, int]:
        """How many sessions the camera ever had, and how many requests it has refused."""
        told = self.control.statistics(CAMERA)
        return len(told["sessions"]) + len(told["ended"]), int(told["refused"])

    def await_footage(self, count: int = 2) -> None:
        """Wait for segments that are closed from now on."""
        due = closed(self.data) + count
        eventually(lambda: closed(self.data) >= due, WAIT_S, f"{due} closed segments")


def closed(data: Path) -> int:
    """Closed segments so far."""
    try:
        with closing(CaptureReader.open(data)) as reader:
            return reader.last_sequence()
    except NvrError:
        return 0


def holds(data: Path, password: str) -> bool:
    """Whether the site's secret is this one."""
    try:
        return read_secret(data, STAND_IN_SECRET) == Secret(f"{CAMERA_USER}:{password}")
    except NvrError:
        return False


@pytest.fixture(scope="module")
def rotation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rotation]:
    """One site for all tests; the last one stops it."""
    work = tmp_path_factory.mktemp("site")
    scene_cache(work)
    layout = Layout(work / "data")
    OPTIONS.data = layout.data
    site = Site(layout)
    try:
        cloud, _ = bring_up(site, OPTIONS, lambda _: None)
        rotation = Rotation(site, cloud)
        rotation.await_footage(2)
        yield rotation
    finally:
        site.stop()


def traces_of(password: str) -> list[bytes]:
    """The forms in which a password could lie somewhere: as it is, in a URL, in JSON, in a Basic header."""
    login = f"{CAMERA_USER}:{password}"
    whole = {password, quote(password, safe=""), json.dumps(password)[1:-1]}
    return [*(text.encode() for text in whole), base64.b64encode(login.encode()).rstrip(b"=")[:-1]]


def found_in(content: bytes, passwords: list[str]) -> bool:
    """Whether one of the passwords is in it, in any form."""
    return any(trace in content for password in passwords for trace in traces_of(password))


def test_what_is_looked_for_would_be_found() -> None:
    """Each form of a password is noticed, so that finding none says something."""
    for content in (
        b"x S1te-N0te/7f3a9c",
        b"rtsp://viewer:S1te-N0te%2F7f3a9c@cam",
        b"Basic " + base64.b64encode(b"viewer:S1te-N0te/7f3a9c"),
    ):
        assert found_in(content, [BY_SITE])
    assert not found_in(b"Cl0ud-N0te", [BY_SITE, BY_CLOUD])


def test_a_segment_has_one_trace_from_the_camera_to_the_function(rotation: Rotation) -> None:
    """What Capture, VideoProcessor, CloudSync and the function in the cloud say of a segment is found by one id, which
    the object has, too.
    """
    logs = rotation.site.layout.logs
    with closing(CaptureReader.open(rotation.data)) as reader:
        segment = reader.closed_after(0, 1)[0].segment
    trace = trace_of_segment(THING, segment)
    due = {
        "Capture": "segment_closed",
        "VideoProcessor": "segment_analysed",
        "CloudSync": "object_uploaded",
        "index_object": "object_indexed",
    }

    def told() -> dict[str, str]:
        command = [str(ROOT / "nvr"), "logs", "--trace", trace, "--json", "--data", str(rotation.data)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert {line["segment"] for line in lines} <= {segment}
        assert {line["camera"] for line in lines} <= {CAMERA}
        return {line["component"]: line["event"] for line in lines}

    eventually(lambda: told() == due, WAIT_S, f"{due} in {logs}")
    key = object_key(THING, parse_relative_path(f"{CAMERA}/{path_of(segment)}"))
    found = rotation.cloud.client("s3").head_object(Bucket=rotation.cloud.media_bucket, Key=key)
    assert found["Metadata"][TRACE_METADATA] == trace


def path_of(segment: str) -> str:
    """Folder and name of a segment's file below its camera's."""
    stamp = segment.rpartition("_")[2]
    return f"{stamp[:4]}/{stamp[4:6]}/{stamp[6:8]}/{stamp[9:11]}/{segment}.mp4"


def test_rotated_while_recording(rotation: Rotation) -> None:
    """Set at the site, the new secret costs nothing while the session works, and one connection when the camera ends
    it; rotated in Secrets Manager, a camera that has changed already costs one, too. Afterwards no secret, old or new,
    is in any file but those that are for it, in any message, shadow, argument or environment; and no process may be
    dumped.
    """
    assert rotation.site.cloud is not None
    listener = Listener(rotation.site.cloud.addresses["mqtt_port"], "looks-for-secrets").connect()
    listener.subscribe("#", "$aws/#", qos=0)
    (first,) = rotation.passwords
    began, refused = rotation.sessions()

    rotation.set_at_the_site(BY_SITE)
    rotation.await_footage()
    assert rotation.sessions() == (began, refused), "the session that runs goes on"
    rotation.change_in_the_camera(BY_SITE)
    rotation.await_footage()
    assert rotation.sessions() == (began + 1, refused + 1), "one connection, whose one refusal is the challenge"

    rotation.set_in_the_cloud(BY_CLOUD)
    rotation.change_in_the_camera(BY_CLOUD)
    rotation.await_footage()
    assert rotation.sessions()[0] == began + 2, "one session more"
    eventually(lambda: holds(rotation.data, BY_CLOUD), WAIT_S, "the rotated secret at the site")

    passwords = [first, BY_SITE, BY_CLOUD]
    assert rotation.passwords == passwords
    look_into_processes(rotation.site, passwords)
    look_into_shadows(rotation.cloud, passwords)
    look_into_files(rotation.data, passwords)
    rotation.site.stop()
    look_into_files(rotation.data, passwords)
    messages = [listener.messages.get_nowait() for _ in range(listener.messages.qsize())]
    listener.close()
    assert any("/shadow/" in message.topic for message in messages), "messages were heard"
    assert [message.topic for message in messages if found_in(bytes(message.payload), passwords)] == []


def look_into_files(data: Path, passwords: list[str]) -> None:
    """No file under the data root but a secret's own, and what the stand-ins keep, holds a secret."""
    apart = tuple(str(data / name) for name in ("secrets/", "runtime/", *OF_THE_CAMERA_AND_THE_CLOUD))
    looked_at = found = 0
    for path in sorted(data.rglob("*")):
        if str(path).startswith(apart) or path.is_symlink() or not path.is_file():
            continue
        looked_at += 1
        assert not found_in(path.read_bytes(), passwords), path
        found += path.suffix in {".db", ".log"} and path.stat().st_size > 0
    assert looked_at > 20
    assert found >= 8, "databases and logs were among them"
    for path in (data / "secrets").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600


def look_into_processes(site: Site, passwords: list[str]) -> None:
    """No process of the site has a secret in its arguments or environment; none of a component may be dumped."""
    assert site.core is not None
    processes = [psutil.Process(site.core.process.pid), *psutil.Process(site.core.process.pid).children(recursive=True)]
    components = 0
    for process in processes:
        folder = Path("/proc") / str(process.pid)
        try:
            arguments, environment = (folder / "cmdline").read_bytes(), environment_of(folder)
            limits = (folder / "limits").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
        assert not found_in(arguments + environment, passwords), arguments
        if b"components." in arguments:
            components += 1
            assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE), arguments
    assert components >= 12, "a launcher and a worker of each component, Capture's zygote and a crew"


def environment_of(folder: Path) -> bytes:
    """A process's environment; nothing of one that nobody but root may look into."""
    try:
        return (folder / "environ").read_bytes()
    except PermissionError:
        return b""


def look_into_shadows(cloud: LocalCloud, passwords: list[str]) -> None:
    """No shadow of the site holds a secret."""
    shadows = cloud.client("iot-data")
    names = shadows.list_named_shadows_for_thing(thingName=THING)["results"]
    assert {"site", f"camera-{CAMERA}"} <= set(names)
    for name in names:
        payload = shadows.get_thing_shadow(thingName=THING, shadowName=name)["payload"].read()
        assert not found_in(payload, passwords), name

"""Run a whole site on this machine: cameras, a local Greengrass core with all components, an embedded AWS.

    ./nvr up                                     four stand-in cameras, until Ctrl-C
    ./nvr up --cameras 2 --segment-seconds 10
    ./nvr up --camera yard=rtsp://192.0.2.10/1   a real camera; its password: ./nvr secret set yard
    ./nvr up --for 60 --json out.json            stop by itself, tell what came of it

Everything is kept in --data between runs. With --for it stops after that time plus what the queues need to drain (at
most 30 s); exit 0 only when every closed segment is uploaded and indexed and nothing went wrong. SIGUSR1 ends the time
of --for early.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import signal
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cli.live_table import LiveTable
from cli.local_cloud import LocalCloud
from cli.observe import DEFAULT_DATA, is_running
from cli.outcome import OutcomeDocument, Watch
from cli.output import plain
from cli.reset import forget, require_site
from cli.site_lock import holding
from cli.steps import ROOT
from components.shared.errors import Rejected, Transient
from components.shared.runtime.secrets import list_secrets
from components.shared.wire.object_keys import check_id
from components.shared.wire.topics import CAPTURE, CLOUD_SYNC
from fleet import artifacts
from local.site import CAMERA_USER, Layout, Site, deployment
from local.stand_in import StandInError

ANSWER = OutcomeDocument
HELP = "run a whole site on this machine"

THING = "site-1"
CAMERAS_DEFAULT = 4
CAMERAS_MAX = 64
CAMERA_FPS_MAX = 60
CAMERA_BITRATE_MIN = 10_000
SEGMENT_S_MAX = 600
LOOK_S = 1.0
STAND_IN_SECRET = "stand-in-cameras"  # noqa: S105 - the name of a secret, not one


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--cameras", type=int, metavar="N", help=f"stand-in cameras (default: {CAMERAS_DEFAULT})")
    parser.add_argument(
        "--camera",
        action="append",
        default=[],
        metavar="[ID=]URL",
        help="a real camera instead; may be given more than once",
    )
    parser.add_argument("--camera-size", default="1280x720", metavar="WxH", help="picture of the stand-in cameras")
    parser.add_argument("--camera-fps", type=int, default=15, metavar="FPS", help="frame rate of the stand-in cameras")
    parser.add_argument("--camera-bitrate", type=int, default=1_000_000, metavar="BITS", help="bits per second")
    parser.add_argument("--camera-loop", type=float, default=20.0, metavar="SECONDS", help="length of their scene")
    parser.add_argument("--segment-seconds", type=int, metavar="S", help=f"1 to {SEGMENT_S_MAX} (default: 180)")
    parser.add_argument("--for", dest="for_s", type=float, metavar="SECONDS", help="stop by itself after that time")
    parser.add_argument("--nucleus", choices=("lite", "classic"), default="lite", help="which core it behaves like")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, metavar="DIR", help="data root (default: .nvr)")
    parser.add_argument("--fresh", action="store_true", help="forget what is in --data first")
    parser.add_argument("--drop-local-messages", action="store_true", help="lose all messages between components")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what came of it as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Run the site until it is told to stop, then tell what came of it."""
    check_arguments(arguments)
    layout = Layout(arguments.data.resolve())
    if is_running(layout):
        raise Rejected(f"a site is running in {arguments.data} already: stop it first, or name another --data")
    if arguments.fresh and layout.data.exists():
        require_site(layout.data)
    with holding(layout):
        if arguments.fresh:
            forget(layout)
        return run_site(layout, arguments)


def run_site(layout: Layout, arguments: argparse.Namespace) -> int:
    """Run the site that this command holds."""
    stop = threading.Event()
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    signal.signal(signal.SIGUSR1, lambda _number, _frame: over.set())
    table = LiveTable(arguments.data, interactive=sys.stderr.isatty())
    site = Site(layout, Waiting(layout, table.step, stop))
    try:
        begun_ns = time.time_ns()
        cloud, cameras = bring_up(site, arguments, table.step)
        watch = Watch(layout, cloud, begun_ns, cameras)
        follow(site, watch, table, (stop, over), arguments.for_s)
        if not stop.is_set():
            table.step("stopping the recorder, letting the queues drain")
            # What it closes last is still to be uploaded and indexed: the others stay until that is done.
            site.undeploy(artifacts.PUBLISHER_PREFIX + CAPTURE)
            watch.drain()
        outcome = watch.account(site.stop_core, thoroughly=arguments.for_s is not None)
    except StandInError as error:
        raise Transient(str(error)) from error
    finally:
        table.close()
        site.stop()
    if arguments.json:
        arguments.json.write_text(json.dumps(plain(outcome.document()), indent=1) + "\n")
    print(outcome.told())
    return 0 if outcome.is_whole or arguments.for_s is None else 1


def check_arguments(arguments: argparse.Namespace) -> None:
    """Rejected, naming the option, when a number is out of its range or options exclude each other."""
    if arguments.cameras is not None and not 0 <= arguments.cameras <= CAMERAS_MAX:
        raise Rejected(f"--cameras {arguments.cameras}: 0 to {CAMERAS_MAX} was due")
    if arguments.segment_seconds is not None and not 1 <= arguments.segment_seconds <= SEGMENT_S_MAX:
        raise Rejected(f"--segment-seconds {arguments.segment_seconds}: 1 to {SEGMENT_S_MAX} was due")
    if arguments.for_s is not None and arguments.for_s <= 0:
        raise Rejected(f"--for {arguments.for_s}: a positive number of seconds was due")
    if arguments.for_s is not None and not math.isfinite(arguments.for_s):
        raise Rejected(f"--for {arguments.for_s}: a positive number of seconds was due")
    if not re.fullmatch(r"[1-9]\d{1,4}x[1-9]\d{1,4}", arguments.camera_size):
        raise Rejected(f"--camera-size {arguments.camera_size}: WIDTHxHEIGHT was due, such as 1920x1080")
    if not 1 <= arguments.camera_fps <= CAMERA_FPS_MAX:
        raise Rejected(f"--camera-fps {arguments.camera_fps}: 1 to {CAMERA_FPS_MAX} was due")
    if arguments.camera_bitrate < CAMERA_BITRATE_MIN:
        raise Rejected(f"--camera-bitrate {arguments.camera_bitrate}: at least {CAMERA_BITRATE_MIN} was due")
    if arguments.json is not None and not arguments.json.parent.is_dir():
        raise Rejected(f"--json {arguments.json}: its folder does not exist")
    real_cameras(arguments.camera, arguments.data)


def bring_up(
    site: Site, arguments: argparse.Namespace, step: Callable[[str], None]
) -> tuple[LocalCloud, Collection[str]]:
    """Build, then start the cloud, the cameras and the core, and configure them; the cameras' names come back too."""
    step("building the components")
    built = artifacts.build(ROOT, ROOT / "greengrass-build")
    provide_packages(site.layout.data, built.packages)
    step("starting the embedded AWS")
    stand_in = site.start_cloud(ROOT / "cloud" / "template.yaml")
    cloud = LocalCloud(stand_in.addresses["endpoint_url"], stand_in.addresses["resources"], THING)
    cloud.register()
    documents = real_cameras(arguments.camera, arguments.data)
    count = arguments.cameras if arguments.cameras is not None else (0 if documents else CAMERAS_DEFAULT)
    if count:
        step("starting the cameras (the first time their scene is encoded)")
        cameras = site.start_cameras(stand_in_specs(count, arguments))
        cloud.set_secret(STAND_IN_SECRET, f"{CAMERA_USER}:{site.camera_password()}")
        documents |= stand_in_documents(cameras.addresses["cameras"])
    cloud.configure(documents, arguments.segment_seconds)
    step("starting the core and the components")
    merges: dict[str, dict[str, Any]] = {name: {"dataRoot": str(site.layout.data)} for name in built.components}
    merges[artifacts.PUBLISHER_PREFIX + CLOUD_SYNC]["mediaBucket"] = cloud.media_bucket
    components = {
        name: {"version": version, "configurationUpdate": {"merge": merges[name]}}
        for name, version in built.components.items()
    }
    site.start_core(
        built.folder, deployment(THING, stand_in, components), arguments.nucleus, arguments.drop_local_messages
    )
    return cloud, documents.keys()


class Waiting:
    """What is done while a stand-in starts: the progress of encoding is passed on, and Ctrl-C is noticed."""

    def __init__(self, layout: Layout, step: Callable[[str], None], stop: threading.Event) -> None:
        self._log_file = layout.logs / "cameras.log"
        self._size = self._log_file.stat().st_size if self._log_file.exists() else 0
        self._step = step
        self._stop = stop

    def __call__(self) -> None:
        """KeyboardInterrupt when the user wants to stop."""
        if self._stop.is_set():
            raise KeyboardInterrupt
        if self._log_file.exists() and self._log_file.stat().st_size > self._size:
            with self._log_file.open(errors="replace") as log:
                log.seek(self._size)
                added = log.read()
                self._size = log.tell()
            for line in added.splitlines():
                if line.startswith("encoding "):
                    self._step(line)


def follow(site: Site, watch: Watch, table: LiveTable, ends: Sequence[threading.Event], for_s: float | None) -> None:
    """Show what happens until told to end, or until the time is over."""
    begun = time.monotonic()
    while not any(end.is_set() for end in ends) and (for_s is None or time.monotonic() - begun < for_s):
        site.check()
        view = watch.look()
        table.show(view, watch.indexed)
        ends[0].wait(LOOK_S)


def provide_packages(data: Path, packages: str) -> None:
    """Let the project's own environment stand where a deployment installs the components' Python packages."""
    folder = data / "runtime" / packages
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / "site-packages"
    link.unlink(missing_ok=True)
    link.symlink_to(sysconfig.get_path("purelib"))
    (folder / ".stamp").touch()


def stand_in_specs(count: int, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The stand-in cameras: H.264 and H.265 in turn, every second pair with sound."""
    width, height = (int(part) for part in arguments.camera_size.split("x"))
    return [
        {
            "id": f"cam-{number}",
            "codec": "h264" if number % 2 else "h265",
            "width": width,
            "height": height,
            "fps": arguments.camera_fps,
            "bitrate": arguments.camera_bitrate,
            "loop_s": arguments.camera_loop,
            "audio": ("none", "none", "aac", "pcma")[(number - 1) % 4],
        }
        for number in range(1, count + 1)
    ]


def stand_in_documents(cameras: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The configuration of the stand-in cameras."""
    return {
        camera: {
            "schema": 1,
            "name": f"Stand-in {camera}",
            "source": {"url": facts["url"], "secret": STAND_IN_SECRET},
        }
        for camera, facts in cameras.items()
    }


def real_cameras(given: list[str], data: Path) -> dict[str, dict[str, Any]]:
    """The configuration of the cameras named by --camera; Rejected when one cannot be right."""
    documents: dict[str, dict[str, Any]] = {}
    for number, text in enumerate(given, start=1):
        name, equals, url = text.partition("=")
        if not equals or "/" in name:
            name, url = f"camera-{number}", text
        check_id(name, "camera id")
        parts = urlsplit(url)
        if parts.username or parts.password:
            raise Rejected(
                f"--camera {name}: leave user and password out of the URL, everybody on this machine can read it; "
                f"set them with `./nvr secret set {name}`"
            )
        if parts.scheme not in {"rtsp", "rtsps"} or not parts.hostname:
            raise Rejected(f"--camera {name}: rtsp://HOST[:PORT]/PATH was due")
        source: dict[str, Any] = {"url": url}
        if name in list_secrets(data):
            source["secret"] = name
        documents[name] = {"schema": 1, "name": name, "source": source}
    return documents

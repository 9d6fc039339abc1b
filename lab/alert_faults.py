"""The troubles that alerts are about, done to a running site for real, and taken away again.

What each of them does, it does from outside: to a stand-in camera, a process, the disk, the cloud's services, the
network. It knows what alert must follow and within which time, not whether it came.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import psutil

from components.shared.catalogue.analysis import AnalysisReader
from lab.running_site import RunningSite, SiteFailedError, nvr_json
from lab.silent import FAILURES
from local.cameras.process import Control

RECORDING_AGAIN_S_MAX = 90.0
ANSWER_S_MAX = 30.0
LEARN_S_MAX = 300.0
SYSTEM_FREE_PERCENT = 8
"""What a disk that is nearly full has left: alerts are due below 10 %."""

CUTS = 6
"""Connections that break within the hour until an alert is due: one more than the site's document allows."""

ABOVE_ALL_CUTS = 1_000

BACK_S_MAX = 120.0
"""A site is back when it has been connected for 20 s, within an hour of an earlier alert for 40 s; then it is looked at
within the minute.
"""


@dataclass
class Fault:
    """A trouble: `begin` and `end` do it, the rest says what must be told of it, and when it was done."""

    kind: str
    subject: str
    begin: Callable[[], None]
    end: Callable[[], None]
    raised_s_max: float
    cleared_s_max: float
    begun_s: float = field(default=float("nan"))
    ended_s: float = field(default=float("nan"))

    def do(self) -> None:
        """Begin, and note when that was done."""
        self.begin()
        self.begun_s = time.monotonic()

    def undo(self) -> None:
        """End, and note when that was done."""
        self.end()
        self.ended_s = time.monotonic()


class Hand:
    """What hurts one site."""

    def __init__(self, site: RunningSite) -> None:
        ready = json.loads((site.data / "local" / "cloud.ready.json").read_text())
        cameras = json.loads((site.data / "local" / "cameras.ready.json").read_text())
        self._site = site
        self._url: str = ready["endpoint_url"]
        self._control = Control(cameras["control_port"])
        self.topic: str = ready["outputs"]["AlertTopicArn"]
        self._stopped: list[int] = []

    def subscribe(self, url: str) -> None:
        """Have all alerts posted there."""
        session = boto3.Session("local", "local", region_name="eu-central-1")
        client = session.client("sns", endpoint_url=self._url)
        client.subscribe(TopicArn=self.topic, Protocol="http", Endpoint=url)

    def set_at_site(self, member: str, value: object) -> None:
        """Edit the site's document."""
        answer = nvr_json("config", "set", "site", member, json.dumps(value), "--data", str(self._site.data))
        if answer.get("state") not in {"in_force", "pending"}:
            raise SiteFailedError(f"the site does not take {member} = {value}: {answer}")

    def cut_network(self) -> None:
        """The site and the cloud do not reach each other."""
        self._tell_cloud("network", {"online": False})

    def mend_network(self) -> None:
        """They do again."""
        self._tell_cloud("network", {"online": True})

    def lose_camera(self, camera: str) -> None:
        """A camera breaks its connections and takes no new one."""
        self._control.set_fault(camera, "refuse", drop=True)

    def stall_camera(self, camera: str) -> None:
        """A camera's connection stands and nothing comes."""
        self._control.set_fault(camera, "stall")

    def hurt_picture(self, camera: str, fault: str) -> None:
        """A camera goes on sending, and what it sends shows nothing of use."""
        self._control.set_fault(camera, fault)

    def wait_until_learnt(self, cameras: Sequence[str]) -> None:
        """Wait until what is usual for each camera's picture is known."""

        def is_learnt() -> bool:
            with closing(AnalysisReader.open(self._site.data)) as reader:
                return all(reader.picture_references(camera) for camera in cameras)

        self._site.wait_until("usual pictures are learnt", is_learnt, LEARN_S_MAX)

    def mend_camera(self, camera: str) -> None:
        """A camera is as it should be."""
        self._control.set_fault(camera, "none")

    def cut_camera_often(self, camera: str) -> None:
        """Break a camera's connection as often as an alert needs; it is recorded in between."""
        for number in range(CUTS):
            if number:
                self._wait_recording(camera)
            self._control.set_fault(camera, "reset")

    def stop_worker(self, component: str) -> None:
        """A component's process hangs, with all that it holds."""
        pid = self._site.worker_pid(component)
        if pid is None:
            raise SiteFailedError(f"{component} has no process that could be stopped")
        self._stop([pid])

    def go_on_with_worker(self, component: str) -> None:
        """It goes on."""
        pid = self._site.worker_pid(component)
        self._go_on([pid] if pid is not None else [])

    def stop_box(self) -> None:
        """The core and all that it has started stand still, as a box does that has died; its connection stands."""
        everything = psutil.Process(self._site.process.pid).children(recursive=True)
        core = [process for process in everything if "local.nucleus" in process.cmdline()]
        self._stop([one.pid for parent in core for one in (parent, *parent.children(recursive=True))])

    def go_on(self) -> None:
        """Whatever was stopped goes on."""
        self._go_on(list(self._stopped))

    def refuse_uploads(self) -> None:
        """S3 answers 503 to whatever it is asked."""
        self._tell_cloud("refused", {"services": ["s3"]})

    def take_uploads(self) -> None:
        """S3 works again."""
        self._tell_cloud("refused", {"services": []})

    def fill_disk(self) -> None:
        """Somebody else takes nearly all of the disk; the blocks are taken and nothing is written."""
        disk = os.statvfs(self._site.data)
        left = disk.f_blocks * SYSTEM_FREE_PERCENT // 100
        path = self._foreign_file()
        path.touch()
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, (disk.f_bavail - left) * disk.f_frsize)

    def empty_disk(self) -> None:
        """It is theirs no longer."""
        self._foreign_file().unlink()

    def _foreign_file(self) -> Path:
        return self._site.data / "something-else"

    def _wait_recording(self, camera: str) -> None:
        def is_recording() -> bool:
            return any(one["id"] == camera and one["state"] == "recording" for one in self._site.status()["cameras"])

        # The break is noticed within a moment; until then the catalogue still says "recording".
        self._site.wait_until(f"{camera} is away", lambda: not is_recording(), RECORDING_AGAIN_S_MAX)
        self._site.wait_until(f"{camera} records again", is_recording, RECORDING_AGAIN_S_MAX)

    def _stop(self, pids: Sequence[int]) -> None:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        self._stopped += pids

    def _go_on(self, pids: Sequence[int]) -> None:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        self._stopped = [pid for pid in self._stopped if pid not in pids]

    def _tell_cloud(self, switch: str, body: dict[str, Any]) -> None:
        address = urlsplit(self._url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=ANSWER_S_MAX)
        try:
            connection.request("POST", f"/_local/{switch}", json.dumps(body))
            answer = connection.getresponse()
            if answer.status != 200:
                raise SiteFailedError(f"the cloud did not switch {switch}: {answer.status} {answer.read()!r}")
        finally:
            connection.close()


def camera_offline(hand: Hand, camera: str) -> Fault:
    """A camera alone. Clear: Capture tries again after a minute at most, then a minute of calm."""
    return Fault("camera_offline", camera, lambda: hand.lose_camera(camera), lambda: hand.mend_camera(camera), 135, 150)


def cameras_offline(hand: Hand, cameras: Sequence[str]) -> Fault:
    """All cameras together: one alert."""

    def lose() -> None:
        for camera in cameras:
            hand.lose_camera(camera)

    def mend() -> None:
        for camera in cameras:
            hand.mend_camera(camera)

    return Fault("cameras_offline", "site", lose, mend, 135, 150)


def camera_frozen(hand: Hand, camera: str) -> Fault:
    """Nothing comes though the connection stands: seen after 30 to 45 s, an alert after a minute."""
    return Fault("camera_frozen", camera, lambda: hand.stall_camera(camera), lambda: hand.mend_camera(camera), 120, 150)


def silent_failures(hand: Hand, cameras: Sequence[str]) -> list[Fault]:
    """Each camera sends what shows nothing of use, in a way of its own: seen within 30 s, told after up to a minute."""

    def one(kind: str, camera: str, fault: str) -> Fault:
        return Fault(
            *(kind, camera),
            *(lambda: hand.hurt_picture(camera, fault), lambda: hand.mend_camera(camera)),
            *(105, 120),
        )

    return [one(kind, camera, fault) for camera, (kind, fault) in zip(cameras, FAILURES.items(), strict=True)]


def camera_reconnects(hand: Hand, camera: str) -> Fault:
    """A connection that breaks again and again, counted from the last break. An hour would have to pass until it is
    over by itself; here the site's limit is lifted, from which on five minutes of calm are counted.
    """
    return Fault(
        "camera_reconnects",
        camera,
        lambda: hand.cut_camera_often(camera),
        lambda: hand.set_at_site("health.alerts.reconnects_per_hour", ABOVE_ALL_CUTS),
        30,
        345,
    )


def component_down(hand: Hand, component: str) -> Fault:
    """A component that hangs: silent for 20 s, an alert after 40 s of that."""
    return Fault(
        "component_down",
        component,
        lambda: hand.stop_worker(component),
        lambda: hand.go_on_with_worker(component),
        80,
        90,
    )


def disk_nearly_full(hand: Hand) -> Fault:
    """More than nine tenths of the media disk are used for a minute."""
    return Fault("disk_nearly_full", "box", hand.fill_disk, hand.empty_disk, 80, 80)


def sync_stuck(hand: Hand) -> Fault:
    """Uploads wait and none is done: seen after two minutes, an alert after three. Clear: after the next try."""
    return Fault("sync_stuck", "CloudSync", hand.refuse_uploads, hand.take_uploads, 330, 150)


def health_monitor_silent(hand: Hand) -> Fault:
    """HealthMonitor hangs: two samples are missing, and the cloud looks every minute."""
    return Fault(
        "health_monitor_silent",
        "site",
        lambda: hand.stop_worker("HealthMonitor"),
        lambda: hand.go_on_with_worker("HealthMonitor"),
        240,
        135,
    )


def dead_box(hand: Hand) -> Fault:
    """The box stands still: its broker notices by the keep-alive alone."""
    return Fault("site_unreachable", "site", hand.stop_box, hand.go_on, 150, BACK_S_MAX)


def cut_line(hand: Hand) -> Fault:
    """The site has no network."""
    return Fault("site_unreachable", "site", hand.cut_network, hand.mend_network, 150, BACK_S_MAX)

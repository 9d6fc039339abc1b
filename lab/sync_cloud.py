"""A cloud to send to, as a site has it: the embedded AWS behind a metered wire, and the core's credentials."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from lab.metered_wire import CERTIFICATE, PORT
from lab.running_site import ROOT, SiteFailedError

START_S_MAX = 120.0
POLL_S = 0.05
TEMPLATE = """
AWSTemplateFormatVersion: "2010-09-09"
Resources:
  MediaBucket:
    Type: AWS::S3::Bucket
    Properties:
      VersioningConfiguration: {Status: Enabled}
"""


@dataclass
class SyncCloud:
    """What a sender needs to know, and what came of its bytes."""

    bucket: str
    environment: dict[str, str]
    wire: subprocess.Popen[bytes]

    def ticks(self) -> dict[int, int]:
        """The bytes that came out of the senders' sockets so far, by tick of the monotonic clock."""
        assert self.wire.stdin is not None
        assert self.wire.stdout is not None
        self.wire.stdin.write(b"\n")
        self.wire.stdin.flush()
        return {int(tick): count for tick, count in json.loads(self.wire.stdout.readline()).items()}


@contextmanager
def sync_cloud(work: Path) -> Iterator[SyncCloud]:
    """Started in `work`, and stopped."""
    template, ready = work / "template.yaml", work / "aws.json"
    template.write_text(TEMPLATE)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    arguments = ("--data", str(work / "aws"), "--template", str(template), "--ready", str(ready), "--die-with-parent")
    with (work / "aws.log").open("wb") as log:
        aws = subprocess.Popen(
            [sys.executable, "-m", "local.aws", *arguments], cwd=ROOT, env=inherited, stdout=log, stderr=log
        )
    try:
        wait_until("the embedded AWS is ready", ready.exists, START_S_MAX)
        told = json.loads(ready.read_text())
        with _metered(work, told["endpoint_url"]) as wire, _credentials(told) as credentials:
            environment = {
                **inherited,
                **credentials,
                "AWS_ENDPOINT_URL": f"https://127.0.0.1:{(work / PORT).read_text()}",
                "AWS_CA_BUNDLE": str(work / CERTIFICATE),
                "AWS_DEFAULT_REGION": told["region"],
                "AWS_REGION": told["region"],
                "AWS_IOT_THING_NAME": "bench",
                "PYTHONPATH": str(ROOT),
            }
            yield SyncCloud(told["resources"]["MediaBucket"], environment, wire)
    finally:
        end(aws)


@contextmanager
def _metered(work: Path, endpoint_url: str) -> Iterator[subprocess.Popen[bytes]]:
    target = endpoint_url.rpartition("/")[2]
    command = [sys.executable, "-m", "lab.metered_wire", "--target", target, "--folder", str(work)]
    wire = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        wait_until("the metered wire is ready", (work / PORT).exists, START_S_MAX)
        yield wire
    finally:
        end(wire)


@contextmanager
def _credentials(told: dict[str, Any]) -> Iterator[dict[str, str]]:
    body = json.dumps(
        {
            "AccessKeyId": told["access_key_id"],
            "SecretAccessKey": told["secret_access_key"],
            "Token": "session",
            "Expiration": "2099-01-01T00:00:00Z",
        }
    ).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Gives them."""
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{server.server_address[1]}/",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "bench",
        }
    finally:
        server.shutdown()
        server.server_close()


def wait_until(what: str, is_so: Callable[[], bool], within_s: float) -> None:
    """Return as soon as it is so; SiteFailedError when it is not in time."""
    end_s = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > end_s:
            raise SiteFailedError(f"not within {within_s:g} s: {what}")
        time.sleep(POLL_S)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that this one started."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

"""What a site has of the cloud for uploads: the embedded AWS with one versioned bucket, and the core's credentials."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import boto3
from botocore.config import Config

from tests.fakes.waiting import eventually

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

ROOT = Path(__file__).parents[2]
START_S_MAX = 240.0
"""It takes 5 s; with twenty others who want the same two cores, more than 60."""

TOKEN = "token-of-the-core"
TEMPLATE = """
AWSTemplateFormatVersion: "2010-09-09"
Resources:
  MediaBucket:
    Type: AWS::S3::Bucket
    Properties:
      VersioningConfiguration: {Status: Enabled}
"""


class CredentialsServer(ThreadingHTTPServer):
    """The token exchange of a core: gives credentials to who shows the token; counts what it gave."""

    daemon_threads = True

    def __init__(self, access_key_id: str, secret_access_key: str) -> None:
        super().__init__(("127.0.0.1", 0), _CredentialsHandler)
        self.answer = {
            "AccessKeyId": access_key_id,
            "SecretAccessKey": secret_access_key,
            "Token": "session",
            "Expiration": "2099-01-01T00:00:00Z",
        }
        self.given = 0
        self.broken = False
        self._thread = threading.Thread(target=self.serve_forever, args=(0.2,), daemon=True)
        self._thread.start()

    @property
    def environment(self) -> dict[str, str]:
        """What a core puts into a component's environment."""
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{self.server_address[1]}/2016-11-01/credentialprovider/",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": TOKEN,
        }

    def close(self) -> None:
        """Stops serving."""
        self.shutdown()
        self.server_close()
        self._thread.join(5)


class _CredentialsHandler(BaseHTTPRequestHandler):
    server: CredentialsServer

    def do_GET(self) -> None:
        """Answers with the credentials."""
        if self.server.broken or self.headers.get("Authorization") != TOKEN:
            self.send_error(500 if self.server.broken else 401)
            return
        self.server.given += 1
        body = json.dumps(self.server.answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@dataclass
class Site:
    """A running embedded AWS, its bucket, and an observer's own client."""

    process: subprocess.Popen[bytes]
    endpoint_url: str
    region: str
    bucket: str
    credentials: CredentialsServer
    s3: S3Client

    @property
    def environment(self) -> dict[str, str]:
        """The AWS part of a component's environment."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            **self.credentials.environment,
        }

    def versions(self, prefix: str = "") -> dict[str, int]:
        """How many versions each key has."""
        found: dict[str, int] = {}
        for page in self.s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=prefix):
            for version in page.get("Versions", ()):
                found[version["Key"]] = found.get(version["Key"], 0) + 1
        return found

    def unfinished_uploads(self) -> list[str]:
        """The keys of multipart uploads that are neither complete nor aborted."""
        pages = self.s3.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket)
        return [upload["Key"] for page in pages for upload in page.get("Uploads", ())]

    def switch_network(self, online: bool) -> None:
        """Turns the site's network off or on."""
        body = json.dumps({"online": online}).encode()
        with urlopen(Request(f"{self.endpoint_url}/_local/network", body, method="POST"), timeout=10) as answer:
            assert answer.status == 200


@contextmanager
def running_site(folder: Path) -> Iterator[Site]:
    """A site's cloud, started and stopped."""
    template, ready = folder / "template.yaml", folder / "ready.json"
    template.write_text(TEMPLATE)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    command = [sys.executable, "-m", "local.aws", "--data", str(folder / "aws"), "--template", str(template)]
    with (folder / "aws.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--ready", str(ready), "--die-with-parent"],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        eventually(lambda: ready.exists() or process.poll() is not None, START_S_MAX)
        assert process.poll() is None, (folder / "aws.log").read_text()
        told = json.loads(ready.read_text())
        credentials = CredentialsServer(told["access_key_id"], told["secret_access_key"])
        try:
            client = boto3.client(
                "s3",
                endpoint_url=told["endpoint_url"],
                region_name=told["region"],
                aws_access_key_id=told["access_key_id"],
                aws_secret_access_key=told["secret_access_key"],
                config=Config(retries={"total_max_attempts": 1}),
            )
            yield Site(
                process,
                told["endpoint_url"],
                told["region"],
                told["resources"]["MediaBucket"],
                credentials,
                client,
            )
        finally:
            credentials.close()
    finally:
        process.terminate()
        process.wait(20)

"""The door for people of a running stand-in: tokens, requests, and footage that was uploaded and indexed."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from email.message import Message
from typing import Any

from components.shared.wire import segment_metadata
from tests.fakes.stored_files import Stored

INDEXED_S_MAX = 120.0


@dataclass(frozen=True)
class Said:
    """An answer."""

    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def cookies(self) -> str:
        """The cookies that it sets, as a browser sends them back."""
        return "; ".join(one.partition(";")[0] for one in self.headers.get_all("set-cookie") or ())


def ask(url: str, *, method: str = "GET", token: str = "", body: bytes | None = None, **headers: str) -> Said:
    """One request; a refusal is an answer too. `token` is of the header Authorization."""
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return Said(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        return Said(error.code, error.headers, error.read())


def token_of(web_url: str, *groups: str, **claims: Any) -> str:
    said = ask(f"{web_url}/_local/tokens", method="POST", body=json.dumps({"groups": groups, **claims}).encode())
    return str(said.json["access_token"])


def upload(s3: Any, bucket: str, files: Iterable[Stored]) -> None:
    """Puts files there as a site does."""
    for one in files:
        s3.put_object(Bucket=bucket, Key=one.key, Body=one.data, Metadata=segment_metadata.encode(one.facts))


def wait_until_indexed(dynamodb: Any, table: str, count: int) -> None:
    """Until the index has so many segments."""
    deadline = time.monotonic() + INDEXED_S_MAX
    while True:
        items = dynamodb.scan(TableName=table)["Items"]
        if sum("object_key" in item for item in items) >= count:
            return
        assert time.monotonic() < deadline, f"{len(items)} items after {INDEXED_S_MAX} s"
        time.sleep(0.1)

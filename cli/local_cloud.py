"""What an operator of a local site does in the cloud: registers the thing, sets secrets, writes the desired shadows.

It speaks to the embedded AWS with boto3 as one would to the real one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from components.shared.errors import Transient
from components.shared.wire.site_config import SITE, camera_shadow, document_sha256
from local.site import REGION

_CONFIG = Config(retries={"max_attempts": 3, "mode": "standard"}, connect_timeout=5, read_timeout=20)


class LocalCloud:
    """The embedded AWS of one site."""

    def __init__(self, endpoint_url: str, resources: Mapping[str, str], thing: str) -> None:
        self.endpoint_url = endpoint_url
        self.resources = resources
        self.thing = thing
        self._session = boto3.Session(
            aws_access_key_id="local",
            aws_secret_access_key="local",  # noqa: S106 - the embedded AWS takes any
            region_name=REGION,
        )
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """A boto3 client of the embedded AWS; each is made once, since making one takes longer than using it."""
        if service not in self._clients:
            self._clients[service] = self._session.client(
                service,  # type: ignore[call-overload]  # the service is an argument here
                endpoint_url=self.endpoint_url,
                config=_CONFIG,
            )
        return self._clients[service]

    @property
    def media_bucket(self) -> str:
        """The bucket that footage goes to."""
        return self.resources["MediaBucket"]

    def count_indexed(self) -> int:
        """How many segments the index holds. Items without an object are pictures whose segment is still to come.

        Transient when the cloud cannot be reached.
        """
        pages = (
            self.client("dynamodb")
            .get_paginator("scan")
            .paginate(
                TableName=self.resources["MediaTable"],
                Select="COUNT",
                FilterExpression="attribute_exists(object_key)",
            )
        )
        try:
            return sum(page["Count"] for page in pages)
        except BotoCoreError as error:
            raise Transient(f"the index cannot be counted: {error}") from error

    def register(self) -> None:
        """Make the thing, when it is not there."""
        self.client("iot").create_thing(thingName=self.thing)

    def set_secret(self, name: str, value: str) -> None:
        """Set a secret under the thing's own prefix."""
        secrets = self.client("secretsmanager")
        secret = f"edgenvr/{self.thing}/{name}"
        try:
            if secrets.get_secret_value(SecretId=secret)["SecretString"] == value:
                return
            secrets.put_secret_value(SecretId=secret, SecretString=value)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            secrets.create_secret(Name=secret, SecretString=value)

    def desired(self, shadow: str) -> dict[str, Any]:
        """The desired state of a named shadow; empty when there is none."""
        try:
            answer = self.client("iot-data").get_thing_shadow(thingName=self.thing, shadowName=shadow)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            return {}
        state: dict[str, Any] = json.loads(answer["payload"].read())["state"]
        desired: dict[str, Any] = state.get("desired", {})
        return desired

    def update_desired(self, shadow: str, changes: Mapping[str, Any]) -> None:
        """Change members of the desired state; a None removes."""
        payload = json.dumps({"state": {"desired": changes}}).encode()
        self.client("iot-data").update_thing_shadow(thingName=self.thing, shadowName=shadow, payload=payload)

    def configure(self, cameras: Mapping[str, Mapping[str, Any]], segment_s: int | None) -> None:
        """Let exactly these cameras exist, each camera's own document first, as the site's names its hash.

        What an operator has changed meanwhile stays: of a camera that is there only the source is set.
        """
        site = self.desired(SITE)
        hashes: dict[str, str | None] = {camera: None for camera in site.get("cameras", {}) if camera not in cameras}
        for camera, document in cameras.items():
            shadow = camera_shadow(camera)
            have = self.desired(shadow)
            wanted = {**have, "source": document["source"]} if have else dict(document)
            if wanted != have:
                self.update_desired(shadow, wanted)
            hashes[camera] = document_sha256(wanted)
        changes: dict[str, Any] = {"schema": site.get("schema", 1), "cameras": hashes}
        if segment_s is not None:
            changes["recording"] = {"segment_s": segment_s}
        self.update_desired(SITE, changes)

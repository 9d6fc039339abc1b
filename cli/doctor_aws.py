"""Tests the way to AWS as the components use it: the endpoint, the bucket, the shadow, the secrets.

On a developer's machine that is the embedded AWS of the running site; elsewhere the environment's own credentials and
region are used. A refusal's text is `what is wrong -> what to do`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from components.shared.errors import Rejected, Transient
from components.shared.wire.object_keys import site_prefix
from fleet.artifacts import PUBLISHER_PREFIX
from local.site import Layout

_QUICK = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2})

Test = Callable[[], str]


def examine_aws(layout: Layout) -> Iterator[tuple[str, Test]]:
    """The tests by name, in the order in which they build on each other."""
    deployment_file = layout.local / "deployment.json"
    if not deployment_file.exists():
        yield "AWS", _nothing_deployed
        return
    deployment = json.loads(deployment_file.read_text())
    thing = deployment["thingName"]
    bucket = _bucket(deployment)

    def client(service: str) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]  # the service is an argument here
            endpoint_url=deployment["environment"].get("AWS_ENDPOINT_URL"),
            region_name=deployment["region"],
            aws_access_key_id="local",
            aws_secret_access_key="local",  # noqa: S106 - the embedded AWS takes any
            config=_QUICK,
        )

    yield "AWS account", _asked(lambda: "answers as " + client("sts").get_caller_identity()["Account"])
    yield "media bucket", _asked(lambda: _listed(client("s3"), bucket, site_prefix(thing)))
    yield "device shadow", _asked(lambda: _shadow(client("iot-data"), thing))
    yield "secrets", _asked(lambda: _secrets(client("secretsmanager"), thing))


def _bucket(deployment: dict[str, Any]) -> str:
    component = deployment["components"].get(PUBLISHER_PREFIX + "CloudSync", {})
    bucket: str = component.get("configurationUpdate", {}).get("merge", {}).get("mediaBucket", "")
    return bucket


def _nothing_deployed() -> str:
    raise Rejected("nothing was deployed here yet -> start a site with `./nvr up`")


def _asked(ask: Test) -> Test:
    """`ask` with AWS's errors in our words."""

    def asked() -> str:
        try:
            return ask()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            raise Rejected(
                f"AWS answers {code} -> {_ADVICE.get(code, 'see AWS documentation of that code')}"
            ) from error
        except BotoCoreError as error:
            advice = "is the network there, and does a firewall let HTTPS out?"
            raise Transient(f"AWS does not answer ({type(error).__name__}) -> {advice}") from error

    return asked


_ADVICE = {
    "AccessDenied": "the device's role lacks the permission: compare it with cloud/template.yaml",
    "ExpiredToken": "the credentials are too old: is the box's clock right?",
    "NoSuchBucket": "deploy cloud/template.yaml, and set mediaBucket of CloudSync to its output",
    "404": "deploy cloud/template.yaml, and set mediaBucket of CloudSync to its output",
    "ResourceNotFoundException": "write the `site` shadow of this thing; docs/design/configuration.md has its form",
}


def _listed(s3: Any, bucket: str, prefix: str) -> str:
    s3.head_bucket(Bucket=bucket)
    found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("KeyCount", 0)
    return f"{bucket} is there; " + ("this site has footage in it" if found else "nothing of this site in it yet")


def _shadow(iot_data: Any, thing: str) -> str:
    answer = iot_data.get_thing_shadow(thingName=thing, shadowName="site")
    document = json.loads(answer["payload"].read())
    cameras = document["state"].get("desired", {}).get("cameras", {})
    return f"site of {thing} has version {document['version']} and {len(cameras)} cameras"


def _secrets(secrets: Any, thing: str) -> str:
    prefix = f"edgenvr/{thing}/"
    found = secrets.list_secrets(Filters=[{"Key": "name", "Values": [prefix]}])["SecretList"]
    return f"{len(found)} under {prefix}"

"""What backup and restore see of an AWS account: its clients, and what the template's resources are called in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from components.shared.errors import Rejected

BUCKET, TABLES, TOPIC = "MediaBucket", ("MediaTable", "AlertsTable"), "AlertTopic"
"""The resources that hold what must outlive the account, by their names in the template."""

SECRET_PREFIX = "edgenvr/"  # noqa: S105 - what the names of secrets begin with, no secret


class Clients(Protocol):
    """Gives boto3 clients."""

    def __call__(self, service: str) -> Any:
        """The client of a service."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account with the stack in it. `resources` are physical names by the template's names."""

    clients: Clients
    region: str
    number: str
    resources: Mapping[str, str]
    outputs: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)

    def resource(self, name: str) -> str:
        """What a resource of the template is called; Rejected when the stack has none."""
        if name not in self.resources:
            raise Rejected(f"the stack has no {name}: deploy cloud/template.yaml first (`./nvr cloud deploy`)")
        return self.resources[name]


def list_things(account: Account) -> list[dict[str, Any]]:
    """The registry: name, attributes and type of each thing, by name."""
    pages = account.clients("iot").get_paginator("list_things").paginate()
    found = [
        {
            "name": thing["thingName"],
            "attributes": thing.get("attributes", {}),
            "type": thing.get("thingTypeName"),
        }
        for page in pages
        for thing in page["things"]
    ]
    return sorted(found, key=lambda thing: str(thing["name"]))


def list_shadows(account: Account, thing: str) -> list[str]:
    """The names of a thing's named shadows."""
    client = account.clients("iot-data")
    found: list[str] = []
    more: dict[str, str] = {}
    while True:
        page = client.list_named_shadows_for_thing(thingName=thing, pageSize=100, **more)
        found += page["results"]
        if not page.get("nextToken"):
            return sorted(found)
        more = {"nextToken": page["nextToken"]}


def shadow_state(account: Account, thing: str, shadow: str) -> dict[str, Any] | None:
    """What a shadow desires and reports; None when there is none."""
    client = account.clients("iot-data")
    try:
        answer = client.get_thing_shadow(thingName=thing, shadowName=shadow)
    except client.exceptions.ResourceNotFoundException:
        return None
    state: dict[str, Any] = json.loads(answer["payload"].read())["state"]
    return {section: state[section] for section in ("desired", "reported") if state.get(section)}


def list_secrets(account: Account) -> list[str]:
    """The names of all secrets of sites. Values are never asked for."""
    pages = account.clients("secretsmanager").get_paginator("list_secrets").paginate()
    names = [str(secret["Name"]) for page in pages for secret in page["SecretList"]]
    return sorted(name for name in names if name.startswith(SECRET_PREFIX))


def list_subscriptions(account: Account) -> list[dict[str, str]]:
    """Who hears of alerts: protocol and address."""
    client = account.clients("sns")
    pages = client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=account.resource(TOPIC))
    found = [
        {"protocol": str(one["Protocol"]), "endpoint": str(one["Endpoint"])}
        for page in pages
        for one in page["Subscriptions"]
    ]
    return sorted(found, key=lambda one: (one["protocol"], one["endpoint"]))


def list_items(account: Account, table: str) -> Iterator[dict[str, dict[str, Any]]]:
    """Every item of a table, by its name in the template."""
    pages = (
        account.clients("dynamodb")
        .get_paginator("scan")
        .paginate(TableName=account.resource(table), ConsistentRead=True)
    )
    for page in pages:
        yield from page["Items"]


def list_objects(account: Account, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    """Every object below a prefix: `Key`, `Size`, `LastModified`, `StorageClass`."""
    pages = account.clients("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        yield from page.get("Contents", [])

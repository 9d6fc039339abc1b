"""What the template comes to in the stand-in: the parts that it runs itself, and what all resources are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.aws import web_resources
from local.aws.schedules import Schedule
from local.aws.template import Created

STACK = "edgenvr"


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the template: where its code is, how it is called, what it may take."""

    name: str
    code: Path
    handler: str
    timeout_s: int
    memory_mb: int
    role: str
    environment: Mapping[str, str]
    dead_letters: str | None = None  # the queue, by its ARN, for events that could not be handled


@dataclass(frozen=True, slots=True)
class QueueFeed:
    """Which queue feeds which function, and in what batches."""

    queue_arn: str
    function: str
    batch_messages: int
    batch_window_s: int
    concurrency: int
    reports_failures: bool


@dataclass(frozen=True, slots=True)
class TopicRule:
    """Which messages of IoT Core call which function, by its ARN."""

    name: str
    arn: str
    sql: str
    function: str


@dataclass(frozen=True, slots=True)
class TableRule:
    """Which messages of IoT Core become items of which table, by whose role."""

    name: str
    sql: str
    table: str
    role: str


@dataclass(frozen=True, slots=True)
class Permission:
    """Who may call a function, by its name: a service, for one of its things (None: for any)."""

    function: str
    service: str
    source: str | None


@dataclass(frozen=True, slots=True)
class Address:
    """Where the stand-in listens, and as whom one speaks to it."""

    endpoint_url: str
    public_url: str  # what the URLs of queues begin with, whoever made them
    region: str
    account: str
    access_key_id: str
    secret_access_key: str


@dataclass
class Stack:
    """What came of the template."""

    created: dict[str, Created] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    feeds: list[QueueFeed] = field(default_factory=list)
    topic_rules: list[TopicRule] = field(default_factory=list)
    table_rules: list[TableRule] = field(default_factory=list)
    schedules: list[Schedule] = field(default_factory=list)
    topic_keys: dict[str, str] = field(default_factory=dict)  # the key's ARN by the topic's
    permissions: list[Permission] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    roles: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # policy documents by the role's ARN
    aliases: dict[str, str] = field(default_factory=dict)  # the role's ARN by its alias
    web: web_resources.Web = field(default_factory=web_resources.Web)

"""The AWS account that the cloud side runs in, for commands: its clients, and what the stack's resources are called.

On a developer's machine the embedded AWS of a site stands in for it; elsewhere it is the account of the environment's
credentials, or of a profile.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError, ProfileNotFound

from components.shared.errors import Rejected, Transient
from local.site import Layout

_CONFIG = Config(connect_timeout=10, read_timeout=30, retries={"mode": "standard", "max_attempts": 4})

UNRESERVED_RUNS_MIN = 100
"""Lambda lets nobody reserve the last hundred runs of an account."""


@dataclass
class Account:
    """An account and the stack in it. `resources` maps names of the template to names in the account."""

    session: Any
    endpoint_url: str | None
    resources: Mapping[str, str]
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """A boto3 client, made once."""
        if service not in self.clients:
            self.clients[service] = self.session.client(service, endpoint_url=self.endpoint_url, config=_CONFIG)
        return self.clients[service]

    def who(self) -> str:
        """As whom one speaks to which account. Rejected without credentials, Transient without a line."""
        with speaking("ask who we are"):
            told = self.client("sts").get_caller_identity()
        return f"account {told['Account']} in {self.session.region_name} as {told['Arn']}"


def embedded_account(layout: Layout) -> Account | None:
    """The embedded AWS of a local site; None where none has run."""
    ready = layout.ready("cloud")
    if not ready.exists():
        return None
    told = json.loads(ready.read_text())
    session = boto3.Session(
        aws_access_key_id=told["access_key_id"],
        aws_secret_access_key=told["secret_access_key"],
        region_name=told["region"],
    )
    return Account(session, told["endpoint_url"], told["resources"])


def real_account(stack: str | None, region: str | None, profile: str | None) -> Account:
    """The account of the environment, with the resources of a stack in it; Rejected with what is missing."""
    with speaking(f"look at stack {stack}"):
        session = boto3.Session(region_name=region, profile_name=profile)
        account = Account(session, None, {})
        if stack is None:
            return account
        pages = account.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
        account.resources = {
            resource["LogicalResourceId"]: resource["PhysicalResourceId"]
            for page in pages
            for resource in page["StackResourceSummaries"]
            if "PhysicalResourceId" in resource
        }
    return account


@contextmanager
def speaking(what: str) -> Iterator[None]:
    """Errors of AWS within come out in our words: that `what` could not be done, and what to do."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise failure(what, error) from error


def failure(what: str, error: BotoCoreError | ClientError) -> Rejected | Transient:
    """An error of AWS in our words: what could not be done, what AWS says, what to do."""
    if isinstance(error, NoCredentialsError):
        return Rejected(f"cannot {what}: there are no credentials -> `aws sso login`, or name a --profile")
    if isinstance(error, NoRegionError):
        return Rejected(f"cannot {what}: no region is set -> name one with --region")
    if isinstance(error, ProfileNotFound):
        return Rejected(f"cannot {what}: {error} -> `aws configure list-profiles` shows which there are")
    if isinstance(error, ClientError):
        told = error.response["Error"]
        code, message = told.get("Code", "?"), told.get("Message", "")
        advice = _ADVICE.get(code, "the message says what AWS wants")
        return Rejected(f"cannot {what}: AWS answers {code}: {message} -> {advice}")
    return Transient(f"cannot {what}: AWS does not answer ({error}) -> is the network there, is HTTPS let out?")


_ADVICE = {
    "AccessDenied": "your own role lacks this permission",
    "AccessDeniedException": "your own role lacks this permission",
    "ExpiredToken": "log in again",
    "ExpiredTokenException": "log in again",
    "InvalidClientTokenId": "these credentials are of no account: log in again",
    "ValidationError": "is it deployed in this region? `./nvr cloud deploy` does it",
}


def require_runs(account: Account, wanted: int) -> str:
    """What the account's limit of runs at once leaves, when `wanted` more can be reserved; else Rejected."""
    with speaking("ask for the account's limits"):
        limit = account.client("lambda").get_account_settings()["AccountLimit"]
    return judge_runs(limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"], wanted)


def judge_runs(limit: int, unreserved: int, wanted: int) -> str:
    """Whether `wanted` runs can be reserved, the last hundred being kept back; Rejected with what to ask AWS for."""
    left = unreserved - wanted
    if left < UNRESERVED_RUNS_MIN:
        raise Rejected(
            f"functions of this account may run {limit} times at once, of which {unreserved} are free, and the template"
            f" reserves {wanted} with {UNRESERVED_RUNS_MIN} to be left -> ask for more: `aws service-quotas"
            f" request-service-quota-increase --service-code lambda --quota-code L-B99A9384 --desired-value 1000`"
        )
    return f"{unreserved} runs at once are free, {wanted} are reserved"


def has_stack(account: Account, stack: str) -> bool:
    """Whether a stack of that name is there."""
    try:
        account.client("cloudformation").describe_stacks(StackName=stack)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            return False
        raise failure(f"look for stack {stack}", error) from error
    except BotoCoreError as error:
        raise failure(f"look for stack {stack}", error) from error
    return True


def output_of(account: Account, stack: str, name: str) -> str:
    """An output of a stack; Rejected when it has none of that name."""
    with speaking(f"read what stack {stack} came to"):
        (found,) = account.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
    if name not in outputs:
        raise Rejected(f"stack {stack} has no output {name} -> is it one of ours?")
    return str(outputs[name])

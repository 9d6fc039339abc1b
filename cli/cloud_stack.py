"""The door to an account's AWS for the commands that work on it: a deployed stack, or an embedded AWS.

The account is the one of the environment's credentials and region, as for every AWS tool. What is turned down, or does
not answer, is told in our words.
"""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from cloud.backup_account import Account
from components.shared.errors import Rejected, Transient

STACK = "edgenvr"
_CONFIG = Config(retries={"max_attempts": 5, "mode": "standard"}, connect_timeout=5, read_timeout=60)
_CONNECTIONS_MAX = 32  # more than there are workers at the same time


def add_account_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say which account is meant."""
    parser.add_argument("--stack", default=STACK, metavar="NAME", help=f"the stack's name (default: {STACK})")
    parser.add_argument(
        "--embedded",
        type=Path,
        metavar="FILE",
        help="an embedded AWS instead, by its ready file: that of a local site is DATA/local/cloud.ready.json",
    )


def open_account(arguments: argparse.Namespace) -> Account:
    """The account that the options name; Rejected when there is no such stack, Transient when nobody answers."""
    if arguments.embedded is not None:
        return embedded_account(arguments.embedded)
    return deployed_account(arguments.stack)


def embedded_account(ready_file: Path) -> Account:
    """An embedded AWS, by the file in which it says that it is ready."""
    try:
        ready = json.loads(ready_file.read_bytes())
        session = boto3.Session(ready["access_key_id"], ready["secret_access_key"], region_name=ready["region"])
        account = Account(
            _clients(session, ready["endpoint_url"]),
            ready["region"],
            ready["account"],
            ready["resources"],
            ready["outputs"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Rejected(f"{ready_file} is not the ready file of an embedded AWS: {error!r}") from error
    return account


def deployed_account(stack: str) -> Account:
    """The account of the environment's credentials, with a stack in it."""
    session = boto3.Session()
    clients = _clients(session, None)
    with told_errors():
        cloudformation = clients("cloudformation")
        try:
            (described,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationError":
                raise
            raise Rejected(
                f"there is no stack {stack} in {session.region_name}: deploy it (`./nvr cloud deploy`), or name "
                "another --stack or AWS_REGION"
            ) from error
        pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
        resources = {
            one["LogicalResourceId"]: one["PhysicalResourceId"]
            for page in pages
            for one in page["StackResourceSummaries"]
            if one.get("PhysicalResourceId")
        }
        number = clients("sts").get_caller_identity()["Account"]
    return Account(
        clients,
        str(session.region_name),
        number,
        resources,
        {one["OutputKey"]: one["OutputValue"] for one in described.get("Outputs", [])},
        {one["ParameterKey"]: one["ParameterValue"] for one in described.get("Parameters", [])},
    )


@contextlib.contextmanager
def told_errors() -> Iterator[None]:
    """AWS's refusals as Rejected, and its silence as Transient, each with what to do."""
    try:
        yield
    except ClientError as error:
        told = error.response["Error"]
        raise Rejected(
            f"AWS refuses {error.operation_name}: {told['Code']}: {told.get('Message', '')} -> is it the right "
            "account, and may these credentials do that?"
        ) from error
    except (NoCredentialsError, NoRegionError) as error:
        raise Rejected(f"{error} -> set AWS_PROFILE or AWS_ACCESS_KEY_ID, and AWS_REGION") from error
    except BotoCoreError as error:
        raise Transient(f"AWS does not answer: {error} -> try again: what was done stays done") from error


def _clients(session: boto3.Session, endpoint_url: str | None) -> Any:
    @cache
    def client(service: str) -> Any:
        return session.client(
            service,  # type: ignore[call-overload]  # the service is an argument here
            endpoint_url=endpoint_url,
            config=_CONFIG.merge(Config(max_pool_connections=_CONNECTIONS_MAX)),
        )

    return client

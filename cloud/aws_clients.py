"""The clients that functions speak through: one way to make them, each made once per process, at its first use.

Without a limit on its calls a function would hang in one until it is killed, and its messages would come again late.
A call is tried a few times within the function's own time; what fails then is tried again by whoever called.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Final

import boto3
from botocore.config import Config

from cloud.alert_telling import TellingDoors

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_iot_data import IoTDataPlaneClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

CONNECT_S_MAX = 5
CALL_S_MAX: Final = 10  # of one call; S3's copies have longer
TRIES_MAX = 3


@cache
def s3(read_s_max: int = CALL_S_MAX) -> S3Client:
    """The client of S3, with the longest wait for an answer."""
    return boto3.client("s3", config=_config(read_s_max))


@cache
def dynamodb() -> DynamoDBClient:
    """The client of DynamoDB."""
    return boto3.client("dynamodb", config=_config())


@cache
def sns() -> SNSClient:
    """The client of SNS."""
    return boto3.client("sns", config=_config())


@cache
def sqs() -> SQSClient:
    """The client of SQS."""
    return boto3.client("sqs", config=_config())


@cache
def iot_data() -> IoTDataPlaneClient:
    """The client of IoT Core's data plane."""
    return boto3.client("iot-data", config=_config())


@cache
def secrets() -> SecretsManagerClient:
    """The client of Secrets Manager."""
    return boto3.client("secretsmanager", config=_config())


def telling() -> TellingDoors:
    """What telling people of an alert speaks to, by the function's environment."""
    return TellingDoors(dynamodb(), sns(), table(), os.environ["TOPIC_ARN"])


def table() -> str:
    """The table that the template gave the function."""
    return os.environ["TABLE_NAME"]


def _config(read_s_max: int = CALL_S_MAX) -> Config:
    tries = TRIES_MAX if read_s_max <= CALL_S_MAX else 2  # a function has no time for a third long one
    return Config(connect_timeout=CONNECT_S_MAX, read_timeout=read_s_max, retries={"total_max_attempts": tries})

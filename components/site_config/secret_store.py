"""The secrets of this site in AWS Secrets Manager, under `edgenvr/<thing>/<name>`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from components.shared.errors import Rejected
from components.shared.runtime.secrets import Secret
from components.site_config.aws_client import AwsClient, AwsSession, Refusal

PREFIX = "edgenvr"
_ACTIONS = "secretsmanager:GetSecretValue"


@dataclass(frozen=True, slots=True)
class CloudSecret:
    """A secret's current value and the id of that version, which changes with every new value."""

    value: Secret
    version: str


class SecretStore(Protocol):
    """Where the site's secrets come from."""

    def get(self, name: str) -> CloudSecret | None:
        """The secret of that name; None when the cloud has none. Transient without an answer; Rejected: no text."""


class SecretsManagerStore:
    """The secrets of a thing in AWS Secrets Manager."""

    def __init__(self, session: AwsSession, thing: str) -> None:
        self._client = AwsClient(session, "secretsmanager", _ACTIONS)
        self._thing = thing

    def get(self, name: str) -> CloudSecret | None:
        """See SecretStore."""
        try:
            answer = self._client.call(
                f"secret {name}: get", "get_secret_value", SecretId=f"{PREFIX}/{self._thing}/{name}"
            )
        except Refusal as refusal:
            if refusal.code == "ResourceNotFoundException":
                return None
            raise
        text = answer.get("SecretString")
        if not isinstance(text, str) or not text:
            raise Rejected(f"secret {name}: it holds no text `user:password`")
        return CloudSecret(Secret(text), str(answer.get("VersionId", "")))

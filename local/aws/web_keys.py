"""The key pair that media cookies are signed with: what somebody does by hand for a deployment, done at each start.

The public half goes into the template's parameter, the private half into its secret; cookies of an earlier start are
refused, and the page asks for others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from local.aws.template import Template

PARAMETER = "MediaPublicKey"


class MediaKey:
    """A new key pair, which is made when a template wants it."""

    def __init__(self) -> None:
        self._private_pem = ""

    def given_to(self, template: Template) -> Template:
        """The template with the public half as its parameter; as it is, if it has none."""
        if PARAMETER not in template.parameters:
            return template
        key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
        encoding, public = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        self._private_pem = key.private_bytes(
            encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        pem = key.public_key().public_bytes(encoding, public).decode()
        return replace(template, parameters={**template.parameters, PARAMETER: pem})

    def put_into(self, secrets: Sequence[str], client: Any) -> None:
        """Puts the private half into the template's secrets, of which there is one."""
        if self._private_pem:
            for arn in secrets:
                client.put_secret_value(SecretId=arn, SecretString=self._private_pem)

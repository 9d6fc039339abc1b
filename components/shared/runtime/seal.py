"""How secrets are kept at rest: the content of a secret's file, made from the secret and read back.

There are two ways behind one protocol. `PLAIN` writes the text as it is: then only the file's mode, and that of its
folder, keep it from others. `systemd_creds` has it encrypted where the box offers that. A file says by its first bytes
which way it was made, so that both may lie side by side, and every reader reads both. `Keeping` says which way a writer
takes, and why.

A seal keeps no secret and writes no file. What it cannot open is Rejected (another machine's, or damaged), what might
work the next time Transient; neither text holds anything of the secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from components.shared.errors import Rejected
from components.shared.wire.secret import Secret


class Seal(Protocol):
    """Makes the content of secrets' files, and reads it."""

    @property
    def kind(self) -> str:
        """What it is called in logs."""

    def close(self, name: str, secret: Secret) -> bytes:
        """The content of the file of the secret of that name. Transient."""

    def open(self, name: str, content: bytes) -> Secret:
        """What `close` was given for that name. Rejected when the content was not made for this name or machine."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """The way in which a writer keeps secrets, and a sentence about it for people."""

    seal: Seal
    told: str

    @property
    def is_encrypted(self) -> bool:
        """Whether a copy of the disk's files alone does not give secrets away."""
        return self.seal.kind != PLAIN.kind


class PlainSeal:
    """The text as it is, with a line end, as an editor leaves it."""

    kind = "plain"

    def close(self, name: str, secret: Secret) -> bytes:
        """See Seal."""
        del name
        return secret.reveal().encode() + b"\n"

    def open(self, name: str, content: bytes) -> Secret:
        """See Seal."""
        try:
            return Secret(content.decode().rstrip("\r\n"))
        except UnicodeDecodeError as error:
            # The error itself holds the bytes: it is not shown as what this was made from.
            raise Rejected(f"secret {name} is not text in UTF-8: {error.reason}") from None


PLAIN = PlainSeal()

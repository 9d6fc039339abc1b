"""Keeps the site's secrets at rest as well as the box offers it, and says once which way that is.

At its first use it finds out (see `systemd_creds`), tells it, and encrypts what still lies there in plain: secrets from
before an update, and those that somebody has put there by hand. It never decrypts a file for good.

A secret that cannot be opened here, as after a new TPM2 or on another box, is as good as none. It is called unreadable
the second time in a row, so that a key that is busy for a moment costs nobody a password that was set at the site.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from components.shared.errors import Rejected, Transient
from components.shared.runtime.log import Log
from components.shared.runtime.seal import Keeping
from components.shared.runtime.secrets import kind_of, list_secrets, read_secret, secret_path, write_secret
from components.shared.wire.secret import Secret


class SecretKeeping:
    """The secrets' files of one data root; used by one thread."""

    def __init__(self, data: Path, choose: Callable[[], Keeping], log: Log) -> None:
        """`choose` may take seconds; it is called once."""
        self._data = data
        self._choose = choose
        self._log = log
        self._chosen: Keeping | None = None
        self._doubtful: set[str] = set()

    def settle(self) -> None:
        """Find out how secrets are kept, tell it, and encrypt what is plain; nothing when that was done. Transient."""
        if self._chosen is None:
            self._keeping()
            for name in list_secrets(self._data):
                self._encrypt(name)

    def write(self, name: str, secret: Secret) -> None:
        """Keep a secret under that name. Transient."""
        write_secret(self._data, name, secret, self._keeping().seal)
        self._doubtful.discard(name)

    def is_there(self, name: str) -> bool:
        """Whether there is a secret of that name, or was one a moment ago that should be looked at again. Transient."""
        if not secret_path(self._data, name).exists():
            return False
        try:
            read_secret(self._data, name)
        except Rejected as error:
            if name in self._doubtful:
                return False
            self._doubtful.add(name)
            self._log.warning("secret_not_opened", secret=name, error=error)
            return True
        self._doubtful.discard(name)
        return True

    def is_doubtful(self, name: str) -> bool:
        """Whether it could not be opened when it was looked at last."""
        return name in self._doubtful

    def _keeping(self) -> Keeping:
        if self._chosen is None:
            self._chosen = self._choose()
            tell = self._log.info if self._chosen.is_encrypted else self._log.warning
            tell("secrets_at_rest", kind=self._chosen.seal.kind, told=self._chosen.told)
        return self._chosen

    def _encrypt(self, name: str) -> None:
        try:
            if self._keeping().is_encrypted and kind_of(self._data, name) != self._keeping().seal.kind:
                write_secret(self._data, name, read_secret(self._data, name), self._keeping().seal)
                self._log.info("secret_encrypted", secret=name)
        except (Transient, Rejected) as error:  # it stays as it is; whoever needs it says what is wrong with it
            self._log.warning("secret_not_encrypted", secret=name, error=error)

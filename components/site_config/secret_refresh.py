"""Keeps the secrets that the documents name in files, as the cloud has them.

A secret is fetched at once when a document first names it, again every few minutes, and when a camera refuses the
login. The file is written when the cloud has a version that was not written before, or when there is none that can be
opened: a secret that was set at the site stays until the cloud's is changed, and one that the cloud does not have stays
for ever. No value is logged. How the files are kept is `secret_keeping`'s matter.
"""

from __future__ import annotations

import json
from pathlib import Path

from components.shared.errors import Rejected, Transient
from components.shared.runtime.clock import Clock
from components.shared.runtime.config import config_folder
from components.shared.runtime.files import disk_errors, make_folders, write_durably
from components.shared.runtime.log import Log
from components.shared.wire.messages import StreamChanged
from components.shared.wire.object_keys import stream_stem
from components.shared.wire.units import NS_PER_S
from components.site_config.configuration import Configuration
from components.site_config.secret_keeping import SecretKeeping
from components.site_config.secret_store import SecretStore

REFRESH_NS = 300 * NS_PER_S
"""A rotated password reaches the camera within five minutes; every fetch costs money."""

MISSING_NS = 30 * NS_PER_S
"""A secret that is nowhere yet, or that its camera refuses, is asked for more often: the camera cannot be recorded, and
somebody is about to set it.
"""

REFUSED_NS = 2 * NS_PER_S
"""A secret that a camera has just refused is asked for at once, but not for each of forty cameras that share it."""


class SecretRefresh:
    """Fetches what is due; one thread calls `attempt`."""

    def __init__(
        self,
        data: Path,
        configuration: Configuration,
        store: SecretStore,
        keeping: SecretKeeping,
        clock: Clock,
        log: Log,
    ) -> None:
        self._path = config_folder(data) / "edits" / "secrets.json"
        self._configuration = configuration
        self._store = store
        self._keeping = keeping
        self._clock = clock
        self._log = log
        self._due_ns: dict[str, int] = {}
        self._asked_ns: dict[str, int] = {}
        self._refused: dict[str, str] = {}  # stream to the secret that it was refused with
        self._told: dict[str, str] = {}

    def heard(self, change: StreamChanged) -> None:
        """A stream has another state: a camera that refuses its login may have been given another one."""
        stream = stream_stem(change.camera, change.stream)
        secret = self._configuration.secret_of(change.camera) if change.cause == "authentication" else None
        if secret is None:
            self._refused.pop(stream, None)
            return
        self._refused[stream] = secret
        asked_ns = self._asked_ns.get(secret)
        due_ns = self._clock.monotonic_ns() if asked_ns is None else asked_ns + REFUSED_NS
        self._due_ns[secret] = min(due_ns, self._due_ns.get(secret, due_ns))

    def attempt(self) -> None:
        """Fetch the secrets that are due. Transient, after all were tried, when one could not be fetched."""
        self._keeping.settle()
        now_ns = self._clock.monotonic_ns()
        names = self._configuration.secret_names()
        failure: Transient | None = None
        for name in names:
            if now_ns < self._due_ns.get(name, now_ns):
                continue
            is_there = True
            self._asked_ns[name] = now_ns
            try:
                is_there = self._refresh(name)
            except Transient as error:
                failure = failure or error
                continue
            except Rejected as error:
                self._tell(name, str(error))
            is_urgent = not is_there or name in self._refused.values()
            self._due_ns[name] = now_ns + (MISSING_NS if is_urgent else REFRESH_NS)
        if failure is not None:
            raise failure

    def _refresh(self, name: str) -> bool:
        """Bring one secret to its file; whether there is one now."""
        found = self._store.get(name)
        is_there = self._keeping.is_there(name)
        if found is None:
            if not is_there:
                self._tell(name, f"secret {name} is neither in Secrets Manager nor at the site")
            return is_there
        seen = self._seen()
        if seen.get(name) != found.version or not is_there:
            self._keeping.write(name, found.value)
            make_folders(self._path.parent)
            write_durably(self._path, json.dumps({**seen, name: found.version}).encode())
            self._log.info("secret_written", secret=name)
        self._told.pop(name, None)
        return not self._keeping.is_doubtful(name)

    def _seen(self) -> dict[str, str]:
        """The versions that were written; a file that cannot be understood says nothing."""
        with disk_errors(self._path, "read"):
            try:
                seen = json.loads(self._path.read_bytes())
            except (FileNotFoundError, ValueError):
                return {}
        return seen if isinstance(seen, dict) else {}

    def _tell(self, name: str, text: str) -> None:
        if self._told.get(name) != text:
            self._told[name] = text
            self._log.warning("secret_missing", secret=name, error=text)

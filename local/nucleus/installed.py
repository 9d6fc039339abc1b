"""Which install steps have succeeded, kept in a file: they run once, not at every start of the core."""

import json
from pathlib import Path

from local.nucleus.durable_file import replace_file


class InstalledList:
    """Component to the fingerprint of its last install that succeeded."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fingerprints: dict[str, str] = json.loads(path.read_bytes()) if path.exists() else {}

    def has(self, name: str, fingerprint: str) -> bool:
        """Tell whether this very install was done."""
        return self._fingerprints.get(name) == fingerprint

    def put(self, name: str, fingerprint: str) -> None:
        """Note an install that was done."""
        if not self.has(name, fingerprint):
            self._fingerprints[name] = fingerprint
            self._save()

    def forget(self, name: str) -> None:
        """Forget a component that is no longer deployed."""
        if self._fingerprints.pop(name, None) is not None:
            self._save()

    def _save(self) -> None:
        replace_file(self._path, json.dumps(self._fingerprints, indent=1).encode())

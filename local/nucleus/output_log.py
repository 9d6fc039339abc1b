"""What a component writes, kept in a file of bounded size with a few older ones."""

from pathlib import Path

LOG_BYTES_MAX = 10 * 1024 * 1024  # a day of a chatty component; one page of an editor opens it
LOGS_KEPT = 3  # older files, .1 the youngest


class OutputLog:
    """Appends bytes to a file and starts a new one when it is full."""

    def __init__(self, path: Path, bytes_max: int = LOG_BYTES_MAX, kept: int = LOGS_KEPT) -> None:
        self._path = path
        self._bytes_max = bytes_max
        self._kept = kept
        self._file = path.open("ab", buffering=0)
        self._size = self._file.tell()

    def write(self, data: bytes) -> None:
        """Append what a component wrote, cut between lines where the file is full."""
        if self._size and self._size + len(data) > self._bytes_max:
            self._rotate()
        self._file.write(data)
        self._size += len(data)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _rotate(self) -> None:
        self._file.close()
        for number in range(self._kept - 1, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{number}")
            if older.exists():
                older.replace(self._path.with_name(f"{self._path.name}.{number + 1}"))
        self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        self._file = self._path.open("ab", buffering=0)
        self._size = 0

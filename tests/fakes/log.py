"""A log that keeps its records for a test to look at."""

from __future__ import annotations

from components.shared.runtime.log import Log, Record


class RecordingLog(Log):
    """Keeps every record, of all levels and of all logs bound from it, oldest first."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        super().__init__(self.records.append, "DEBUG")

    def events(self) -> list[str]:
        """The event names, oldest first."""
        return [record.event for record in self.records]

    def named(self, event: str) -> list[Record]:
        """The records of that event, oldest first."""
        return [record for record in self.records if record.event == event]

    def text(self) -> str:
        """All of it as one text: a test looks in it for what must not be there."""
        return "\n".join(f"{record.level} {record.event} {dict(record.fields)!r}" for record in self.records)

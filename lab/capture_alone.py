"""Capture's worker and its crews without a core, deleting old segments: for shows that look at its disk alone.

python -m lab.capture_alone --data DIR [--set sync_delay_ms=20] [--set segments_kept=4]

The documents in DIR/config say what it records. It says and hears nothing. `sync_delay_ms` makes every sync of a file
take that much longer, as on a tired disk; `segments_kept` is how many closed segments a camera keeps (0: all).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from components.capture.app import assemble, hire_processes
from components.capture.zygote_link import ZYGOTE_COMMAND
from components.shared.catalogue.capture import CaptureWriter
from components.shared.catalogue.reconcile import delete_garbage
from components.shared.runtime.bus import CloudInbox, Inbox, UpdateInbox
from components.shared.runtime.clock import Clock
from components.shared.runtime.component import Context, Task, run_component
from components.shared.runtime.log import Log
from components.shared.wire.messages import Body
from components.shared.wire.topics import CAPTURE, Topic
from components.shared.wire.units import NS_PER_MS

DELETE_NS = 200 * NS_PER_MS


class SilentBus:
    """A bus that reaches nobody."""

    def publish(self, body: Body, trace_id: str = "") -> None:
        """Say it to nobody."""

    def subscribe(self, topic: Topic, inbox: Inbox) -> None:
        """Hear nothing."""

    def publish_cloud(self, topic: str, payload: bytes) -> None:
        """Hand it to nobody."""

    def subscribe_cloud(self, topic_filter: str, inbox: CloudInbox) -> None:
        """Hear nothing."""

    def subscribe_updates(self, inbox: UpdateInbox) -> None:
        """Hear nothing."""

    def put_off_update(self, deployment: str, duration_ns: int, reason: str) -> None:
        """Nobody asks."""

    def close(self) -> None:
        """Nothing is open."""


def build(context: Context) -> Sequence[Task]:
    """Capture's tasks, and one that deletes."""
    delay_ms = context.settings.get("sync_delay_ms")
    command = ZYGOTE_COMMAND if delay_ms is None else (sys.executable, "-m", "lab.tired_zygote", delay_ms)
    kept = int(context.settings.get("segments_kept", "0"))
    parts = assemble(context, lambda supplies: hire_processes(supplies, command))

    def delete_old() -> None:
        while not context.clock.wait(context.stop, DELETE_NS):
            delete_oldest(parts.catalogue, kept)

    return (*parts.tasks, Task("delete", delete_old)) if kept else parts.tasks


def delete_oldest(catalogue: CaptureWriter, kept: int) -> None:
    """Delete all but the newest closed segments of each camera, in the order of every deletion."""
    for stream in catalogue.streams():
        for old in catalogue.segments(stream.camera, state="closed")[:-kept]:
            catalogue.mark_garbage(old.segment, "older than the newest few")
    for garbage in catalogue.garbage():
        delete_garbage(catalogue, garbage)


def open_bus(_component: str, _log: Log, _clock: Clock) -> SilentBus:
    """The bus of this process."""
    return SilentBus()


if __name__ == "__main__":
    os.environ.setdefault("AWS_IOT_THING_NAME", "lab-box")
    sys.exit(run_component(CAPTURE, build, sys.argv[1:], open_bus))

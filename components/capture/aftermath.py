"""What the keeper does for a camera whose crew ended by itself, before anybody records it again.

Its open segment keeps what its file holds, its run ends where its footage does, and from there on there is a gap whose
cause is `component_down` and whose detail tells how the crew ended.
"""

from __future__ import annotations

from collections.abc import Callable

from components.capture.core.reconnect import OFFLINE_FAILURES, State, StreamStatus
from components.capture.crews import Left
from components.capture.import_ledger import ImportLedger
from components.capture.stream_ledger import StreamLedger
from components.shared.catalogue.capture import CaptureWriter, GapCause
from components.shared.catalogue.imports import repair_imports
from components.shared.catalogue.reconcile import settle_stream
from components.shared.runtime.log import Log
from components.shared.wire.object_keys import StreamName

CAUSE: GapCause = "component_down"


def settle_left(left: Left, catalogue: CaptureWriter, make_ledger: Callable[[str], StreamLedger], log: Log) -> None:
    """See the module; may be repeated. Transient when disk or catalogue do not take it."""
    ledger = make_ledger(left.camera)
    for repair in settle_stream(catalogue, ledger.camera, ledger.stream):
        log.warning("segment_settled", camera=left.camera, what=repair.what, path=repair.where, detail=repair.detail)
    _end_runs(ledger.camera, ledger.stream, catalogue)
    cause = left.plan.wanted.cause
    if cause is not None:
        ledger.begin(left.start, cause)  # nothing was to be recorded, so nothing is missing
    else:
        ledger.begin(left.start, CAUSE, f"its recording process ended: {left.why}")
    if not left.plan.is_on:
        ledger.changed(StreamStatus("off"))
        return
    # Its own attempts would make it offline after as many failures; these count alike.
    state: State = "offline" if left.crashes >= OFFLINE_FAILURES else "connecting"
    ledger.changed(StreamStatus(state, CAUSE, left.crashes))


def settle_import(left: Left, catalogue: CaptureWriter, ledger: ImportLedger, log: Log) -> None:
    """The same for a camera whose footage comes as files: a file may bring that time yet, so its gap goes on."""
    for repair in repair_imports(catalogue, left.camera):
        log.warning("repaired", what=repair.what, path=repair.where, detail=repair.detail)
    _end_runs(ledger.camera, ledger.stream, catalogue)
    state: State = "offline" if left.crashes >= OFFLINE_FAILURES else "connecting"
    ledger.begin(StreamStatus(state, CAUSE, left.crashes))


def _end_runs(camera: str, stream: StreamName, catalogue: CaptureWriter) -> None:
    for run in catalogue.unended_runs():
        if (run.camera, run.stream) == (camera, stream):
            catalogue.end_cut_off_run(run.run)

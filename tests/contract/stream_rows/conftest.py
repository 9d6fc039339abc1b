"""The two that keep StreamRows: the catalogue's writer, and the same one asked over a socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.capture.calls import Caller, answer_calls
from components.capture.hints import Hints
from components.capture.import_rows import ImportRows
from components.capture.remote_rows import RemoteImports, RemoteRows, answering
from components.capture.stream_rows import StreamRows
from components.shared.catalogue.capture import CaptureWriter, Volume
from components.shared.catalogue.imports import Imports
from components.shared.errors import Fatal
from components.shared.wire.topics import CAPTURE
from tests.fakes.bus import FakeBus
from tests.fakes.clock import FakeClock
from tests.fakes.log import RecordingLog


@dataclass
class Subject:
    """The rows under test, and the catalogue that they are kept in, as others see it."""

    rows: StreamRows
    imports: ImportRows
    catalogue: CaptureWriter


@pytest.fixture(params=["own", "remote"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    catalogue = CaptureWriter.open(tmp_path)
    catalogue.register_volume(Volume("main", tmp_path / "media" / "main"))
    if request.param == "own":
        yield Subject(catalogue, Imports(catalogue), catalogue)
        catalogue.close()
        return
    ours, theirs = socket.socketpair()
    hints = Hints(FakeBus(CAPTURE), FakeClock(), RecordingLog())

    def answer() -> None:
        while True:
            try:
                answer_calls(theirs, answering(catalogue, Imports(catalogue), hints))
            except Fatal:  # the keeper would end; the suite asks on
                continue
            return

    thread = threading.Thread(target=answer)
    thread.start()
    caller = Caller(ours)
    yield Subject(RemoteRows(caller), RemoteImports(caller), catalogue)
    ours.close()
    thread.join(5.0)
    assert not thread.is_alive(), "the answering ends with its caller"
    theirs.close()
    catalogue.close()

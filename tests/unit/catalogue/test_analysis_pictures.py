"""analysis.db tells which cameras' pictures are at fault, and keeps what was learnt of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from components.shared.catalogue.analysis import AnalysisReader, AnalysisWriter
from components.shared.catalogue.analysis_pictures import REASON_CHARS_MAX, REFERENCE_BYTES_MAX, PictureFaultRow
from components.shared.errors import Fatal, Rejected
from tests.fakes.archive import at


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[AnalysisWriter]:
    writer = AnalysisWriter.open(tmp_path)
    yield writer
    writer.close()


def fault(camera: str, kind: str) -> PictureFaultRow:
    return PictureFaultRow(camera, kind, at(1), 0.5, "half of it is left")


def test_faults_are_exactly_those_that_were_set_last(writer: AnalysisWriter, tmp_path: Path) -> None:
    """Setting replaces a camera's faults and touches no other's; none is well."""
    reader = AnalysisReader.open(tmp_path)
    writer.set_picture_faults("cam-1", [fault("cam-1", "picture_moved")])
    writer.set_picture_faults("cam-2", [fault("cam-2", "picture_black")])
    writer.set_picture_faults("cam-1", [fault("cam-1", "picture_black")])
    assert reader.picture_faults() == [fault("cam-1", "picture_black"), fault("cam-2", "picture_black")]
    writer.set_picture_faults("cam-1", [])
    assert reader.picture_faults() == [fault("cam-2", "picture_black")]
    reader.close()


def test_references_replace_those_of_the_same_camera(writer: AnalysisWriter) -> None:
    """What was kept of another format of the picture goes with the next keeping."""
    writer.keep_picture_references({"cam-1": {"a": b"1", "b": b"2"}, "cam-2": {"a": b"3"}})
    writer.keep_picture_references({"cam-1": {"c": b"4"}})
    assert writer.picture_references("cam-1") == {"c": b"4"}
    assert writer.picture_references("cam-2") == {"a": b"3"}


def test_cameras_that_are_gone_are_forgotten(writer: AnalysisWriter) -> None:
    """Nothing is left of a camera that exists no more; a camera that was never seen is no fault."""
    for camera in ("cam-1", "cam-2"):
        writer.set_picture_faults(camera, [fault(camera, "picture_black")])
        writer.keep_picture_references({camera: {"a": b"1"}})
    writer.forget_pictures_but(frozenset({"cam-2", "cam-3"}))
    assert [row.camera for row in writer.picture_faults()] == ["cam-2"]
    assert writer.picture_references("cam-1") == {} and writer.picture_references("cam-2") == {"a": b"1"}


def test_what_does_not_fit_is_refused_or_cut(writer: AnalysisWriter) -> None:
    """A camera's name is checked, a reference has a limit, a reason is cut."""
    with pytest.raises(Rejected):
        writer.set_picture_faults("Cam 1", [])
    with pytest.raises(Fatal):
        writer.keep_picture_references({"cam-1": {"a": bytes(REFERENCE_BYTES_MAX + 1)}})
    writer.keep_picture_references({"cam-1": {"a": bytes(REFERENCE_BYTES_MAX)}})
    long = PictureFaultRow("cam-1", "picture_black", at(1), 1.0, "x" * 999)
    writer.set_picture_faults("cam-1", [long])
    assert len(writer.picture_faults()[0].reason) == REASON_CHARS_MAX

"""Shadow documents: what is accepted, what is refused and how it is said."""

from __future__ import annotations

from typing import Any

import pytest

from components.shared.errors import Rejected
from components.shared.wire.site_config import (
    DOCUMENT_BYTES_MAX,
    SiteDocument,
    canonical_json,
    check_bytes,
    document_sha256,
    parse_camera,
    parse_site,
)

CAMERA: dict[str, Any] = {"schema": 1, "name": "Yard", "source": {"url": "rtsp://10.0.0.9/main", "secret": "yard"}}


def test_defaults_are_a_valid_site() -> None:
    """An empty document is the default site."""
    assert parse_site({}).document == SiteDocument()


def test_all_faults_are_told_together() -> None:
    """Two faults, one message that names both paths."""
    with pytest.raises(Rejected) as refusal:
        parse_site({"recording": {"segment_s": "180"}, "time_zone": "Mars/Olympus"})
    assert "recording.segment_s" in str(refusal.value)
    assert "time_zone" in str(refusal.value)
    assert "Europe/Berlin" in str(refusal.value)


def test_unknown_key_is_a_fault_in_our_schema() -> None:
    """A key that this schema does not have is a typing error, not something to skip."""
    with pytest.raises(Rejected, match="recordnig"):
        parse_site({"schema": 1, "recordnig": {}})


def test_unknown_key_of_a_newer_schema_is_ignored_and_named() -> None:
    """A document of a newer release is read as far as we understand it, and says what was left out."""
    parsed = parse_site({"schema": 99, "novel": {"a": 1}, "recording": {"segment_s": 60, "gap": 1}})
    assert parsed.document.recording.segment_s == 60
    assert sorted(parsed.ignored) == ["novel", "recording.gap"]


def test_newer_schema_does_not_excuse_wrong_types() -> None:
    """Only unknown keys are forgiven; a known key of the wrong type stays a fault."""
    with pytest.raises(Rejected, match=r"recording\.segment_s"):
        parse_site({"schema": 99, "novel": 1, "recording": {"segment_s": "60"}})


@pytest.mark.parametrize("segment_s", [1, 600])
def test_segment_length_at_its_limits(segment_s: int) -> None:
    """1 s and 600 s are allowed."""
    assert parse_site({"recording": {"segment_s": segment_s}}).document.recording.segment_s == segment_s


@pytest.mark.parametrize("segment_s", [0, 601, 1.5, True, None])
def test_segment_length_beyond_its_limits(segment_s: object) -> None:
    """Outside 1 to 600 whole seconds is refused."""
    with pytest.raises(Rejected, match=r"recording\.segment_s"):
        parse_site({"recording": {"segment_s": segment_s}})


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://10.0.0.9/", "rtsp://"),
        ("rtsp://", "rtsp://"),
        ("rtsp://user:secret@10.0.0.9/", "no user or password"),
        ("rtsp://10.0.0.9:99999/", "not a URL"),
    ],
)
def test_bad_camera_url(url: str, told: str) -> None:
    """A URL that cannot work or carries credentials is refused with what to do, and without the password."""
    with pytest.raises(Rejected, match="camera-yard") as refusal:
        parse_camera("yard", {**CAMERA, "source": {"url": url}})
    assert told in str(refusal.value)
    assert "secret@" not in str(refusal.value)


@pytest.mark.parametrize("polygon", ["0,0 1000,0 1000,1000", "1,1 2,2 3,3 4,4"])
def test_good_region(polygon: str) -> None:
    """A region of three and more points in thousandths is taken."""
    camera = parse_camera("yard", {**CAMERA, "motion": {"regions": {"door": polygon}}}).document
    assert camera.motion.regions == {"door": polygon}


@pytest.mark.parametrize("polygon", ["", "0,0 1,1", "0,0 1,1 1001,5", "0,0;1,1;2,2", "a,b c,d e,f"])
def test_bad_region(polygon: str) -> None:
    """Everything else is refused, naming the region."""
    with pytest.raises(Rejected, match=r"motion\.regions\.door"):
        parse_camera("yard", {**CAMERA, "motion": {"regions": {"door": polygon}}})


@pytest.mark.parametrize("raw", [None, [], "site", 5])
def test_not_an_object(raw: object) -> None:
    """A document that is no object is refused by name."""
    with pytest.raises(Rejected, match="document site"):
        parse_site(raw)


def test_document_size_limit() -> None:
    """What fits beside the reported state goes, one byte more is refused with the numbers."""
    frame = len(canonical_json({"name": ""}))
    check_bytes("site", {"name": "x" * (DOCUMENT_BYTES_MAX - frame)})
    with pytest.raises(Rejected, match=rf"{DOCUMENT_BYTES_MAX + 1} bytes, at most {DOCUMENT_BYTES_MAX} .*8192"):
        check_bytes("site", {"name": "x" * (DOCUMENT_BYTES_MAX - frame + 1)})


def test_hash_does_not_depend_on_the_order_of_keys() -> None:
    """Two texts of one value have one hash."""
    assert document_sha256({"a": 1, "b": 2}) == document_sha256({"b": 2, "a": 1})

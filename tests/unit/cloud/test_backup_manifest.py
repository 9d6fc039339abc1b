"""What a backup is, and what is refused as one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloud import backup_manifest as layout
from cloud.backup_manifest import Manifest, described
from cloud.functions.index_object import core
from components.shared.errors import Rejected
from components.shared.wire.object_keys import ObjectName, object_key
from components.shared.wire.units import parse_stamp

NAME = "20261121T100000.000Z"
DATA = layout.encode({"desired": {"time_zone": "Europe/Berlin"}})
FILE = described("shadows/site-1/site.json", DATA)
MANIFEST = Manifest(layout.FORMAT, NAME, "eu-central-1", "123", "media", (FILE,), {"shadows": 1})


def changed(**members: Any) -> bytes:
    return json.dumps({**json.loads(layout.encode_manifest(MANIFEST)), **members}).encode()


def test_a_manifest_comes_back_as_it_was() -> None:
    """What is written is what is read."""
    assert layout.decode_manifest(layout.encode_manifest(MANIFEST)) == MANIFEST


def test_a_file_is_what_the_manifest_says() -> None:
    """One byte more, less or other is told, with the file's name."""
    assert layout.check_file(FILE, DATA) == DATA
    for other in (DATA + b" ", DATA[:-1], DATA.replace(b"B", b"b")):
        with pytest.raises(Rejected, match=r"shadows/site-1/site\.json"):
            layout.check_file(FILE, other)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        changed(format=layout.FORMAT + 1),
        changed(name="../x"),
        changed(files=[{"path": "../../etc/passwd", "sha256": "0", "size_bytes": 1}]),
        changed(files=[{"path": "/etc/passwd", "sha256": "0", "size_bytes": 1}]),
        changed(files=[{"path": "shadows/../x.json", "sha256": "0", "size_bytes": 1}]),
        changed(files=[{"path": "x"}]),
        changed(counts=None),
    ],
)
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    """Other forms, newer ones, and paths that leave the backup."""
    with pytest.raises(Rejected, match="backup"):
        layout.decode_manifest(data)


def test_the_newest_backup_is_found_by_its_name() -> None:
    """Names are times; what is no backup is no candidate."""
    names = ["20261121T100000.000Z", "20261122T000000.000Z", "zz", "20250101T000000.000Z"]
    assert layout.newest(names) == "20261122T000000.000Z"
    with pytest.raises(Rejected, match="nvr cloud backup"):
        layout.newest(["zz"])


@pytest.mark.parametrize("shadow", ["site", "health", "camera-front-door"])
def test_a_shadow_is_found_by_its_path(shadow: str) -> None:
    """Thing and name come back from a path, whatever characters a thing has."""
    assert layout.shadow_of(layout.shadow_path("a:b_c-1", shadow)) == ("a:b_c-1", shadow)
    layout.check_path(layout.shadow_path("a:b_c-1", shadow))


@pytest.mark.parametrize("kind", ["mp4", "jpg", "json"])
@pytest.mark.parametrize("is_there", [True, False])
def test_what_the_indexer_writes_follows_from_the_bucket(kind: Any, is_there: bool) -> None:
    """Every item that the indexer makes, of what is there or was deleted, is left out of a backup."""
    name = ObjectName("front", "main", parse_stamp("20251020T140300.000Z"), kind)
    seen = core.Seen(7, "e", "v", {}) if is_there else None
    change = core.decide(object_key("site-1", name), "0" * 40, seen, 0)
    item = {"pk": {"S": change.pk}, "sk": {"S": change.sk}, **{one: {"S": "x"} for one in change.to_set}}
    for found in (item, core.stream_item(object_key("site-1", name))):
        assert layout.follows_from_bucket(found)
        assert not layout.is_kept(found)


@pytest.mark.parametrize(
    ("item", "is_kept"),
    [
        ({"pk": {"S": "SITE#site-1"}, "sk": {"S": "SITE"}, "time_zone": {"S": "UTC"}}, True),
        ({"pk": {"S": "SEEN"}, "sk": {"S": "site-1"}}, True),
        ({"pk": {"S": "NOTICE#site-1"}, "sk": {"S": "x"}, "told": {"BOOL": True}}, True),
        ({"pk": {"S": "WATCH"}, "sk": {"S": "site-1"}}, True),
        ({"pk": {"S": "PRESENCE"}, "sk": {"S": "site-1"}}, False),
    ],
)
def test_what_nothing_else_says_is_kept(item: dict[str, dict[str, Any]], is_kept: bool) -> None:
    """Sites, signs and notices are in a backup; who was connected to the old broker is not."""
    assert layout.is_kept(item) == is_kept

"""Older documents are read as they were meant, newer ones as far as they are understood, and none is rewritten."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.shared.errors import Rejected
from components.shared.runtime.config import read_snapshot
from components.shared.wire.schema_steps import (
    OLDEST_SCHEMA,
    STEPS,
    SchemaStep,
    early_members,
    migrated,
    with_schema_of_members,
)
from components.shared.wire.site_config import SCHEMA, document_sha256, parse_camera, parse_site

GOLDEN = Path(__file__).parents[2] / "data" / "documents"
DOCUMENTS = sorted(GOLDEN.glob("*.*.json"))


def _counting(raw: dict[str, Any]) -> dict[str, Any]:
    return {**raw, "steps": raw.get("steps", 0) + 1}


INVENTED = (
    SchemaStep(2, added={"camera": ("light.white",)}),
    SchemaStep(3, migrate={"camera": lambda raw: {"snapshot_s": 30, **raw}, "site": _counting}),
    SchemaStep(4, added={"camera": ("sub.fps",)}, migrate={"site": _counting}),
)
"""A third schema under which `snapshot_s` would mean something else when it is not given."""


def test_every_schema_has_golden_documents() -> None:
    """One of each kind for each schema, kept for ever."""
    assert {path.name for path in DOCUMENTS} == {
        f"{kind}.{schema}.json" for kind in ("site", "camera") for schema in range(OLDEST_SCHEMA, SCHEMA + 1)
    }
    assert [step.schema for step in STEPS] == list(range(OLDEST_SCHEMA + 1, SCHEMA + 1))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_golden_document(path: Path) -> None:
    """It means what it meant when it was written: each member that was known then has the value that it had."""
    golden = json.loads(path.read_text())
    parsed = parse_site(golden["raw"]) if path.name.startswith("site") else parse_camera("cam-1", golden["raw"])
    assert parsed.ignored == ()
    assert_within(golden["read_as"], json.loads(parsed.document.model_dump_json(by_alias=True)))
    assert document_sha256(golden["raw"]) == golden["sha256"]


def assert_within(part: Any, whole: Any) -> None:
    if isinstance(part, dict):
        assert part.keys() <= whole.keys()
        for name, value in part.items():
            assert_within(value, whole[name])
    else:
        assert part == whole


def test_golden_files_in_force(tmp_path: Path) -> None:
    """The last good files of an older release, and what it has not known in them, are read by this one."""
    folder = tmp_path / "config"
    folder.mkdir()
    for path in sorted((GOLDEN / "files").iterdir()):
        (folder / path.name).write_bytes(path.read_bytes())
    snapshot = read_snapshot(tmp_path)
    assert snapshot is not None
    assert not snapshot.faults
    assert (snapshot.site.version, snapshot.cameras["cam-1"].version) == (12, 7)
    assert snapshot.cameras["cam-1"].document.name == "Yard"


def test_a_member_needs_its_schema() -> None:
    """A document of an older schema cannot bring a newer member: the release before would refuse all of it."""
    source = {"url": "rtsp://192.0.2.1/1", "trial": False}
    with pytest.raises(Rejected, match=r"source\.trial: needs schema 2, the document says 1"):
        parse_camera("cam-1", {"schema": 1, "name": "Yard", "source": source})
    with pytest.raises(Rejected, match="needs schema 2"):
        parse_camera("cam-1", {"name": "Yard", "source": source})
    assert not parse_camera("cam-1", {"schema": 2, "name": "Yard", "source": source}).document.source.trial


def test_steps_are_taken_in_order() -> None:
    """From the document's schema to the newest, and what was given is what counts."""
    assert migrated("camera", {"name": "Yard"}, INVENTED) == {"name": "Yard", "snapshot_s": 30}
    assert migrated("camera", {"schema": 2, "snapshot_s": 5}, INVENTED) == {"schema": 2, "snapshot_s": 5}
    assert migrated("camera", {"schema": 3}, INVENTED) == {"schema": 3}
    assert migrated("site", {"schema": 1}, INVENTED) == {"schema": 1, "steps": 2}
    assert migrated("site", {"schema": 3}, INVENTED) == {"schema": 3, "steps": 1}
    before = {"schema": 1, "name": "Yard"}
    migrated("camera", before, INVENTED)
    assert before == {"schema": 1, "name": "Yard"}


def test_an_edit_says_the_schema_that_it_needs() -> None:
    """The least that all of its members need, and never less than it said."""
    raw = {"schema": 1, "light": {"white": True}}
    assert with_schema_of_members("camera", raw, INVENTED) == {**raw, "schema": 2}
    assert with_schema_of_members("camera", {**raw, "sub": {"fps": 5}}, INVENTED)["schema"] == 4
    assert with_schema_of_members("camera", {"schema": 9, "sub": {"fps": 5}}, INVENTED)["schema"] == 9
    assert with_schema_of_members("site", raw, INVENTED) is raw


@pytest.mark.parametrize("schema", ["1", 1.0, None, True, []])
def test_a_schema_that_is_no_number_is_left_to_the_model(schema: object) -> None:
    """It is refused there, by name."""
    raw = {"schema": schema, "name": "Yard", "source": {"url": "rtsp://192.0.2.1/1", "trial": True}}
    assert migrated("camera", raw, INVENTED) is raw
    assert early_members("camera", raw) == {}
    with pytest.raises(Rejected, match="schema: "):
        parse_camera("cam-1", raw)

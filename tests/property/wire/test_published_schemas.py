"""The published JSON Schemas say what the site checks: what it takes fits them, and what they refuse it refuses."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.document_schemas import DIALECT, MEMBER_TEXTS, document_schema
from components.shared.wire.site_config import SCHEMA, CameraDocument, SiteDocument
from components.site_config.core.documents import is_valid
from tests.fakes.wild_documents import GOOD_CAMERA, GOOD_SITE, nudged_document, wild_document

pytestmark = pytest.mark.slow

SCHEMAS = {"site": document_schema(SiteDocument), "camera-cam-1": document_schema(CameraDocument)}
GOOD: dict[str, dict[str, Any]] = {"site": GOOD_SITE, "camera-cam-1": GOOD_CAMERA}
UNITS = {
    "_kbit_s": "kbit/s",
    "_s": "seconds",
    "days": "days",
    "_minutes": "minutes",
    "bytes_max": "bytes",
    "percent": "percent",
}


def fits(name: str, raw: object) -> bool:
    return bool(jsonschema.Draft202012Validator(SCHEMAS[name]).is_valid(raw))


def members(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every member of a document's schema, by section and name."""
    schema = SCHEMAS[name]
    for section, definition in {**schema["$defs"], schema["title"]: schema}.items():
        for member, told in definition["properties"].items():
            yield f"{section}.{member}", told


def leaves(value: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, inner in value.items():
        yield (*path, key)
        if isinstance(inner, dict):
            yield from leaves(inner, (*path, key))


def replaced(raw: dict[str, Any], path: tuple[str, ...], value: object) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(raw))
    holder = copy
    for part in path[:-1]:
        holder = holder[part]
    holder[path[-1]] = value
    return copy


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_is_complete(name: str) -> None:
    """Each member has a sentence, with its unit where its name has one, and a default unless it is required."""
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$schema"] == DIALECT
    required = {f"{schema['title']}.{key}" for schema in _sections(name) for key in schema.get("required", [])}
    optional_maps = {
        "SiteDocument.cameras",
        "CameraMotionSection.regions",
        "CameraMotionSection.ignore",
        "AlertsSection.rules",
        "StorageSection.tags",
    }
    for path, told in members(name):
        assert told.get("description"), f"{path} has no text: cli/document_schemas.py"
        assert "default" in told or path in required | optional_maps, path
        ending = max((ending for ending in UNITS if path.endswith(ending)), key=len, default=None)
        if ending is not None:
            assert UNITS[ending] in told["description"], f"{path}: {UNITS[ending]}"


def _sections(name: str) -> list[dict[str, Any]]:
    return [*SCHEMAS[name]["$defs"].values(), SCHEMAS[name]]


def test_no_text_is_left_over() -> None:
    """Each text belongs to a member that there is."""
    assert set(MEMBER_TEXTS) <= {path for name in SCHEMAS for path, _told in members(name)}


@settings(max_examples=1_000, deadline=None)
@given(st.sampled_from(sorted(SCHEMAS)), st.randoms(use_true_random=False))
def test_what_the_site_takes_fits(name: str, chance: random.Random) -> None:
    """No document that the site takes is refused by its schema; those of a newer schema have one of their own."""
    raw = chance.choice([nudged_document, wild_document])(chance, GOOD[name])
    if is_valid(name, raw) and raw.get("schema", 1) <= SCHEMA:
        assert fits(name, raw), raw


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_is_wrong_fits_neither(name: str) -> None:
    """A wrong type, null, an unknown member and a number out of its range, at every place of a full document."""
    good = GOOD[name]
    assert fits(name, good)
    assert is_valid(name, good)
    for path in leaves(good):
        value = replaced(good, path, None)
        assert fits(name, value) == is_valid(name, value), path
        wrongs: list[Any] = [[], {"unknown": 1}, -1, 10**12]
        for wrong in wrongs:
            if (path, wrong) == (("schema",), 10**12):
                continue  # a document of a newer schema, which the published one does not describe
            value = replaced(good, path, wrong)
            assert not fits(name, value), (path, wrong)
            assert not is_valid(name, value), (path, wrong)
    for path in [(), *leaves(good)]:
        holder: Any = good
        for part in path:
            holder = holder[part]
        if isinstance(holder, dict) and path not in {("cameras",), ("motion", "regions")}:
            value = replaced(good, (*path, "unknown"), 1)
            assert not fits(name, value), path
            assert not is_valid(name, value), path


@given(st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_newer_members_are_ignored_wherever_they_stand(chance: random.Random) -> None:
    """A document of a newer schema with members that nobody knows yet is taken, at every place."""
    for name, good in GOOD.items():
        raw = {**good, "schema": SCHEMA + chance.randrange(1, 5)}
        place = chance.choice([(), *(path for path in leaves(raw) if path in _places(raw))])
        wild = replaced(raw, (*place, f"novel-{chance.randrange(9)}x"), chance.choice([1, "a", {"b": {}}, [1]]))
        assert is_valid(name, wild), place


def _places(raw: dict[str, Any]) -> set[tuple[str, ...]]:
    maps = {("cameras",), ("motion", "regions")}
    found = set()
    for path in leaves(raw):
        holder: Any = raw
        for part in path:
            holder = holder[part]
        if isinstance(holder, dict) and path not in maps:
            found.add(path)
    return found

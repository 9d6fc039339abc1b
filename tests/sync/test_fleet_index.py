"""The fleet index asks for what the sites' summaries really have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore.session
from botocore.validate import validate_parameters

from components.health_monitor.core.rules import judge, summarise
from components.shared.wire.site_config import HEALTH
from tests.unit.health_monitor.test_rules import HEALTHY

ROOT = Path(__file__).parents[2]
PATH = ROOT / "cloud" / "fleet_index.json"
FIELDS_MAX = 5
"""Fields of one's own that an account may index without asking for more."""

_TYPES: dict[type, str] = {bool: "Boolean", int: "Number", float: "Number", str: "String"}


def indexed() -> dict[str, Any]:
    """The configuration of the index."""
    found: dict[str, Any] = json.loads(PATH.read_text())["thingIndexingConfiguration"]
    return found


def test_iot_core_takes_the_configuration() -> None:
    """It is what UpdateIndexingConfiguration is called with, every member known and of its type."""
    operation = botocore.session.get_session().get_service_model("iot").operation_model("UpdateIndexingConfiguration")
    assert operation.input_shape is not None
    validate_parameters(json.loads(PATH.read_text()), operation.input_shape)


def test_every_field_is_one_of_the_summary() -> None:
    """A field of the index is a member of the summary in the `health` shadow, with the type that it has there."""
    summary = summarise(HEALTHY, judge(HEALTHY))
    fields = {field["name"]: field["type"] for field in indexed()["customFields"]}
    assert 0 < len(fields) <= FIELDS_MAX
    prefix = f"shadow.name.{HEALTH}.reported."
    wanted = {prefix + name: _TYPES[type(value)] for name, value in summary.items()}
    assert fields.items() <= wanted.items()
    assert indexed()["filter"]["namedShadowNames"] == [HEALTH]

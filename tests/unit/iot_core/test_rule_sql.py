"""The SQL of rules."""

import json
from typing import Any

import pytest

from local.iot_core import rule_sql
from local.iot_core.message import Message

NOW_MS = 1_700_000_000_000


def run(sql: str, document: Any, topic: str = "nvr/v1/site-1/health/reported", client: str | None = "core") -> Any:
    payload = document if isinstance(document, bytes) else json.dumps(document).encode()
    selected = rule_sql.parse(sql).select(Message(topic, payload, 0, client), NOW_MS)
    return None if selected is None else selected if isinstance(document, bytes) else json.loads(selected)


BODY = {"ok": False, "site": {"name": "o'hara", "disks": 2}, "level": 3.5, "none": None}


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ("*", BODY),
        ("*, topic(3) AS thing", {**BODY, "thing": "site-1"}),
        ("topic() AS topic, timestamp() AS at, clientid() AS id", {"topic": "t/x", "at": NOW_MS, "id": "core"}),
        ("ok, site.name, site.disks AS n", {"ok": False, "name": "o'hara", "n": 2}),
        ("missing, site.missing, ok.deeper, topic(9) AS far", {}),
        ("none", {"none": None}),
        ("'it''s' AS a, 5 AS b, -1.5 AS c, TRUE AS d", {"a": "it's", "b": 5, "c": -1.5, "d": True}),
    ],
)
def test_items_are_selected(items: str, expected: Any) -> None:
    """Each kind of item gives its value; what is not there is left out."""
    topic = "t/x" if "topic()" in items else "nvr/v1/site-1/health/reported"
    assert run(f"SELECT {items} FROM '#'", BODY, topic) == expected


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("ok = false", True),
        ("ok = 0", False),
        ("site.name = 'o''hara'", True),
        ("site.disks > 1", True),
        ("site.disks >= 2", True),
        ("site.disks < 2", False),
        ("site.disks <= 2", True),
        ("level = 3.5", True),
        ("level <> 3.5", False),
        ("level != 4", True),
        ("none = NULL", True),
        ("missing = 1", False),
        ("missing <> 1", False),
        ("NOT missing = 1", True),
        ("site.name > 'a'", True),
        ("site.name > 1", False),
        ("ok > 0", False),
        ("topic(3) = 'site-1'", True),
        ("topic(3) = 'site-2' OR level > 3", True),
        ("topic(3) = 'site-2' OR level > 3 AND ok = true", False),
        ("(topic(3) = 'site-2' OR level > 3) AND ok = false", True),
        ("2 < level", True),
        ("site.disks = level", False),
    ],
)
def test_conditions_decide(condition: str, holds: bool) -> None:
    """A message is selected exactly when the condition holds."""
    selected = run(f"SELECT * FROM 'nvr/v1/+/health/#' WHERE {condition}", BODY)
    assert selected == (BODY if holds else None)


def test_filter_decides_first() -> None:
    """A message on another topic is not selected, and # does not take what begins with a dollar."""
    assert run("SELECT * FROM 'nvr/v1/+/health'", BODY) is None
    assert run("SELECT * FROM '#'", BODY, "$aws/events/presence/connected/x") is None
    assert run("SELECT * FROM '$aws/events/presence/+/+'", BODY, "$aws/events/presence/connected/x") == BODY


def test_payload_that_is_no_json() -> None:
    """SELECT * passes bytes of any kind on, a rule that looks inside does not match them."""
    assert run("SELECT * FROM '#'", b"\xff\x00") == b"\xff\x00"
    assert run("SELECT * FROM '#' WHERE ok = true", b"\xff\x00") is None
    assert run("SELECT ok FROM '#'", b"\xff\x00") is None


def test_a_payload_can_be_taken_as_it_came() -> None:
    """encode(*, 'base64') gives the very bytes, JSON or not; beside what looks inside, only those of JSON."""
    sql = "SELECT encode(*, 'base64') AS payload, topic(3) AS thing FROM '#'"
    assert run(sql, b"\xff\x00") == b'{"payload":"/wA=","thing":"site-1"}'
    assert run(sql, b'{ "ok": 1 }') == b'{"payload":"eyAib2siOiAxIH0=","thing":"site-1"}'
    assert run("SELECT encode(*, 'base64') AS payload, ok FROM '#'", b"\xff\x00") == b'{"payload":"/wA="}'
    assert run("SELECT *, encode(*, 'base64') AS payload FROM '#'", b"\xff\x00") is None
    assert run("SELECT encode(*, 'base64') AS payload FROM '#' WHERE ok = 1", b"\xff\x00") is None


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "SELECT",
        "SELECT * FROM",
        "SELECT * FROM nvr",
        "SELECT * FROM 'a/#/b'",
        "SELECT * FROM 'a' WHERE",
        "SELECT * FROM 'a' WHERE b",
        "SELECT * FROM 'a' WHERE b = ",
        "SELECT * FROM 'a' WHERE (b = 1",
        "SELECT * FROM 'a' WHERE b = 1 c",
        "SELECT topic(1) FROM 'a'",
        "SELECT 5 FROM 'a'",
        "SELECT decode(x, 'base64') AS y FROM 'a'",
        "SELECT encode(*, 'hex') AS y FROM 'a'",
        "SELECT encode(x, 'base64') AS y FROM 'a'",
        "SELECT encode(*, 'base64') FROM 'a'",
        "SELECT b[0] FROM 'a'",
        "SELECT * FROM 'a' WHERE b + 1 = 2",
        "DELETE FROM 'a'",
    ],
)
def test_other_sql_is_refused_when_the_rule_is_made(sql: str) -> None:
    """SQL that is not understood raises RuleFault at once."""
    with pytest.raises(rule_sql.RuleFault):
        rule_sql.parse(sql)

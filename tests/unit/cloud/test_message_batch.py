"""A batch of messages: each is handled by itself, and only what failed comes again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from cloud.message_batch import handle_each


def batch(*bodies: str) -> dict[str, Any]:
    return {"Records": [{"messageId": f"m{index}", "body": body} for index, body in enumerate(bodies)]}


class Door:
    """Takes what is not to fail."""

    def __init__(self) -> None:
        self.taken: list[Any] = []

    def handle(self, body: Mapping[str, Any]) -> None:
        if body["do"] == "fail":
            raise KeyError("nobody is there")
        self.taken.append(body["do"])


def failures(event: dict[str, Any], door: Door) -> list[str]:
    answer = handle_each(event, "some_function", "not_done", door.handle)
    assert set(answer) == {"batchItemFailures"}
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_only_what_failed_comes_again(capsys: pytest.CaptureFixture[str]) -> None:
    """Neighbours of a message that fails, or is no JSON, are handled; each failure is a line with its message."""
    door = Door()
    assert failures(batch('{"do": "a"}', '{"do": "fail"}', "{", '{"do": "b"}', "[]"), door) == ["m1", "m2", "m4"]
    assert door.taken == ["a", "b"]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["event"], line["message_id"], line["exception_name"]) for line in lines] == [
        ("not_done", "m1", "KeyError"),
        ("not_done", "m2", "JSONDecodeError"),
        ("not_done", "m4", "TypeError"),
    ]
    assert {(line["component"], line["level"]) for line in lines} == {("some_function", "ERROR")}
    assert "nobody is there" in lines[0]["exception"]


@pytest.mark.parametrize("bodies", [("{",), ('{"do": "fail"}', "{")])
def test_a_batch_in_which_all_failed_is_an_answer_too(bodies: tuple[str, ...]) -> None:
    """The answer names all messages, and the call does not fail as a whole."""
    assert failures(batch(*bodies), Door()) == [f"m{index}" for index in range(len(bodies))]


def test_nothing_is_remembered_of_the_batch_before() -> None:
    """A process handles many batches: a failure of one is none of the next."""
    assert failures(batch('{"do": "fail"}'), Door()) == ["m0"]
    assert failures(batch('{"do": "a"}'), Door()) == []

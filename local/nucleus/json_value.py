"""The type of a value that came out of a JSON or YAML document.

Knows nothing of what the documents mean; readers narrow the type where they use it.
"""

import json
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
JsonObject: TypeAlias = dict[str, Json]


def compact(value: Json) -> bytes:
    """Return a JSON value as bytes without spaces."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def is_string_list(value: Json) -> bool:
    """Tell whether a value is a list of strings, the shape of a key path and of a policy's resources."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def strings(value: Json) -> list[str]:
    """Return the strings of a list and leave out what is none."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []

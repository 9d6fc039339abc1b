"""How much a JSON value costs Nucleus Lite, which decodes into memory of fixed size.

Pure. A list costs one object per item, a map two per entry (key and value), a scalar nothing of its own.
"""

from local.nucleus.json_value import Json

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1


def object_cost(value: Json) -> int:
    """Return the number of objects below a value."""
    if isinstance(value, dict):
        return sum(2 + object_cost(item) for item in value.values())
    if isinstance(value, list):
        return sum(1 + object_cost(item) for item in value)
    return 0


def depth(value: Json) -> int:
    """Return how many maps and lists are inside one another; a scalar has depth 0."""
    if isinstance(value, dict):
        return 1 + max((depth(item) for item in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((depth(item) for item in value), default=0)
    return 0


def text_bytes(value: Json) -> int:
    """Return the bytes of all keys and strings in a value."""
    if isinstance(value, dict):
        return sum(len(key.encode()) + text_bytes(item) for key, item in value.items())
    if isinstance(value, list):
        return sum(text_bytes(item) for item in value)
    return len(value.encode()) if isinstance(value, str) else 0


def fits_int64(value: Json) -> bool:
    """Tell whether every integer in a value fits into 64 bits with sign."""
    if isinstance(value, dict):
        return all(fits_int64(item) for item in value.values())
    if isinstance(value, list):
        return all(fits_int64(item) for item in value)
    return not isinstance(value, int) or INT64_MIN <= value <= INT64_MAX

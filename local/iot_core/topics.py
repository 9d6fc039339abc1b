"""Topic names and topic filters: what is valid and what matches; pure.

Rules of MQTT 3.1.1 (4.7) with the limits of AWS IoT Core. Keeps: a filter that begins with a wildcard never matches a
topic that begins with `$` (4.7.2), so that `#` shows nothing of `$aws/...`.
"""

from __future__ import annotations

TOPIC_BYTES_MAX = 256  # AWS IoT Core quota "Topic size"
TOPIC_SLASHES_MAX = 7  # AWS IoT Core quota "Maximum number of slashes in topic and topic filter"


def _fault_in_length(text: str, what: str) -> str | None:
    if not text:
        return f"{what} is empty"
    if len(text.encode()) > TOPIC_BYTES_MAX:
        return f"{what} has {len(text.encode())} bytes, at most {TOPIC_BYTES_MAX} are allowed"
    if text.count("/") > TOPIC_SLASHES_MAX:
        return f"{what} has {text.count('/')} slashes, at most {TOPIC_SLASHES_MAX} are allowed"
    return None


def fault_in_topic(topic: str) -> str | None:
    """Say why nobody may publish to this topic; None when one may."""
    if "+" in topic or "#" in topic:
        return "topic holds a wildcard"
    return _fault_in_length(topic, "topic")


def fault_in_filter(topic_filter: str) -> str | None:
    """Say why nobody may subscribe to this filter; None when one may."""
    levels = topic_filter.split("/")
    for index, level in enumerate(levels):
        if "#" in level and (level != "#" or index != len(levels) - 1):
            return "# stands neither alone in its level nor last"
        if "+" in level and level != "+":
            return "+ does not stand alone in its level"
    return _fault_in_length(topic_filter, "filter")


def matches(topic_filter: str, topic: str) -> bool:
    """Tell whether a message on `topic` belongs to a subscription of `topic_filter`; both are valid."""
    if topic.startswith("$") and topic_filter[:1] in ("+", "#"):
        return False
    wanted, given = topic_filter.split("/"), topic.split("/")
    if wanted[-1] == "#":
        wanted = wanted[:-1]  # `a/#` matches `a` too (4.7.1.2)
        given = given[: len(wanted)]
    return len(wanted) == len(given) and all(level in ("+", part) for level, part in zip(wanted, given, strict=True))

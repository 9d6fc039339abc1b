"""Which topic a filter matches, by the rules of either runtime and by those of MQTT.

Pure. Knows nothing of who may publish; see `authorization` for that.
"""

from local.nucleus.profile import Profile


def mqtt_matches(topic: str, topic_filter: str) -> bool:
    """Tell whether an MQTT filter matches a topic (MQTT 3.1.1, section 4.7)."""
    if topic.startswith("$") and topic_filter[:1] in ("+", "#"):
        return False
    return _levels_match(topic.split("/"), topic_filter.split("/"), parent_matches_hash=True)


def local_matches(topic: str, topic_filter: str, profile: Profile) -> bool:
    """Tell whether a local subscription's filter matches a topic on this runtime."""
    if topic == topic_filter:
        return True
    if profile.dollar_hidden_from_wildcards and topic.startswith("$") and topic_filter[:1] in ("+", "#"):
        return False
    levels, wanted = topic.split("/"), topic_filter.split("/")
    if profile.trailing_levels_dropped:
        levels, wanted = _without_empty_end(levels), _without_empty_end(wanted)
    return _levels_match(levels, wanted, parent_matches_hash=profile.parent_matches_hash)


def has_wildcard(topic: str) -> bool:
    """Tell whether a topic holds one of the characters that the classic runtime refuses in a publish."""
    return any(character in topic for character in "+#*")


def _levels_match(levels: list[str], wanted: list[str], *, parent_matches_hash: bool) -> bool:
    for index, want in enumerate(wanted):
        if want == "#" and index == len(wanted) - 1:
            return parent_matches_hash or len(levels) > index
        if index >= len(levels) or want not in ("+", levels[index]):
            return False
    return len(levels) == len(wanted)


def _without_empty_end(levels: list[str]) -> list[str]:
    end = len(levels)
    while end > 1 and levels[end - 1] == "":
        end -= 1
    return levels[:end]

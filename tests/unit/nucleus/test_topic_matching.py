"""Which topic a filter matches."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.nucleus.profile import CLASSIC, LITE
from local.nucleus.topics import has_wildcard, local_matches, mqtt_matches

PROPERTY = settings(max_examples=60, deadline=None)  # a loaded machine stops for seconds

levels = st.lists(st.sampled_from(["", "a", "b", "nvr", "$x"]), min_size=1, max_size=5)


@PROPERTY
@given(levels)
def test_a_topic_matches_itself_and_the_filter_of_all(parts: list[str]) -> None:
    """Every topic matches its own text, and "#" unless it begins with a dollar."""
    topic = "/".join(parts)
    assert mqtt_matches(topic, topic)
    assert mqtt_matches(topic, "#") is not topic.startswith("$")


@PROPERTY
@given(levels, st.data())
def test_a_plus_stands_for_one_level(parts: list[str], data: st.DataObject) -> None:
    """With any level after the first replaced by + the filter still matches, and no longer topic does."""
    at = data.draw(st.integers(0, len(parts) - 1))
    wild = [*parts[:at], "+", *parts[at + 1 :]]
    hidden = at == 0 and parts[0].startswith("$")
    assert mqtt_matches("/".join(parts), "/".join(wild)) is not hidden
    assert not mqtt_matches("/".join([*parts, "more"]), "/".join(wild))


@pytest.mark.parametrize(
    ("topic", "topic_filter", "matches"),
    [
        ("a", "a/#", True),
        ("a/b/c", "a/#", True),
        ("ab", "a/#", False),
        ("a/b", "a/#/b", False),
        ("a/#/b", "a/#/b", True),
        ("a/", "a/+", True),
        ("a", "a/+", False),
        ("$aws/x", "+/x", False),
        ("$aws/x", "$aws/+", True),
        ("a/b", "a", False),
        ("a", "a/b", False),
    ],
)
def test_mqtt_rules(topic: str, topic_filter: str, *, matches: bool) -> None:
    """The wildcards have the meaning of MQTT 3.1.1."""
    assert mqtt_matches(topic, topic_filter) is matches
    assert local_matches(topic, topic_filter, LITE) is matches


@pytest.mark.parametrize(
    ("topic", "topic_filter", "matches"),
    [
        ("a", "a/#", False),
        ("a/", "a/#", False),
        ("a/b", "a/#", True),
        ("a/", "a", True),
        ("a", "a/", True),
        ("a//b", "a/+/b", True),
        ("$aws/x", "#", True),
        ("a/x/b", "a/#/b", False),
    ],
)
def test_classic_rules(topic: str, topic_filter: str, *, matches: bool) -> None:
    """The classic runtime wants a level for "#", ignores empty ones at the end and knows no dollar."""
    assert local_matches(topic, topic_filter, CLASSIC) is matches


@pytest.mark.parametrize(("topic", "has"), [("a/b", False), ("a/+", True), ("#", True), ("a*", True), ("$a", False)])
def test_wildcards_are_seen(topic: str, *, has: bool) -> None:
    """Plus, hash and asterisk are wildcards."""
    assert has_wildcard(topic) is has

"""Topic filters, with paho-mqtt's matcher as the judge."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from local.iot_core.topics import fault_in_filter, fault_in_topic, matches

levels = st.sampled_from(["a", "b", "", "$aws", "long name"])
topics = st.lists(levels, min_size=1, max_size=5).map("/".join).filter(bool)


@st.composite
def topic_filters(draw: st.DrawFn) -> str:
    parts = draw(st.lists(levels | st.just("+"), max_size=5))
    if draw(st.booleans()) or not parts:
        parts.append("#")
    return "/".join(parts) or "+"


@pytest.mark.slow
@given(topic_filters(), topics)
def test_matches_as_another_implementation_does(topic_filter: str, topic: str) -> None:
    """A filter matches exactly the topics that paho-mqtt's own matcher says."""
    assert matches(topic_filter, topic) == topic_matches_sub(topic_filter, topic)


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/#", "ab", False),
        ("a/+", "a", False),
        ("a/+", "a/", True),
        ("+/+", "/a", True),
        ("+", "/a", False),
        ("#", "$aws/things", False),
        ("+/things", "$aws/things", False),
        ("$aws/#", "$aws/things", True),
        ("$aws/things/+/shadow/name/+/update/delta", "$aws/things/t/shadow/name/site/update/delta", True),
    ],
)
def test_examples_of_the_specification(topic_filter: str, topic: str, expected: bool) -> None:
    """The specification's examples (4.7) hold."""
    assert matches(topic_filter, topic) is expected


@pytest.mark.slow
@given(topic_filters())
def test_filters_made_of_whole_wildcards_are_valid(topic_filter: str) -> None:
    """A filter whose wildcards stand alone in their levels, # last, is valid; as a topic it is not."""
    assert fault_in_filter(topic_filter) is None
    assert (fault_in_topic(topic_filter) is not None) == ("+" in topic_filter or "#" in topic_filter)


@pytest.mark.parametrize("topic_filter", ["", "a#", "#/a", "a/#/b", "a+", "+a/b", "a/b+/c", "##", "x" * 257])
def test_wrong_filters_have_a_fault(topic_filter: str) -> None:
    """A filter with a wildcard in a wrong place, empty or too long, is told what is wrong."""
    assert fault_in_filter(topic_filter)

"""What becomes of a JSON message by its size and depth."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.nucleus.ipc_error import IpcError
from local.nucleus.json_limits import depth, fits_int64, object_cost, text_bytes
from local.nucleus.json_value import Json
from local.nucleus.profile import CLASSIC, LITE
from local.nucleus.pubsub import Fate, fate_of_json

PROPERTY = settings(max_examples=60, deadline=None)  # a loaded machine stops for seconds


def entries(count: int) -> Json:
    """Return a map with so many entries."""
    return {f"k{number}": number for number in range(count)}


def nested(levels: int) -> Json:
    """Return lists inside one another."""
    value: Json = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("message", "fate"),
    [
        (entries(20), Fate.DELIVERED),
        (entries(21), Fate.DELIVERED),
        (entries(22), Fate.ENDS_SUBSCRIPTIONS),
        (entries(24), Fate.ENDS_SUBSCRIPTIONS),
        (entries(97), Fate.ENDS_SUBSCRIPTIONS),
        ([0] * 42, Fate.DELIVERED),
        ([0] * 43, Fate.DELIVERED),
        ([0] * 44, Fate.ENDS_SUBSCRIPTIONS),
        (nested(12), Fate.DELIVERED),
        (nested(13), Fate.LOST),
        ("a string", Fate.DELIVERED),
        (2**63 - 1, Fate.DELIVERED),
    ],
)
def test_fates_on_lite(message: Json, fate: Fate) -> None:
    """At, below and above each limit of Nucleus Lite; the classic runtime delivers everything."""
    assert fate_of_json(message, LITE) is fate
    assert fate_of_json(message, CLASSIC) is Fate.DELIVERED


@pytest.mark.parametrize("message", [entries(98), nested(14), 2**63, [-(2**63) - 1], {"a": [2**64]}])
def test_what_the_publisher_is_refused_on_lite(message: Json) -> None:
    """Above the limits of its encoder Nucleus Lite refuses the publish; the classic runtime does not."""
    with pytest.raises(IpcError, match="ServiceError"):
        fate_of_json(message, LITE)
    assert fate_of_json(message, CLASSIC) is Fate.DELIVERED


@PROPERTY
@given(st.recursive(st.one_of(st.none(), st.booleans(), st.integers(-5, 5)), st.lists))
def test_a_list_costs_its_items_and_theirs(value: Json) -> None:
    """Putting a value into a list costs one object more and is one level deeper."""
    assert object_cost([value]) == 1 + object_cost(value)
    assert depth([value]) == 1 + depth(value)
    assert object_cost({"key": value}) == 2 + object_cost(value)
    assert fits_int64([value])


def test_bytes_of_text() -> None:
    """Keys and strings count, in UTF-8; numbers do not."""
    assert text_bytes({"ab": ["ü", 1], "c": {"d": "efg"}}) == 2 + 2 + 1 + 1 + 3

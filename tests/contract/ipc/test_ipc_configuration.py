"""GetConfiguration, UpdateConfiguration and SubscribeToConfigurationUpdate."""

import datetime as dt

import pytest
from awsiot.greengrasscoreipc import model

from local.nucleus.json_value import JsonObject
from tests.contract.ipc.client import LISTENER, SPEAKER, Client, Core, RawClient

LEAF_BYTES_MAX = 1_024


def now() -> dt.datetime:
    """Return the time that an update is given."""
    return dt.datetime.now(dt.UTC)


def update(client: Client, path: list[str], value: object, at: dt.datetime | None = None) -> None:
    """Merge a value into the component's own configuration."""
    client.ipc.update_configuration(key_path=path, timestamp=at or now(), value_to_merge=value)


def read(client: Client, *path: str, component: str | None = None) -> object:
    """Return what GetConfiguration gives for a key path."""
    return client.ipc.get_configuration(component_name=component, key_path=list(path)).value


def test_values_of_a_json_recipe_keep_their_types(speaker: Client) -> None:
    """Numbers, booleans and lists of a JSON recipe come back as such."""
    assert read(speaker, "number") == {"number": 5}
    assert read(speaker, "truth") == {"truth": True}
    assert read(speaker, "list") == {"list": [1, "two"]}


def test_scalars_of_a_yaml_recipe(core: Core, listener: Client) -> None:
    """Scalars of a YAML recipe are strings on Nucleus Lite and keep their types on the classic runtime."""
    expected = {"number": "5", "truth": "true"} if core.is_lite else {"number": 5, "truth": True}
    assert {**read_map(listener, "number"), **read_map(listener, "truth")} == expected


def read_map(client: Client, *path: str) -> dict[str, object]:
    """Return a map that GetConfiguration gives."""
    value = read(client, *path)
    assert isinstance(value, dict)
    return value


def test_a_map_comes_as_its_contents(speaker: Client) -> None:
    """The value of a map is the map itself; that of an empty key path is everything."""
    assert read(speaker, "tree", "branch") == {"leaf": 2}
    assert {"number", "tree", "accessControl"} <= read_map(speaker).keys()


def test_the_configuration_of_another_component_can_be_read(speaker: Client) -> None:
    """Any component reads any configuration, policies included."""
    value = read(speaker, "accessControl", component=LISTENER)
    assert isinstance(value, dict)
    assert "aws.greengrass.ipc.pubsub" in value


@pytest.mark.parametrize(("component", "path"), [(None, ["missing"]), (None, ["number", "x"]), ("no.Such", [])])
def test_what_is_not_there(speaker: Client, component: str | None, path: list[str]) -> None:
    """An unknown key or component is a ResourceNotFoundError, for reading and for subscribing."""
    with pytest.raises(model.ResourceNotFoundError):
        read(speaker, *path, component=component)
    with pytest.raises(model.ResourceNotFoundError):
        speaker.subscribe_to_configuration(*path, component=component)


def test_an_update_merges(speaker: Client) -> None:
    """An update changes the leaves that it names and no others; a list is one leaf."""
    update(speaker, ["merged"], {"a": 1, "b": {"c": [1, 2], "d": "kept"}})
    update(speaker, ["merged"], {"b": {"c": [3]}})
    assert read(speaker, "merged") == {"a": 1, "b": {"c": [3], "d": "kept"}}
    update(speaker, ["merged", "b"], {"d": None})
    assert read(speaker, "merged", "b") == {"c": [3], "d": None}


def test_an_update_is_heard_of(speaker: Client, listener: Client) -> None:
    """A subscriber gets the key path of each changed leaf, at its key or below, and not the value."""
    update(speaker, ["heard"], {"a": 1, "b": 1})
    everything = listener.subscribe_to_configuration(component=SPEAKER)
    one_key = speaker.subscribe_to_configuration("heard", "b")
    update(listener, ["heard"], {"a": "of another component"})
    update(speaker, ["heard"], {"a": 1, "b": 2})
    update(speaker, ["heard"], {"a": 3})
    event = one_key.next().configuration_update_event
    assert (event.component_name, event.key_path) == (SPEAKER, ["heard", "b"])
    paths = [everything.next().configuration_update_event.key_path for _ in range(2)]
    assert paths == [["heard", "b"], ["heard", "a"]]
    assert one_key.received.empty()


def test_an_update_of_one_leaf(core: Core, speaker: Client) -> None:
    """Nucleus Lite merges a value that is no map at a key path; the classic runtime wants a map."""
    update(speaker, [], {"single": 1})
    if core.is_lite:
        update(speaker, ["single"], 2)
        assert read(speaker, "single") == {"single": 2}
    else:
        with pytest.raises(model.InvalidArgumentsError):
            update(speaker, ["single"], 2)


def test_an_update_from_the_past(core: Core, speaker: Client) -> None:
    """An older timestamp changes nothing: silently on Nucleus Lite, with an error on the classic runtime."""
    update(speaker, ["past"], {"leaf": "new"})
    earlier = now() - dt.timedelta(hours=1)
    if core.is_lite:
        update(speaker, ["past"], {"leaf": "old"}, earlier)
    else:
        with pytest.raises(model.FailedUpdateConditionCheckError):
            update(speaker, ["past"], {"leaf": "old"}, earlier)
    assert read(speaker, "past", "leaf") == {"leaf": "new"}


@pytest.mark.parametrize(("path", "value"), [(["accessControl"], {"a": {}}), ([], {"accessControl": {}})])
def test_policies_cannot_be_changed(speaker: Client, path: list[str], value: object) -> None:
    """A component cannot give itself rights."""
    with pytest.raises(model.InvalidArgumentsError):
        update(speaker, path, value)


def test_length_of_a_leaf_on_lite(lite: Core) -> None:
    """A leaf of 1024 bytes of JSON is kept, a longer one is a ServiceError; a list counts as one leaf."""
    longest = "x" * (LEAF_BYTES_MAX - 2)  # and two quotes
    with Client(lite) as speaker:
        update(speaker, ["long"], {"leaf": longest})
        assert read(speaker, "long", "leaf") == {"leaf": longest}
        for value in (longest + "x", [f"nvr/v1/topic/number/{n}" for n in range(45)]):
            with pytest.raises(model.ServiceError):
                update(speaker, ["long"], {"leaf": value})
        assert read(speaker, "long", "leaf") == {"leaf": longest}


def test_size_of_an_update_on_lite(lite: Core) -> None:
    """Thirty small maps fit into one update, fifty do not."""
    with Client(lite) as speaker:
        update(speaker, ["cameras"], {f"cam-{n}": {"name": "x", "url": "y"} for n in range(30)})
        with pytest.raises(model.ServiceError):
            update(speaker, ["cameras"], {f"cam-{n}": {"name": "x", "url": "y"} for n in range(50)})


def test_large_leaves_on_the_classic_runtime(classic: Core) -> None:
    """The classic runtime keeps leaves that are too long for Nucleus Lite."""
    with Client(classic) as speaker:
        update(speaker, ["long"], {"leaf": "x" * 50_000})
        assert read(speaker, "long", "leaf") == {"leaf": "x" * 50_000}


def test_a_value_does_not_become_a_map_on_lite(lite: Core) -> None:
    """On Nucleus Lite a value stays a value and a map a map."""
    with Client(lite) as speaker:
        update(speaker, ["kind"], {"value": 1, "map": {"a": 1}})
        for value in ({"value": {"a": 1}}, {"map": 1}):
            with pytest.raises(model.ServiceError):
                update(speaker, ["kind"], value)


def test_an_update_needs_its_arguments(core: Core) -> None:
    """An update without a value or without a time is an InvalidArgumentsError."""
    with RawClient(core) as client:
        incomplete: list[JsonObject] = [{"timestamp": 1.5}, {"valueToMerge": {"a": 1}}]
        for stream_id, arguments in enumerate(incomplete, start=1):
            answer = client.ask("UpdateConfiguration", arguments, stream_id)
            assert answer.text("service-model-type") == "aws.greengrass#InvalidArgumentsError"

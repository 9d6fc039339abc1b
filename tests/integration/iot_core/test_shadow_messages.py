"""What is told on the topics of a shadow, and to whom."""

import io
import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from local.iot_core import IotCore, Message, Refused
from local.iot_core.shadow_service import ShadowService
from local.iot_core.shadow_store import ShadowStore
from tests.integration.iot_core.paho_listener import Listener

Make = Callable[..., Listener]
PREFIX = "$aws/things/site-1/shadow/name/site"


def request(state: object, **more: object) -> bytes:
    return json.dumps({"state": state, **more}).encode()


@pytest.mark.parametrize("over_http", [False, True])
def test_update_tells_delta_documents_accepted(core: IotCore, listener: Make, over_http: bool) -> None:
    """Every accepted update tells delta, documents and accepted in this order, whichever way it came."""
    device = listener("core")
    device.subscribe(f"{PREFIX}/update/+")
    body = request({"desired": {"a": {"b": 1}}}, clientToken="t")
    if over_http:
        core.shadows.update("site-1", "site", body)
    else:
        device.publish(f"{PREFIX}/update", body)
    told = [device.next_json() for _ in range(3)]
    assert [topic.removeprefix(PREFIX) for topic, _ in told] == [
        "/update/delta",
        "/update/documents",
        "/update/accepted",
    ]
    assert told[0][1]["state"] == {"a": {"b": 1}}
    assert told[1][1]["current"]["state"] == {"desired": {"a": {"b": 1}}}
    assert told[2][1]["state"] == {"desired": {"a": {"b": 1}}}
    assert {document["clientToken"] for _, document in told} == {"t"}


def test_no_delta_is_told_once_reported_agrees(core: IotCore, listener: Make) -> None:
    """While a difference is left each update tells it; when none is left no delta is told."""
    device = listener("core")
    device.subscribe(f"{PREFIX}/update/delta", f"{PREFIX}/update/accepted")
    core.shadows.update("site-1", "site", request({"desired": {"a": 1, "b": 2}}))
    core.shadows.update("site-1", "site", request({"reported": {"a": 1}}))
    core.shadows.update("site-1", "site", request({"reported": {"b": 2}}))
    told = [device.next_json() for _ in range(5)]
    deltas = [document["state"] for topic, document in told if topic.endswith("delta")]
    assert deltas == [{"a": 1, "b": 2}, {"b": 2}]


def test_one_filter_for_all_deltas_of_a_thing(core: IotCore, listener: Make) -> None:
    """A + in the shadow's name hears the deltas of all named shadows of the thing and of no other thing."""
    device = listener("core")
    device.subscribe("$aws/things/site-1/shadow/name/+/update/delta")
    for thing, name in (("site-1", "site"), ("site-2", "site"), ("site-1", None), ("site-1", "camera-1")):
        core.shadows.update(thing, name, request({"desired": {"a": 1}}))
    topics = [device.next().topic for _ in range(2)]
    assert [topic.split("/")[5] for topic in topics] == ["site", "camera-1"]


def test_refusals_are_told_to_message_requests_only(core: IotCore, listener: Make) -> None:
    """A refused request is told on /rejected if it came as a message; one that came over HTTP is not."""
    device = listener("core")
    device.subscribe(f"{PREFIX}/update/rejected", f"{PREFIX}/get/rejected", f"{PREFIX}/delete/rejected")
    with pytest.raises(Refused):
        core.shadows.update("site-1", "site", request({}, version=4))
    with pytest.raises(Refused):
        core.shadows.get("site-1", "site")
    for operation, token in (("get", "g"), ("delete", "d"), ("update", "u")):
        device.publish(f"{PREFIX}/{operation}", request({}, clientToken=token, version=9))
    rejected = [device.next_json()[1] for _ in range(3)]
    assert [(one["code"], one["clientToken"]) for one in rejected] == [(404, "g"), (404, "d"), (409, "u")]
    assert all(isinstance(one["timestamp"], int) for one in rejected)


def test_get_and_delete_echo_the_token(core: IotCore, listener: Make) -> None:
    """The answers of get and delete carry the client token of their request."""
    core.shadows.update("site-1", "site", request({"reported": {"a": 1}}))
    device = listener("core")
    device.subscribe(f"{PREFIX}/get/accepted", f"{PREFIX}/delete/accepted")
    device.publish(f"{PREFIX}/get", b'{"clientToken":"g"}')
    device.publish(f"{PREFIX}/delete", b'{"clientToken":"d"}')
    (_, got), (_, deleted) = device.next_json(), device.next_json()
    assert (got["clientToken"], got["state"]) == ("g", {"reported": {"a": 1}})
    assert (deleted["clientToken"], deleted["version"]) == ("d", 1)


def test_shadows_survive_a_restart(tmp_path: Path) -> None:
    """State, metadata, versions and deletions are there after a restart, leftovers of a broken write are not."""
    first = IotCore(tmp_path / "store")
    for name in (None, "site", "gone"):
        first.shadows.update("site-1", name, request({"desired": {"name": str(name), "ü": [1]}}))
    first.shadows.delete("site-1", "gone")
    before = [first.shadows.get("site-1", name) for name in (None, "site")]
    first.stop()
    (tmp_path / "store/shadows/site-1/named/site.part").write_text('{"version"')
    second = IotCore(tmp_path / "store")
    after = [second.shadows.get("site-1", name) for name in (None, "site")]
    for document in (*before, *after):
        document.pop("timestamp")
    assert after == before
    assert second.shadows.names("site-1")["results"] == ["site"]
    assert second.shadows.update("site-1", "gone", request({}))["version"] == 2
    second.stop()


def test_it_is_on_disk_before_anybody_hears_of_it(tmp_path: Path) -> None:
    """When an update is told, its file already holds it."""
    on_disk: list[int] = []

    def hear(_: Sequence[Message]) -> None:
        on_disk.append(json.loads((tmp_path / "t/named/site.json").read_bytes())["version"])

    shadows = ShadowService(ShadowStore(tmp_path), lambda: 1, hear)
    versions = [shadows.update("t", "site", request({}))["version"] for _ in range(3)]
    versions.append(shadows.delete("t", "site")["version"])
    assert on_disk == versions == [1, 2, 3, 3]


def test_what_cannot_be_kept_is_not_accepted(core: IotCore, listener: Make, tmp_path: Path) -> None:
    """When the disk refuses an update it is answered with 500, nothing is told of it, and the state is as before."""
    device = listener("core")
    device.subscribe(f"{PREFIX}/update/+")
    core.shadows.update("site-1", "site", request({"reported": {"a": 1}}))
    assert [device.next().topic.rpartition("/")[2] for _ in range(2)] == ["documents", "accepted"]
    in_the_way = tmp_path / "iot/shadows/site-1/named/site.part"
    in_the_way.mkdir()
    device.publish(f"{PREFIX}/update", request({"reported": {"a": 2}}))
    topic, answer = device.next_json()
    assert (topic, answer["code"]) == (f"{PREFIX}/update/rejected", 500)
    statuses: list[str] = []
    body = request({"reported": {"a": 3}})
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/things/site-1/shadow",
        "QUERY_STRING": "name=site",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }

    def start_response(status: str, *_: object) -> Callable[[bytes], object]:
        statuses.append(status)
        return lambda _: None

    core.wsgi_app(environ, start_response)
    assert statuses == ["500 Internal Server Error"]
    assert core.shadows.get("site-1", "site")["state"] == {"reported": {"a": 1}}
    in_the_way.rmdir()
    assert core.shadows.update("site-1", "site", request({"reported": {"a": 4}}))["version"] == 2


def test_a_store_has_one_owner(tmp_path: Path) -> None:
    """A second stand-in on the same folder is refused; after the first has stopped it is not."""
    first = IotCore(tmp_path / "store")
    with pytest.raises(BlockingIOError):
        IotCore(tmp_path / "store")
    first.stop()
    IotCore(tmp_path / "store").stop()


def test_a_foreign_file_is_told(tmp_path: Path) -> None:
    """A file that is no shadow stops the start with its name."""
    path = tmp_path / "store/shadows/site-1/named/site.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    with pytest.raises(ValueError, match=r"site-1/named/site\.json"):
        IotCore(tmp_path / "store")


@pytest.mark.slow
def test_many_writers_make_one_history(core: IotCore, listener: Make) -> None:
    """Updates from threads and messages at once get versions without gap or repetition, told in their order."""
    watcher, device = listener("watcher"), listener("core")
    watcher.subscribe(f"{PREFIX}/update/accepted")
    threads, each = 4, 25

    def write(number: int) -> None:
        for count in range(each):
            core.shadows.update("site-1", "site", request({"reported": {f"t{number}": count}}))

    writers = [threading.Thread(target=write, args=(number,)) for number in range(threads)]
    for writer in writers:
        writer.start()
    for count in range(each):
        device.client.publish(f"{PREFIX}/update", request({"desired": {"d": count}}), qos=1)
    for writer in writers:
        writer.join()
    total = (threads + 1) * each
    assert [watcher.next_json()[1]["version"] for _ in range(total)] == list(range(1, total + 1))
    state = core.shadows.get("site-1", "site")["state"]
    assert isinstance(state, dict)
    assert state["reported"] == {f"t{number}": each - 1 for number in range(threads)}
    assert state["desired"] == {"d": each - 1}

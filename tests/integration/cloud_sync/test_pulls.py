"""Footage that the cloud asks for: taken or refused at once, uploaded whatever the policy says, told as it goes on."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from components.cloud_sync import pull_desk
from components.cloud_sync.happenings import Happenings
from components.cloud_sync.pull_desk import PullDesk
from components.shared.catalogue.pulls import PULLS_KEPT, PullRow, add_pull, end_pull, pull_of
from components.shared.errors import Rejected
from components.shared.wire.segment_file import facts_from_file
from components.shared.wire.span_pull import (
    SpanPull,
    SpanPulled,
    decode_pull,
    encode_pulled,
    pull_topic,
    pulled_topic,
)
from components.shared.wire.topics import CLOUD_SYNC
from components.shared.wire.units import NS_PER_S
from tests.fakes.archive import at
from tests.fakes.bus import FakeBroker, FakeBus
from tests.fakes.cloud_sync_site import THING
from tests.fakes.eventful_site import EventfulSite

GOLDEN = Path(__file__).parents[2] / "data" / "span_pulls"
NOW_S = 100


class Asker:
    """The desk of a site, and whoever asks it from the cloud."""

    def __init__(self, data: Path) -> None:
        self.site = EventfulSite(data)
        self.site.clock.advance(NOW_S * NS_PER_S)
        self.broker = FakeBroker()
        self._data = data
        self.wakes = 0
        self.restart()

    def restart(self) -> None:
        """The process of the desk begins."""
        sync = self.site.sync
        bus = FakeBus(CLOUD_SYNC, self.broker, sync.log, self.site.clock)
        self.desk = PullDesk(THING, sync.ledger, Happenings(self._data), bus, self._woken, self.site.clock, sync.log)

    def _woken(self) -> None:
        self.wakes += 1

    def ask(self, begin_s: float, end_s: float, camera: str = "cam-1", pull: str = "ask-1") -> SpanPulled | None:
        """Ask for a span; the newest answer after a look."""
        body = {"id": pull, "camera": camera, "start_ns": at(begin_s), "end_ns": at(end_s)}
        self.desk.take(json.dumps(body).encode())
        return self.look()

    def look(self) -> SpanPulled | None:
        """The desk looks; the newest answer."""
        self.desk.look(threading.Event())
        answers = self.answers()
        return answers[-1] if answers else None

    def answers(self) -> list[SpanPulled]:
        """All answers so far."""
        assert {message.topic for message in self.broker.to_cloud} <= {pulled_topic(THING)}
        return [SpanPulled.model_validate_json(message.payload) for message in self.broker.to_cloud]


@pytest.fixture
def asker(tmp_path: Path) -> Iterator[Asker]:
    made = Asker(tmp_path)
    yield made
    made.site.close()


def pictures(data: bytes) -> list[int]:
    with av.open(io.BytesIO(data), "r") as container:
        return [(frame.pts or 0) * 10 // 90_000 for frame in container.decode(video=0)]


def test_a_span_is_uploaded_whatever_the_policy_says(asker: Asker) -> None:
    """Parts of segments go as clips, whole ones as they are; each step is told, and the end."""
    site = asker.site
    site.sync.configure({"cam-1": "none"})
    rows = [site.record(10 * number) for number in range(4)]
    site.settle()
    assert site.queue() == []
    begun = asker.ask(7, 23)
    assert begun is not None and (begun.state, begun.objects, begun.uploaded) == ("working", 3, 0)
    assert asker.wakes == 1
    assert len(site.queue()) == 3 and f"{rows[1].segment}.mp4" in site.queue()
    assert site.sync.uploader.try_one()
    on = asker.look()
    assert on is not None and (on.state, on.uploaded) == ("working", 1) and 0 < on.uploaded_bytes < on.size_bytes
    site.sync.drain()
    done = asker.look()
    assert done is not None and (done.state, done.uploaded, done.uploaded_bytes) == ("done", 3, done.size_bytes)
    assert done.note == ""
    shown = [pictures(versions[-1].data) for _, versions in sorted(site.store.versions.items())]
    assert [(first[0], first[-1]) for first in shown] == [(60, 99), (0, 99), (0, 39)]
    said = len(asker.answers())
    asker.look()
    assert len(asker.answers()) == said == 3, "nothing is told twice"


def test_asking_again_starts_nothing_and_is_answered(asker: Asker) -> None:
    """The same id and span tell how far it is, before and after its end and a restart; no object comes twice."""
    site = asker.site
    site.sync.configure({"cam-1": "events"})
    site.record(0)
    site.settle()
    first = asker.ask(3, 5)
    assert asker.ask(3, 5) == first and len(asker.answers()) == 2
    asker.restart()
    assert asker.ask(3, 5) == first
    site.sync.drain()
    done = asker.look()
    assert done is not None and done.state == "done"
    assert asker.ask(3, 5) == done and asker.answers()[-2:] == [done, done]
    assert [site.store.versions_of(key) for key in site.store.versions] == [1]
    other = asker.ask(3, 6)
    assert other is not None and other.state == "refused" and "another span" in other.note


def test_a_pull_goes_before_events_and_after_pictures(asker: Asker) -> None:
    """Somebody waits for it; what is in the queue already only moves up."""
    site = asker.site
    site.sync.configure({"cam-1": "all"})
    rows = [site.record(10 * number) for number in range(4)]
    site.see(rows[3], (31, 32))
    site.settle()
    asker.ask(20, 30)
    assert site.queue()[0] == f"{rows[2].segment}.mp4" and len(site.queue()) == 4
    # What is uploaded already is not cut anew.
    site.sync.drain()
    done = asker.ask(1, 3, pull="ask-2")
    assert done is not None and (done.state, done.objects, done.uploaded) == ("done", 1, 1)


def test_no_policy_takes_a_pull_back(asker: Asker) -> None:
    """A policy that comes while it waits leaves it alone."""
    site = asker.site
    site.sync.configure({"cam-1": "all"})
    row = site.record(0)
    site.settle()
    asker.ask(0, 10)
    site.sync.configure({"cam-1": "none"})
    assert site.queue() == [f"{row.segment}.mp4"]


def test_a_span_into_the_open_segment_is_had_as_it_is_written(asker: Asker) -> None:
    """It works until the pictures are on the disk, and takes them from the segment that is still written."""
    site = asker.site
    row = site.archive.open(at(0))
    whole = site.archive.file_of(row, 10)
    path = site.archive.put(row, whole[: len(whole) // 3])
    waiting = asker.ask(1, 5)
    assert waiting is not None and (waiting.state, waiting.objects) == ("working", 0)
    path.write_bytes(whole[: len(whole) * 9 // 10])
    assert asker.look() != waiting
    site.sync.drain()
    path.write_bytes(whole)
    facts, parts, _ = facts_from_file([whole])
    site.archive.writer.close_segment(row.segment, facts, parts)
    done = asker.look()
    assert done is not None and (done.state, done.objects) == ("done", 1)
    ((_, versions),) = site.store.versions.items()
    assert pictures(versions[-1].data) == list(range(60))


def test_what_is_not_there_is_said(asker: Asker) -> None:
    """Footage that is missing in the span, or can never be uploaded, is told with the end."""
    site = asker.site
    rows = site.record(0), site.record(20)
    site.settle()
    (site.archive.root / rows[1].path).unlink()
    asker.ask(0, 30)
    site.sync.drain()
    done = asker.look()
    assert done is not None and (done.state, done.objects, done.uploaded) == ("done", 2, 1)
    assert "10 s of the span are not at the site" in done.note and "1 objects can never be uploaded" in done.note


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"end_ns": at(1)}, "ends before it begins"),
        ({"start_ns": at(5), "end_ns": at(5)}, "ends before it begins"),
        ({"end_ns": at(NOW_S + 1)}, "ends in the future"),
        ({"start_ns": at(-90_000)}, "longer than 24 hours"),
        ({"camera": "cam-9"}, "no footage"),
        ({"camera": "cam/../9"}, "camera"),
        ({"start_ns": "now"}, "start_ns"),
        ({"start_ns": -1}, "start_ns"),
        ({"start_ns": None}, "start_ns"),
    ],
)
def test_a_bad_request_is_refused_with_its_reason(asker: Asker, change: dict[str, object], reason: str) -> None:
    """Its sender is told what is wrong with it; nothing of it stays."""
    asker.site.record(0)
    asker.site.settle()
    body = {"id": "ask-1", "camera": "cam-1", "start_ns": at(2), "end_ns": at(4), **change}
    asker.desk.take(json.dumps(body).encode())
    (answer,) = asker.answers()
    assert (answer.id, answer.state) == ("ask-1", "refused") and reason in answer.note
    assert pull_of(asker.site.sync.ledger, "ask-1") is None


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"\xff", b"{}", b'{"id": 7}', b'{"id": "a b"}', b"[" * 5_000, b"x" * 9_999]
)
def test_what_is_no_request_is_passed_over(asker: Asker, payload: bytes) -> None:
    """Bytes without an id that could be answered are told in the log alone."""
    asker.desk.take(payload)
    assert asker.answers() == []
    assert len(asker.site.sync.log.named("pull_refused")) == 1


def test_requests_are_limited(asker: Asker) -> None:
    """No more are worked on at a time, and none of more bytes, than the link can take in a while."""
    asker.site.record(0)
    asker.site.settle()
    for number in range(pull_desk.WORKING_MAX):
        asker.desk.take(
            json.dumps({"id": f"a-{number}", "camera": "cam-1", "start_ns": at(2), "end_ns": at(4)}).encode()
        )
    assert asker.answers() == []
    told = asker.ask(2, 4, pull="one-more")
    assert told is not None
    refused = [answer for answer in asker.answers() if answer.state == "refused"]
    assert [(answer.id, "not done yet" in answer.note) for answer in refused] == [("one-more", True)]


def test_a_span_of_too_many_bytes_is_refused(asker: Asker) -> None:
    """The limit is told with what was asked for."""
    row = asker.site.record(0)
    with asker.site.archive.writer.database.transaction("grow") as do:
        do("UPDATE segment SET size_bytes = ? WHERE segment = ?", pull_desk.BYTES_MAX + 1, row.segment)
    told = asker.ask(2, 4)
    assert told is not None and told.state == "refused" and str(pull_desk.BYTES_MAX + 1) in told.note


def test_an_answer_that_cannot_be_sent_is_sent_later(asker: Asker) -> None:
    """Offline the footage waits and nothing fails; the next look tells it."""
    asker.site.record(0)
    asker.site.settle()
    asker.broker.online = False
    assert asker.ask(2, 4) is None
    asker.broker.online = True
    told = asker.look()
    assert told is not None and told.state == "working"


def test_old_requests_are_forgotten_when_many_are_done(asker: Asker) -> None:
    """sync.db does not grow with requests."""
    ledger = asker.site.sync.ledger
    for number in range(PULLS_KEPT + 3):
        add_pull(ledger, PullRow(f"p-{number:04}", "cam-1", at(0), at(1), at(number)))
        end_pull(ledger, f"p-{number:04}", "")
    assert [pull_of(ledger, f"p-{number:04}") is None for number in range(4)] == [True, True, True, False]


def test_messages_of_every_release_are_understood() -> None:
    """The golden request and answer mean what they meant; what a newer release adds is ignored."""
    raw = json.loads((GOLDEN / "pull.1.json").read_text())
    assert decode_pull(json.dumps({**raw, "v": 2, "new": 1}).encode()) == SpanPull(**{**raw, "v": 2})
    answer = json.loads((GOLDEN / "pulled.1.json").read_text())
    assert json.loads(encode_pulled(SpanPulled(**answer))) == answer
    assert (pull_topic("box"), pulled_topic("box")) == ("nvr/v1/box/span/pull", "nvr/v1/box/span/pulled")
    with pytest.raises(Rejected):
        pull_topic("a/b")

"""The API's function, called as API Gateway calls it, on an index in moto: who sees what, pages, refusals, cookies."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import m3u8
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from cloud.functions.index_object.core import Seen, decide_of
from cloud.functions.serve_video import core, handler
from cloud.index_writer import Doors, apply
from components.shared.wire import segment_metadata
from components.shared.wire.object_keys import ObjectName, StreamName, object_key
from components.shared.wire.segment_metadata import Gop, SegmentFacts
from components.shared.wire.units import NS_PER_S, TimeBase, WallNs, format_iso, parse_stamp
from tests.fakes.index_in_moto import REGION, index_in_moto, put

pytestmark = pytest.mark.slow
BEGIN = parse_stamp("20251021T100000.000Z")
LENGTH_S = 180
KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
FLEET = {"cognito:groups": "[fleet]", "username": "ann"}
CALL = SimpleNamespace(aws_request_id="request-1")
ONE_SITE = {"cognito:groups": "[site:site-1 other]", "username": "bob"}


@pytest.fixture
def doors(monkeypatch: pytest.MonkeyPatch) -> Iterator[Doors]:
    with index_in_moto(monkeypatch) as made:
        pem = KEY.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        boto3.client("secretsmanager", region_name=REGION).create_secret(Name="media-key", SecretString=pem.decode())
        for name, value in (
            ("TABLE_NAME", made.table),
            ("MEDIA_KEY_ARN", "media-key"),
            ("MEDIA_KEY_ID", "K123"),
        ):
            monkeypatch.setenv(name, value)
        handler.doors.cache_clear()
        handler.signer.cache_clear()
        yield made


def at(seconds: float) -> WallNs:
    return WallNs(BEGIN + int(seconds * NS_PER_S))


def segment(
    doors: Doors,
    at_s: int,
    *,
    thing: str = "site-1",
    camera: str = "front",
    stream: StreamName = "main",
    run: str = "r1",
) -> str:
    """A file of three minutes in the index; its key."""
    facts = SegmentFacts(
        start_ns=at(at_s),
        end_ns=at(at_s + LENGTH_S),
        run=run,
        codec="h264",
        width=1920,
        height=1080,
        frames=2_700,
        size_bytes=90_000_900,
        sha256="0" * 64,
        time_base=TimeBase(1, 90_000),
        start_ticks=at_s * 90_000,
        init_bytes=900,
        gops=tuple(Gop(900 + number * 1_000_000, 1_000_000, 180_000) for number in range(90)),
    )
    key = object_key(thing, ObjectName(camera, stream, at(at_s), "mp4"))
    put(doors, key, segment_metadata.encode(facts), facts.size_bytes)
    return key


def call(route: str, claims: Any = FLEET, host: Any = None, **given: str) -> tuple[int, Any, dict[str, Any]]:
    """Status, body and whole answer of a request; what the route has in braces is taken from `given`."""
    path = {name: given.pop(name) for name in ("site", "camera") if f"{{{name}}}" in route and name in given}
    event = {
        "version": "2.0",
        "routeKey": route,
        "rawPath": route.partition(" ")[2].format(**path),
        "headers": {} if host is None else {"x-viewer-host": host},
        "pathParameters": path,
        "queryStringParameters": given,
        "requestContext": {"authorizer": {"jwt": {"claims": claims, "scopes": None}}},
    }
    if not given:
        del event["queryStringParameters"]
    answered = handler.handle(event, CALL)
    body = answered["body"]
    is_json = body and answered["headers"]["content-type"] == "application/json"
    return answered["statusCode"], json.loads(body) if is_json else body, answered


def between(start_s: float, end_s: float) -> dict[str, str]:
    return {"start": format_iso(at(start_s)), "end": format_iso(at(end_s))}


SITES = "GET /api/sites"
CAMERAS = "GET /api/sites/{site}/cameras"
FOOTAGE = "GET /api/sites/{site}/footage"
EVENTS = "GET /api/sites/{site}/events"
COVERAGE = "GET /api/sites/{site}/cameras/{camera}/coverage"
PLAYLIST = "GET /api/sites/{site}/cameras/{camera}/playlist.m3u8"
COOKIES = "POST /api/sites/{site}/cookies"


def test_everybody_sees_the_sites_of_their_groups_only(doors: Doors) -> None:
    """The fleet's people see all sites with their cameras, others those of their groups, and nobody sees none."""
    segment(doors, 0)
    segment(doors, 0, camera="back")
    segment(doors, 0, thing="site-2")
    both = {"sites": [{"site": "site-1", "cameras": 2}, {"site": "site-2", "cameras": 1}]}
    assert call(SITES)[1] == both
    assert call(SITES, ONE_SITE)[1] == {"sites": both["sites"][:1]}
    assert call(SITES, {"cognito:groups": ["site:site-2"]})[1] == {"sites": both["sites"][1:]}
    for claims in ({}, {"cognito:groups": ""}, {"cognito:groups": "[]"}, {"cognito:groups": "[sites fleets]"}):
        assert call(SITES, claims)[1] == {"sites": []}
    assert call(CAMERAS, site="site-1")[1]["cameras"][0] == {"camera": "back", "streams": ["main"]}


@pytest.mark.parametrize("route", sorted(core.ROUTES - {SITES}))
def test_a_site_of_others_is_closed_on_every_route(doors: Doors, route: str) -> None:
    """Whatever is asked of it, a site of others is refused, alike whether it exists or not; one's own is not."""
    for site in ("site-1", "site-2"):
        segment(doors, 0, thing=site)
    given = {"camera": "front"} if "{camera}" in route else {}
    asked = {} if route in {CAMERAS, COOKIES} else between(0, 100)
    for site in ("site-2", "no-site"):
        status, body, answered = call(route, ONE_SITE, "x.example", site=site, **given, **asked)
        assert (status, body["error"]["parameter"], answered["cookies"]) == (403, "site", [])
    assert call(route, ONE_SITE, "x.example", site="site-1", **given, **asked)[0] in {200, 204}


def test_without_a_token_nothing_is_answered(doors: Doors) -> None:
    """Should a route have no authorizer by mistake, the function refuses all the same."""
    event = {"routeKey": SITES, "headers": {}, "requestContext": {}}
    assert handler.handle(event, CALL)["statusCode"] == 401


def test_the_playlist_of_a_span(doors: Doors) -> None:
    """It plays the files of the stream that was asked for, by addresses on this domain, with a break between runs."""
    first, second = segment(doors, 0), segment(doors, 600, run="r2")
    segment(doors, 180, stream="sub")
    status, text, answered = call(PLAYLIST, site="site-1", camera="front", **between(0, 1000))
    assert (status, answered["headers"]["content-type"]) == (200, "application/vnd.apple.mpegurl")
    read = m3u8.loads(text)
    assert [part.uri for part in read.segments] == [f"/{first}"] * 90 + [f"/{second}"] * 90
    assert [number for number, part in enumerate(read.segments) if part.discontinuity] == [90]
    assert answered["headers"]["x-nvr-left-out"] == "0"


def test_what_cannot_be_played_is_told(doors: Doors) -> None:
    """Files without an index of GOPs are left out and counted; where there is nothing else, that is the answer."""
    key = object_key("site-1", ObjectName("front", "main", at(300), "mp4"))
    put(doors, key, {"nvr-start-ns": str(at(300)), "nvr-end-ns": str(at(360)), "nvr-source": "ftp"})
    status, body, _ = call(PLAYLIST, site="site-1", camera="front", **between(0, 1000))
    assert status == 404
    assert "1 files are not ours" in body["error"]["message"]
    segment(doors, 0)
    status, _, answered = call(PLAYLIST, site="site-1", camera="front", **between(0, 1000))
    assert (status, answered["headers"]["x-nvr-left-out"]) == (200, "1")


def test_coverage_says_when_was_recorded_and_when_not(doors: Doors) -> None:
    """Recorded and gaps together are the span; files that touch are one; the other stream does not count."""
    for at_s in (0, 180, 600):
        segment(doors, at_s)
    segment(doors, 360, stream="sub")
    body = call(COVERAGE, site="site-1", camera="front", **between(60, 1000))[1]
    assert body == {
        "recorded": [between(60, 360), between(600, 780)],
        "gaps": [between(360, 600), between(780, 1000)],
        "recorded_s": 480.0,
    }


def test_long_coverage_comes_in_pieces(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too much for one answer says where to go on; the pieces are the whole, none of it twice."""
    for number in range(10):
        segment(doors, number * 200)
    whole = call(COVERAGE, site="site-1", camera="front", **between(0, 2000))[1]
    monkeypatch.setattr(core, "FILES_PER_ANSWER", 3)
    asked, recorded_s = between(0, 2000), 0.0
    for _ in range(10):
        body = call(COVERAGE, site="site-1", camera="front", **asked)[1]
        recorded_s += body["recorded_s"]
        if "next_start" not in body:
            break
        asked["start"] = body["next_start"]
    assert recorded_s == whole["recorded_s"] == 1800


def test_pages_have_each_file_once(doors: Doors) -> None:
    """Page after page, whatever the limit, brings each file once and in order, several that begin at once too."""
    keys = sorted(
        (f"/{segment(doors, at_s, camera=camera)}" for at_s in (0, 180, 360) for camera in ("a", "b", "c")),
        key=lambda key: (key.rsplit("_", 1)[1], key),
    )
    for limit in (1, 2, 4, 9, 100):
        found: list[str] = []
        given: dict[str, str] = {}
        while True:
            body = call(FOOTAGE, site="site-1", limit=str(limit), **between(0, 1000), **given)[1]
            assert len(body["footage"]) <= limit
            found += [row["object"] for row in body["footage"]]
            if "next" not in body:
                break
            given = {"next": body["next"]}
        assert found == keys
    assert len(call(FOOTAGE, site="site-1", camera="b", **between(0, 1000))[1]["footage"]) == 3
    sites = call(SITES, {"cognito:groups": "[site:a site:b site:c]"}, limit="2")[1]
    assert [row["site"] for row in sites["sites"]] == ["a", "b"]
    more = call(SITES, {"cognito:groups": "[site:a site:b site:c]"}, limit="2", next=sites["next"])[1]
    assert more == {"sites": [{"site": "c", "cameras": 0}]}


def test_events_are_found_by_label_camera_and_id(doors: Doors) -> None:
    """A search has the events of the span with the label, camera or id that is asked for, page after page."""
    for at_s, event, labels, camera in ((0, "e1", "person, dog", "front"), (60, "e2", "car", "back")):
        name = ObjectName(camera, "main", at(at_s), "clip")
        told = {"nvr-start-ns": str(at(at_s)), "nvr-end-ns": str(at(at_s + 30)), "nvr-event": event}
        seen = Seen(500, "e", "v1", {**told, "nvr-labels": labels})
        assert apply(decide_of("site-1", name, f"sites/site-1/cameras/{camera}/{event}.clip", "1", seen, 0), doors)
    asked = {"site": "site-1", **between(0, 1000)}
    assert call(EVENTS, label="dog", **asked)[1] == {
        "events": [
            {
                **{"camera": "front", "stream": "main", "event": "e1", "kind": "clip", "labels": ["dog", "person"]},
                **between(0, 30),
                "object": "/sites/site-1/cameras/front/e1.clip",
            }
        ]
    }
    found = [
        [row["event"] for row in call(EVENTS, **asked, **given)[1]["events"]]
        for given in ({}, {"camera": "back"}, {"event": "e1"}, {"label": "cat"})
    ]
    assert found == [["e1", "e2"], ["e2"], ["e1"], []]
    first = call(EVENTS, **asked, limit="1")[1]
    assert [row["event"] for row in call(EVENTS, **asked, next=first["next"])[1]["events"]] == ["e2"]


@pytest.mark.parametrize(
    ("route", "given", "parameter"),
    [
        (PLAYLIST, {"end": "2025-10-21T10:00:00Z"}, "start"),
        (PLAYLIST, {"start": "yesterday", "end": "2025-10-21T10:00:00Z"}, "start"),
        (PLAYLIST, {"start": "2025-10-21T10:00:00", "end": "2025-10-21T11:00:00Z"}, "start"),
        (PLAYLIST, {"start": "0001-01-01T00:00:00Z", "end": "2025-10-21T11:00:00Z"}, "start"),
        (PLAYLIST, {**between(10, 5)}, "end"),
        (PLAYLIST, {**between(5, 5)}, "end"),
        (PLAYLIST, {**between(0, core.PLAYLIST_S_MAX + 1)}, "end"),
        (PLAYLIST, {**between(0, 5), "stream": "third"}, "stream"),
        (PLAYLIST, {**between(0, 5), "camera": "../x"}, "camera"),
        (PLAYLIST, {**between(0, 5), "site": "a/b"}, "site"),
        (PLAYLIST, {**between(0, 5), "strat": "1"}, "strat"),
        (COVERAGE, {**between(0, core.COVERAGE_S_MAX + 1)}, "end"),
        (FOOTAGE, {**between(0, 5), "limit": "0"}, "limit"),
        (FOOTAGE, {**between(0, 5), "limit": "1001"}, "limit"),
        (FOOTAGE, {**between(0, 5), "limit": "ten"}, "limit"),
        (FOOTAGE, {**between(0, 5), "next": "%%%"}, "next"),
        (FOOTAGE, {**between(0, 5), "next": base64.urlsafe_b64encode(b"x").decode()}, "next"),
        (FOOTAGE, {**between(0, 5), "camera": "A"}, "camera"),
        (EVENTS, {**between(0, 5), "label": "x" * 65}, "label"),
        (EVENTS, {**between(0, 5), "event": "a b"}, "event"),
        (SITES, {"next": "\udcff"}, "next"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(
    doors: Doors, route: str, given: dict[str, str], parameter: str
) -> None:
    """Each bad request is a 400 that names the parameter and says what would be right."""
    full = {"site": "site-1", **({"camera": "front"} if "{camera}" in route else {}), **given}
    if route == SITES:
        del full["site"]
    status, body, _ = call(route, **full)
    assert (status, body["error"]["parameter"]) == (400, parameter)
    assert len(body["error"]["message"]) > 10


def test_limits_are_met_exactly(doors: Doors) -> None:
    """The longest span and the largest page that are allowed are."""
    segment(doors, 0)
    assert call(PLAYLIST, site="site-1", camera="front", **between(0, core.PLAYLIST_S_MAX))[0] == 200
    assert call(FOOTAGE, site="site-1", limit="1000", **between(0, core.SEARCH_S_MAX))[0] == 200


def test_cookies_open_one_site_on_one_domain(doors: Doors) -> None:
    """They are signed by the media key, kept from scripts, sent back below the site's prefix only, and end."""
    status, _, answered = call(COOKIES, ONE_SITE, "Video.Example", site="site-1")
    assert status == 204
    crumbs = {one.partition("=")[0]: one.partition("=")[2] for one in answered["cookies"]}
    assert set(crumbs) == {"CloudFront-Policy", "CloudFront-Signature", "CloudFront-Key-Pair-Id"}
    for crumb in crumbs.values():
        assert crumb.endswith("; Path=/sites/site-1/; Max-Age=3600; Secure; HttpOnly; SameSite=Strict")
    policy, signature = (
        base64.b64decode(crumbs[name].partition(";")[0].translate(str.maketrans("-_~", "+=/")))
        for name in ("CloudFront-Policy", "CloudFront-Signature")
    )
    KEY.public_key().verify(signature, policy, padding.PKCS1v15(), hashes.SHA1())
    (statement,) = json.loads(policy)["Statement"]
    assert statement["Resource"] == "https://video.example/sites/site-1/*"
    assert crumbs["CloudFront-Key-Pair-Id"].startswith("K123;")


@pytest.mark.parametrize("host", [None, "", "*", "a*b.example", "x.example/sites/site-2", "x.example/*?"])
def test_no_cookies_for_what_is_no_domain(doors: Doors, host: str | None) -> None:
    """A host with a wildcard or a path in it, which would open more than was granted, is none."""
    status, body, answered = call(COOKIES, ONE_SITE, host, site="site-1")
    assert (status, body["error"]["parameter"], answered["cookies"]) == (400, "host", [])

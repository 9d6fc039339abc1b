"""API, media and page under one address, as the template has them: who gets in, where, and by what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from components.shared.wire.units import NS_PER_S, format_iso
from tests.fakes.stored_files import START_NS, recorded
from tests.integration.aws.conftest import ROOT, Running, start_aws
from tests.integration.aws.web_site import ask, token_of, upload, wait_until_indexed

pytestmark = pytest.mark.slow
FILES = [recorded(0), recorded(6), recorded(60, run="run-2", run_at_s=60)]
OTHERS_KEY = FILES[0].key.replace("/site-1/", "/site-2/")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A stand-in with footage of two sites."""
    running = start_aws(tmp_path_factory.mktemp("aws"), ROOT / "cloud" / "template.yaml")
    s3 = running.client("s3")
    upload(s3, running.bucket, FILES)
    s3.put_object(Bucket=running.bucket, Key=OTHERS_KEY, Body=b"other")
    wait_until_indexed(running.client("dynamodb"), running.table, 4)
    yield running
    running.stop()


@pytest.fixture
def url(site: Running) -> str:
    return str(site.ready["web_url"])


def span(start_s: int, end_s: int) -> str:
    start, end = (format_iso(START_NS + second * NS_PER_S) for second in (start_s, end_s))
    return f"start={start}&end={end}"


def test_the_api_is_closed_without_a_token(url: str) -> None:
    """No token, another's, an expired one: 401 on every path of the API, and the function is not asked."""
    for path in ("/api/sites", "/api/sites/site-1/cameras", "/api/sites/site-1/cameras/front/playlist.m3u8"):
        for token in ("", "x.y.z", token_of(url, "fleet", exp=1), token_of(url, "fleet", client_id="other")):
            assert ask(f"{url}{path}", token=token).status == 401
    assert ask(f"{url}/api/other", token=token_of(url, "fleet")).status == 404
    assert ask(f"{url}/api/sites", method="DELETE", token=token_of(url, "fleet")).status == 404


def test_each_sees_their_own_sites(url: str) -> None:
    """Through the door, the authorizer and the function's own rights: what a token's groups say."""
    assert [row["site"] for row in ask(f"{url}/api/sites", token=token_of(url, "fleet")).json["sites"]] == [
        "site-1",
        "site-2",
    ]
    mine = token_of(url, "site:site-1")
    assert ask(f"{url}/api/sites", token=mine).json == {"sites": [{"site": "site-1", "cameras": 1}]}
    assert ask(f"{url}/api/sites/site-2/cameras", token=mine).status == 403
    body = ask(f"{url}/api/sites/site-1/cameras/front/coverage?{span(0, 100)}", token=mine).json
    assert (body["recorded_s"], len(body["gaps"])) == (18.0, 2)
    said = ask(f"{url}/api/sites/site-1/events?start=x&end=y", token=mine)
    assert (said.status, said.json["error"]["parameter"]) == (400, "start")


def test_media_is_read_by_cookies_of_its_site_only(url: str) -> None:
    """Without cookies nothing, with them the ranges of one's own site, and of no other however one asks."""
    media, others = f"{url}/{FILES[0].key}", f"{url}/{OTHERS_KEY}"
    mine = token_of(url, "site:site-1")
    assert ask(media).status == ask(media, token=mine).status == 403
    granted = ask(f"{url}/api/sites/site-1/cookies", method="POST", token=mine)
    assert granted.status == 204
    read = ask(media, Cookie=granted.cookies, Range="bytes=100-199")
    assert (read.status, read.body) == (206, FILES[0].data[100:200])
    assert read.headers["content-range"] == f"bytes 100-199/{len(FILES[0].data)}"
    assert ask(media, Cookie=granted.cookies).body == FILES[0].data
    assert ask(media, Cookie=granted.cookies, Range="bytes=99999999-").status == 416
    for path in (others, f"{others}?/sites/site-1/", f"{others}?https://127.0.0.1/sites/site-1/"):
        assert ask(path, Cookie=granted.cookies).status == 403
    assert ask(f"{url}/sites/site-1/none.mp4", Cookie=granted.cookies).status == 403
    assert ask(media, method="PUT", body=b"x", Cookie=granted.cookies).status == 403
    refused = ask(f"{url}/api/sites/site-2/cookies", method="POST", token=mine)
    assert (refused.status, refused.cookies) == (403, "")
    # Whoever asks the API by another name gets cookies that are good for that name only.
    elsewhere = ask(f"{url}/api/sites/site-1/cookies", method="POST", token=mine, Host="other.example")
    assert ask(media, Cookie=elsewhere.cookies).status == 403


def test_a_span_plays_through_the_door(url: str) -> None:
    """A player that is not ours plays what the API's playlist says, by the cookies that the API gave."""
    token = token_of(url, "site:site-1")
    granted = ask(f"{url}/api/sites/site-1/cookies", method="POST", token=token)
    headers = f"Authorization: Bearer {token}\r\nCookie: {granted.cookies}\r\n"
    address = f"{url}/api/sites/site-1/cameras/front/playlist.m3u8?{span(0, 50)}"
    with av.open(address, options={"headers": headers}, format="hls") as container:
        assert sum(1 for _ in container.decode(video=0)) == 120


def test_the_page_is_for_everybody(site: Running, url: str) -> None:
    """What lies in the page's bucket is served, its index for the root, and nothing of the media beside it."""
    bucket = site.ready["resources"]["PageBucket"]
    assert ask(f"{url}/nothing.html").status == 403
    site.client("s3").put_object(Bucket=bucket, Key="index.html", Body=b"<p>", ContentType="text/html")
    for path in ("/", "/index.html"):
        said = ask(f"{url}{path}")
        assert (said.status, said.body, said.headers["content-type"]) == (200, b"<p>", "text/html")
        assert "default-src 'self'" in said.headers["content-security-policy"]
    assert ask(f"{url}/config.json").json["client_id"] == site.ready["resources"]["PageClient"]


def test_it_starts_again_on_what_it_kept(site: Running, tmp_path: Path) -> None:
    """A second start on the same folder finds its secret there, and grants cookies by its new key."""
    data = tmp_path / "aws"
    for _ in range(2):
        running = start_aws(data, ROOT / "cloud" / "template.yaml")
        url = running.ready["web_url"]
        granted = ask(f"{url}/api/sites/a/cookies", method="POST", token=token_of(url, "site:a"))
        assert granted.status == 204
        running.stop()

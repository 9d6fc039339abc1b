"""Credentials as components get them."""

import asyncio
import datetime as dt
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from local.nucleus.credentials import PATH, CredentialsEndpoint, CredentialsError, Provider, parse_credentials
from local.nucleus.json_value import Json

NOW_S = dt.datetime(2026, 1, 1, tzinfo=dt.UTC).timestamp()
TOKEN = "A" * 16


@dataclass
class FakeProvider:
    """An IoT credential provider on loopback, and what it was asked."""

    url: str = ""
    status: int = 200
    lifetime_s: float = 3_600.0
    now_s: float = NOW_S
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def answer(self) -> dict[str, Any]:
        """Return credentials that end after the lifetime."""
        end = dt.datetime.fromtimestamp(self.now_s + self.lifetime_s, dt.UTC).isoformat()
        number = len(self.asked)
        return {
            "credentials": {
                "accessKeyId": f"key-{number}",
                "secretAccessKey": "secret",
                "sessionToken": "session",
                "expiration": end,
            }
        }


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    """A provider that answers."""
    fake = FakeProvider()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fake.asked.append((self.path, self.headers["x-amzn-iot-thingname"]))
            body = json.dumps(fake.answer()).encode()
            self.send_response(fake.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield fake
    server.shutdown()
    server.server_close()


def endpoint(fake: FakeProvider) -> CredentialsEndpoint:
    """Return an endpoint with one known token, the provider and its clock."""
    made = CredentialsEndpoint({TOKEN: "com.example.A"}, 404, lambda: fake.now_s)
    made.use(Provider(fake.url, "my alias", "thing"))
    return made


async def get(made: CredentialsEndpoint, token: str | None = TOKEN) -> tuple[int, Json]:
    """Ask the endpoint as a component does."""
    return await made.answer("GET", PATH, token)


def test_credentials_in_the_form_of_the_sdks(provider: FakeProvider) -> None:
    """The provider is asked for the alias in the thing's name, and its answer comes with the SDKs' keys."""
    status, body = asyncio.run(get(endpoint(provider)))
    assert status == 200
    assert body == {
        "AccessKeyId": "key-1",
        "SecretAccessKey": "secret",
        "Token": "session",
        "Expiration": "2026-01-01T01:00:00+00:00",
    }
    assert provider.asked == [("/role-aliases/my%20alias/credentials", "thing")]


def test_credentials_are_kept_until_shortly_before_their_end(provider: FakeProvider) -> None:
    """The provider is asked again when five minutes or less are left, and not before."""

    async def ask_at(*seconds: float) -> list[int]:
        made, counts = endpoint(provider), []
        for second in seconds:
            provider.now_s = NOW_S + second
            await get(made)
            counts.append(len(provider.asked))
        return counts

    assert asyncio.run(ask_at(0, 3_299, 3_300, 3_301)) == [1, 1, 2, 2]


def test_what_is_left_is_given_while_the_provider_is_away(provider: FakeProvider) -> None:
    """Without the provider the old credentials serve until they end; then it is a 500 with the reason."""

    async def ask() -> list[int]:
        made, statuses = endpoint(provider), []
        await get(made)
        provider.status = 503
        for second in (3_400, 3_599, 3_600):
            provider.now_s = NOW_S + second
            statuses.append((await get(made))[0])
        return statuses

    assert asyncio.run(ask()) == [200, 200, 500]


def test_who_gets_none(provider: FakeProvider) -> None:
    """Without a token, with an unknown one, or on another path there are no credentials."""

    async def ask() -> list[int]:
        made = endpoint(provider)
        answers = [await get(made, None), await get(made, "B" * 16), await made.answer("GET", "/", TOKEN)]
        answers.append(await made.answer("POST", PATH, TOKEN))
        made.use(None)
        answers.append(await get(made))
        return [status for status, _ in answers]

    assert asyncio.run(ask()) == [400, 404, 400, 400, 404]
    assert provider.asked == []


def test_a_provider_that_cannot_be_reached() -> None:
    """The reason comes with the 500."""
    fake = FakeProvider(url="http://127.0.0.1:1")
    status, body = asyncio.run(get(endpoint(fake)))
    assert status == 500
    assert "cannot be asked" in str(body)


@pytest.mark.parametrize("answer", [None, {}, {"credentials": {}}, {"credentials": {"expiration": "soon"}}])
def test_an_answer_that_is_none(answer: Json) -> None:
    """What the provider must not say is refused."""
    with pytest.raises(CredentialsError):
        parse_credentials(answer)

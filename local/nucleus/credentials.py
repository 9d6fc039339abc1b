"""The Token Exchange endpoint: temporary AWS credentials over HTTP on loopback, for components only.

A component shows its identity token and gets what the credential provider gives for the core's role alias.
Credentials are kept until shortly before they expire, and while the provider cannot be reached until they do.
Nothing of them is written down. Knows nothing of what they are good for.
"""

import asyncio
import datetime as dt
import http.client
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from local.nucleus.abandonable import in_thread
from local.nucleus.json_value import Json, JsonObject, compact

log = logging.getLogger(__name__)

PATH = "/2016-11-01/credentialprovider/"
REQUEST_BYTES_MAX = 8 * 1024
REQUEST_WAIT_S = 10.0  # for a client to say what it wants
FETCH_WAIT_S = 10.0  # the SDKs give up on this endpoint a little later
REFRESH_BEFORE_S = 300.0  # the SDKs ask for new ones when less than this is left
_REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 500: "Internal Server Error"}


@dataclass(frozen=True)
class Provider:
    """Where credentials come from."""

    url: str
    role_alias: str
    thing_name: str


@dataclass(frozen=True)
class Credentials:
    """Temporary credentials as the SDKs want them, and when they end."""

    body: JsonObject
    expires_s: float  # Unix time


class CredentialsError(Exception):
    """The provider gave no credentials."""


def parse_credentials(document: Json) -> Credentials:
    """Read the provider's answer, or raise CredentialsError."""
    found = document.get("credentials") if isinstance(document, dict) else None
    if not isinstance(found, dict):
        raise CredentialsError("the provider's answer has no credentials")
    expiration = found.get("expiration")
    try:
        expires_s = dt.datetime.fromisoformat(str(expiration)).timestamp()
    except ValueError as error:
        raise CredentialsError(f"the provider's answer has no time of expiry: {expiration!r}") from error
    body: JsonObject = {
        "AccessKeyId": found.get("accessKeyId"),
        "SecretAccessKey": found.get("secretAccessKey"),
        "Token": found.get("sessionToken"),
        "Expiration": expiration,
    }
    return Credentials(body, expires_s)


def fetch(provider: Provider) -> Credentials:
    """Ask the provider, or raise CredentialsError."""
    parts = urlsplit(provider.url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    path = f"{parts.path.rstrip('/')}/role-aliases/{quote(provider.role_alias, safe='')}/credentials"
    connection = kind(parts.netloc, timeout=FETCH_WAIT_S)
    try:
        connection.request("GET", path, headers={"x-amzn-iot-thingname": provider.thing_name})
        response = connection.getresponse()
        body = response.read()
        if response.status != http.client.OK:
            raise CredentialsError(f"the provider answers {response.status}: {body[:200].decode(errors='replace')}")
        return parse_credentials(json.loads(body))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise CredentialsError(f"the provider cannot be asked: {error}") from error
    finally:
        connection.close()


class CredentialsEndpoint:
    """The HTTP server and the credentials it holds."""

    def __init__(self, tokens: Mapping[str, str], unknown_token_status: int, wall_s: Callable[[], float]) -> None:
        self._tokens = tokens
        self._unknown_token_status = unknown_token_status
        self._wall_s = wall_s
        self._provider: Provider | None = None
        self._held: Credentials | None = None
        self._turn = asyncio.Lock()
        self._server: asyncio.Server | None = None

    async def listen(self) -> str:
        """Serve on a port of loopback and return the address that components are given."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=REQUEST_BYTES_MAX)
        port = self._server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}{PATH}"

    def close(self) -> None:
        """Stop serving."""
        if self._server is not None:
            self._server.close()

    def use(self, provider: Provider | None) -> None:
        """Take credentials from this provider from now on; None means that there are none."""
        if provider != self._provider:
            self._provider, self._held = provider, None

    async def answer(self, method: str, path: str, token: str | None) -> tuple[int, Json]:
        """Return status and body for a request."""
        if path != PATH or method != "GET":
            return 400, {"message": f"only GET {PATH} is served"}
        if token is None:
            return 400, {"message": "the header Authorization is required"}
        if token not in self._tokens:
            return self._unknown_token_status, {"message": "no component has this token"}
        if self._provider is None:
            return 404, {"message": "this core has no credential provider"}
        try:
            return 200, (await self._credentials(self._provider)).body
        except CredentialsError as error:
            log.warning("no credentials for %s: %s", self._tokens[token], error)
            return 500, {"message": str(error)}

    async def _credentials(self, provider: Provider) -> Credentials:
        async with self._turn:
            held = self._held
            if held is not None and held.expires_s - self._wall_s() > REFRESH_BEFORE_S:
                return held
            try:
                self._held = await in_thread(lambda: fetch(provider))
            except CredentialsError:
                if held is None or held.expires_s <= self._wall_s():
                    raise
                return held
            return self._held

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_WAIT_S):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            lines = head.split("\r\n")
            method, path, _ = lines[0].split(" ", 2)
            headers = {
                name.strip().lower(): value.strip() for name, _, value in (one.partition(":") for one in lines[1:])
            }
            status, body = await self.answer(method, path, headers.get("authorization"))
        except (TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            status, body = 400, {"message": "the request cannot be read"}
        payload = compact(body)
        writer.write(
            f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(payload)}\r\nConnection: close\r\n\r\n".encode()
            + payload
        )
        writer.close()

"""What a core's Token Exchange Service serves to its components: temporary credentials over HTTP on loopback."""

from __future__ import annotations

import datetime as dt
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "component-token"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.headers.get("Authorization") != TOKEN:
            self.send_error(403)
            return
        expires = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
        credentials = {"AccessKeyId": "ASIALOCAL", "SecretAccessKey": "local", "Token": "session"}
        body = json.dumps({**credentials, "Expiration": expires.isoformat()}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the base class gives it
        """Say nothing."""


class CredentialsEndpoint:
    """Serves until `stop`; `environment` is what a component needs to find it and an AWS at `endpoint_url`."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def environment(self, endpoint_url: str) -> dict[str, str]:
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{self._server.server_port}/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": TOKEN,
            "AWS_ENDPOINT_URL": endpoint_url,
            "AWS_DEFAULT_REGION": "eu-central-1",
        }

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

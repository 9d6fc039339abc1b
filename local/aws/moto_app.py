"""moto as one WSGI application.

moto finds out anew for each request which of its 150 services is meant, listing its own folder to do so; here the
answer is kept for requests that say in their signature whom they are for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from local.aws.http_server import WsgiApp, signed_service


class MotoApp:
    """Everything that moto has."""

    def __init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._found: dict[tuple[str, str], WsgiApp] = {}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answers one request."""
        service = signed_service(environ)
        if service is None or service == "s3":
            return self._moto(environ, start_response)  # type: ignore[no-any-return]
        key = (service, environ.get("HTTP_X_AMZ_TARGET", "").partition(".")[0])
        if key not in self._found:
            self._found[key] = self._moto.get_application(environ)
        return self._found[key](environ, start_response)

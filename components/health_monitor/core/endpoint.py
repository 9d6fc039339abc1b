"""Where the cloud of this site is, by what a core tells its components in their environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

_PORTS = {"https": 443, "http": 80}
_VARIABLES = ("AWS_ENDPOINT_URL_IOT_DATA_PLANE", "AWS_ENDPOINT_URL")
"""As every AWS client reads them, the first that is set."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host and a port that take connections."""

    host: str
    port: int
    is_tls: bool = True

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def cloud_endpoint(environment: Mapping[str, str]) -> Endpoint | None:
    """The endpoint of the shadows, the same as SiteConfig's; None where no region and no endpoint is configured."""
    for variable in _VARIABLES:
        url = environment.get(variable)
        if url:
            return _from_url(url)
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    domain = "amazonaws.com.cn" if region and region.startswith("cn-") else "amazonaws.com"
    return Endpoint(f"data-ats.iot.{region}.{domain}", 443) if region else None


def _from_url(url: str) -> Endpoint | None:
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    return Endpoint(parts.hostname, port, parts.scheme != "http") if parts.hostname and port else None

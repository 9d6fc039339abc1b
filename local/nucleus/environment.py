"""The environment that a component's scripts get.

Pure. The names are those that were seen on the real runtimes; later sources win: what every process has, the
deployment's own additions, the component's identity, Setenv of the recipe.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.nucleus.profile import Profile

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Identity:
    """Who a component is on which core."""

    token: str
    socket: Path
    thing_name: str
    region: str
    root: Path
    user: str
    home: str
    credentials_uri: str | None
    path: tuple[str, ...] = ()
    additions: Mapping[str, str] = field(default_factory=dict)


def component_environment(identity: Identity, setenv: Mapping[str, str], profile: Profile) -> dict[str, str]:
    """Return the whole environment of a component's script."""
    environment = {
        "HOME": identity.home,
        "USER": identity.user,
        "LOGNAME": identity.user,
        "LANG": "C.UTF-8",
        "PATH": ":".join((*identity.path, SYSTEM_PATH)),
        **identity.additions,
        "SVCUID": identity.token,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": identity.token,
        **dict.fromkeys(profile.socket_variables, str(identity.socket)),
        "AWS_IOT_THING_NAME": identity.thing_name,
        "AWS_REGION": identity.region,
        "AWS_DEFAULT_REGION": identity.region,
        "GGC_VERSION": profile.version,
        "GG_ROOT_CA_PATH": str(identity.root / "rootCA.pem"),
    }
    if identity.credentials_uri is not None:
        environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = identity.credentials_uri
    return {**environment, **setenv}

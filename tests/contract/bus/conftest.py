"""The cores that the bus suite runs on. A core is started once for all tests of its kind."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator

import pytest

from tests.contract.bus.cores import Core, FakeCore, GreengrassCore, Nucleus


@pytest.fixture(scope="session")
def nucleus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Nucleus]]:
    """Gives the running local core of a profile."""
    running: dict[str, Nucleus] = {}

    def of_profile(profile: str) -> Nucleus:
        if profile not in running:
            running[profile] = Nucleus(tmp_path_factory.mktemp(f"core-{profile}"), profile)
        return running[profile]

    yield of_profile
    for one in running.values():
        one.stop()


GreengrassMaker = Callable[[str], GreengrassCore]


@pytest.fixture(scope="session")
def make_greengrass(nucleus: Callable[[str], Nucleus]) -> GreengrassMaker:
    """Makes the connection of one test to a core: the local one of a profile, or that of the environment."""

    def make(profile: str) -> GreengrassCore:
        if "GG_CONTRACT_SOCKET" in os.environ:
            return GreengrassCore(os.environ["GG_CONTRACT_SOCKET"], json.loads(os.environ["GG_CONTRACT_TOKENS"]), None)
        core = nucleus(profile)
        core.arrived.clear()
        return GreengrassCore(core.socket, core.tokens, core)

    return make


@pytest.fixture(params=["fake", "lite", "classic"])
def core(request: pytest.FixtureRequest) -> Iterator[Core]:
    """Every core that the product may meet, and the fake one."""
    made: Core
    if request.param == "fake":
        made = FakeCore()
    else:
        make: GreengrassMaker = request.getfixturevalue("make_greengrass")
        made = make(request.param)
    yield made
    made.close()


@pytest.fixture(params=["lite", "classic"])
def greengrass(request: pytest.FixtureRequest, make_greengrass: GreengrassMaker) -> Iterator[GreengrassCore]:
    """The real protocol only."""
    made = make_greengrass(request.param)
    yield made
    made.close()


@pytest.fixture
def lite(make_greengrass: GreengrassMaker) -> Iterator[GreengrassCore]:
    """Nucleus Lite and its habits."""
    made = make_greengrass("lite")
    yield made
    made.close()


@pytest.fixture
def classic(make_greengrass: GreengrassMaker) -> Iterator[GreengrassCore]:
    """The classic nucleus and its habits."""
    made = make_greengrass("classic")
    yield made
    made.close()

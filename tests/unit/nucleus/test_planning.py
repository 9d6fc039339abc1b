"""From a deployment and recipes to plans: what makes a component another one."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local.nucleus.component import Plan
from local.nucleus.configuration import KeyPath
from local.nucleus.deployment import Deployment, DeploymentError, WantedComponent
from local.nucleus.json_value import Json
from local.nucleus.planning import Place, digest_artifacts, load_recipes, make_plans, new_token
from local.nucleus.profile import CLASSIC, LITE, Profile

A, B = "com.example.A", "com.example.B"


class Site:
    """A build folder and a deployment, to be changed by a test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.value: Json = "one"
        self.deployment = Deployment("thing", "region", {A: WantedComponent("1.0.0")})
        (folder / "recipes").mkdir()
        self.recipe({"install": {"Script": "make {configuration:/value}"}, "run": {"Script": "exec program"}})

    def recipe(self, lifecycle: dict[str, Any], name: str = A, **parts: Any) -> None:
        """Write a recipe."""
        manifest = {"Platform": {"os": "linux", "runtime": "*"}, "Lifecycle": lifecycle}
        document = {"ComponentName": name, "ComponentVersion": "1.0.0", "Manifests": [manifest], **parts}
        (self.folder / "recipes" / f"{name}-1.0.0.json").write_text(json.dumps(document))

    def artifact(self, content: str) -> None:
        """Write an artifact."""
        path = self.folder / "artifacts" / A / "1.0.0" / "file"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def plans(self, profile: Profile = LITE) -> dict[str, Plan]:
        """Make the plans, each time with new tokens and another credentials address."""

        def read(_component: str, _path: KeyPath) -> Json:
            return self.value

        uri = f"http://127.0.0.1:1/{new_token(profile)}"
        place = Place(Path("/root"), self.folder, Path("/socket"), profile, lambda _: new_token(profile), uri)
        recipes = load_recipes(self.folder, self.deployment, profile)
        return make_plans(self.deployment, recipes, digest_artifacts(self.folder, recipes), place, read)

    def changes(self, change: Callable[[], None]) -> tuple[bool, bool]:
        """Tell whether a change makes another install, and another run."""
        before = self.plans()[A]
        change()
        after = self.plans()[A]
        return (
            before.install_fingerprint != after.install_fingerprint,
            before.run_fingerprint != after.run_fingerprint,
        )


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site with one component."""
    return Site(tmp_path)


def test_tokens_and_addresses_make_no_difference(site: Site) -> None:
    """What is new at every start of the core makes neither install nor run another one."""
    assert site.changes(lambda: None) == (False, False)


def test_a_value_in_a_script_makes_that_script_another_one(site: Site) -> None:
    """A changed configuration changes the step whose script holds it, and no other."""

    def change() -> None:
        site.value = "two"

    assert site.changes(change) == (True, False)


def test_artifacts_and_setenv_make_a_difference(site: Site) -> None:
    """Contents of artifacts change install and run; Setenv of a step changes that step."""
    assert site.changes(lambda: site.artifact("one")) == (True, True)
    assert site.changes(lambda: site.artifact("two")) == (True, True)
    steps = {"install": "make one", "run": {"Script": "exec program", "Setenv": {"A": "1"}}}
    assert site.changes(lambda: site.recipe(steps)) == (False, True)
    assert site.changes(lambda: site.recipe({**steps, "Setenv": {"B": "2"}})) == (True, True)


def test_additions_of_the_deployment_restart_and_do_not_install(site: Site) -> None:
    """Another environment or PATH makes another run; what was installed stays."""

    def change() -> None:
        site.deployment = replace(site.deployment, environment={"AWS_ENDPOINT_URL": "http://127.0.0.1:2"})

    def rename() -> None:
        site.deployment = replace(site.deployment, thing_name="another")

    assert site.changes(change) == (False, True)
    assert site.changes(rename) == (False, True)


@pytest.mark.parametrize(
    ("given", "on_lite", "on_classic"), [(None, 120.0, 120.0), (30, 30.0, 30.0), (600, 300.0, 600.0)]
)
def test_time_of_an_install_step(site: Site, given: int | None, on_lite: float, on_classic: float) -> None:
    """Two minutes unless the recipe says otherwise; Nucleus Lite waits five minutes at most."""
    site.recipe({"install": {"Script": "make", **({"Timeout": given} if given else {})}})
    for profile, expected in ((LITE, on_lite), (CLASSIC, on_classic)):
        install = site.plans(profile)[A].install
        assert install is not None
        assert install.timeout_s == expected


def test_timeout_of_a_run(site: Site) -> None:
    """It is the time to stop on Nucleus Lite, and the time to run on the classic runtime."""
    assert (site.plans(LITE)[A].stop_s, site.plans(CLASSIC)[A].stop_s) == (120.0, 5.0)
    site.recipe({"run": {"Script": "exec program", "Timeout": 8}})
    lite, classic = site.plans(LITE)[A], site.plans(CLASSIC)[A]
    assert lite.run is not None
    assert classic.run is not None
    assert (lite.stop_s, lite.run.timeout_s) == (8.0, None)
    assert (classic.stop_s, classic.run.timeout_s) == (5.0, 8.0)


def test_who_gets_the_address_of_the_credentials(site: Site) -> None:
    """On Nucleus Lite those who depend on Token Exchange, on the classic runtime all when one does."""
    variable = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
    dependencies = {"aws.greengrass.TokenExchangeService": {"DependencyType": "HARD"}}
    site.recipe({"run": "x"}, ComponentDependencies=dependencies)
    site.recipe({"run": "x"}, B)
    site.deployment = replace(site.deployment, components={A: WantedComponent("1.0.0"), B: WantedComponent("1.0.0")})

    def who(profile: Profile) -> set[str]:
        plans = site.plans(profile)
        return {name for name, plan in plans.items() if plan.run and variable in plan.run.environment}

    assert who(LITE) == {A}
    assert who(CLASSIC) == {A, B}
    site.recipe({"run": "x"})
    assert who(LITE) == who(CLASSIC) == set()


def test_a_dependency_must_be_there_and_fit(site: Site) -> None:
    """A missing or too old dependency, and a range that is not understood, are named."""
    for requirement, named in (("*", "not in the deployment"), ("^2.0.0", "is not"), ("newest", "no range")):
        site.recipe({"run": "x"}, ComponentDependencies={B: {"VersionRequirement": requirement}})
        with pytest.raises(DeploymentError, match=rf"component {A}: dependency {B}.*{named}"):
            site.plans()
        site.recipe({"run": "x"}, B)
        site.deployment = replace(
            site.deployment, components={A: WantedComponent("1.0.0"), B: WantedComponent("1.0.0")}
        )


@pytest.mark.parametrize("profile", [LITE, CLASSIC], ids=["lite", "classic"])
def test_form_of_a_token(profile: Profile) -> None:
    """A token has sixteen characters of the runtime's alphabet and is never the same."""
    tokens = {new_token(profile) for _ in range(50)}
    assert len(tokens) == 50
    assert {len(token) for token in tokens} == {16}
    assert set("".join(tokens)) <= set(profile.identity_alphabet)

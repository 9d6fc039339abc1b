"""From a deployment and the recipes in a build folder to the plan of every component.

Reads files, changes none. Decides what makes a component another one: its fingerprints hold the version, the
scripts with their variables replaced, Setenv and the contents of its artifacts, and for a run what the
deployment adds to the environment.
"""

import hashlib
import os
import pwd
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from local.nucleus.artifacts import digest_of
from local.nucleus.component import Plan
from local.nucleus.deployment import Deployment, DeploymentError
from local.nucleus.environment import Identity, component_environment
from local.nucleus.interpolation import ReadConfiguration, Variables, folder_variables, interpolate
from local.nucleus.json_value import Json, compact
from local.nucleus.process import Script
from local.nucleus.profile import Profile
from local.nucleus.recipe import STEP_TIMEOUT_S, Recipe, Step, find_recipe, parse_recipe
from local.nucleus.version_range import satisfies

BUILT_IN = "aws.greengrass."  # dependencies that the core itself stands for
TOKEN_EXCHANGE = "aws.greengrass.TokenExchangeService"  # noqa: S105 - a component's name
TOKEN_CHARACTERS = 16  # the length on both runtimes; the credentials endpoint of Nucleus Lite takes no other


@dataclass(frozen=True)
class Place:
    """Where a core lives."""

    root: Path
    build: Path
    socket: Path
    profile: Profile
    token_of: Callable[[str], str]
    credentials_uri: str


def new_token(profile: Profile) -> str:
    """Return a new identity token in the form of this runtime."""
    return "".join(secrets.choice(profile.identity_alphabet) for _ in range(TOKEN_CHARACTERS))


def load_recipes(build: Path, deployment: Deployment, profile: Profile) -> dict[str, Recipe]:
    """Read the recipes of a deployment and check their dependencies, or raise DeploymentError."""
    recipes = {}
    for name, wanted in deployment.components.items():
        path = find_recipe(build / "recipes", name, wanted.version)
        recipes[name] = parse_recipe(
            path.read_text(),
            is_yaml=path.suffix != ".json",
            name=name,
            version=wanted.version,
            profile=profile,
        )
    for recipe in recipes.values():
        _check_dependencies(recipe, recipes)
    return recipes


def digest_artifacts(build: Path, recipes: Mapping[str, Recipe]) -> dict[str, str]:
    """Return a digest of each component's artifacts; it reads them all, which takes a while."""
    return {name: digest_of(_artifacts_of(build, recipe)) for name, recipe in recipes.items()}


def make_plans(
    deployment: Deployment,
    recipes: Mapping[str, Recipe],
    digests: Mapping[str, str],
    place: Place,
    read: ReadConfiguration,
) -> dict[str, Plan]:
    """Return the plan of every component, or raise DeploymentError for a script that cannot be made."""
    fixed = {
        name: folder_variables(
            place.profile,
            root=str(place.root),
            thing_name=deployment.thing_name,
            component=name,
            version=recipe.version,
        )
        for name, recipe in recipes.items()
    }
    exchanges = any(TOKEN_EXCHANGE in recipe.dependencies for recipe in recipes.values())
    plans = {}
    for name, recipe in recipes.items():
        variables = Variables(
            name, fixed[name], read, {other: fixed[other] for other in recipe.dependencies if other in fixed}
        )
        given = TOKEN_EXCHANGE in recipe.dependencies or (exchanges and place.profile.credentials_uri_for_all)
        identity = _identity(deployment, place, name, credentials=given)
        plans[name] = _Planner(recipe, variables, identity, place, digests[name]).plan()
    return plans


def _artifacts_of(build: Path, recipe: Recipe) -> Path:
    return build / "artifacts" / recipe.name / recipe.version


def _check_dependencies(recipe: Recipe, recipes: Mapping[str, Recipe]) -> None:
    for name, dependency in recipe.dependencies.items():
        if name.startswith(BUILT_IN):
            continue
        where = f"component {recipe.name}: dependency {name}"
        if name not in recipes:
            raise DeploymentError(f"{where} is not in the deployment")
        try:
            fits = satisfies(recipes[name].version, dependency.requirement)
        except ValueError as error:
            raise DeploymentError(f"{where}: {error}") from error
        if not fits:
            raise DeploymentError(f"{where}: {recipes[name].version} is not {dependency.requirement}")


def _identity(deployment: Deployment, place: Place, name: str, *, credentials: bool) -> Identity:
    user = pwd.getpwuid(os.getuid())
    return Identity(
        token=place.token_of(name),
        socket=place.socket,
        thing_name=deployment.thing_name,
        region=deployment.region,
        root=place.root,
        user=user.pw_name,
        home=user.pw_dir,
        credentials_uri=place.credentials_uri if credentials else None,
        path=deployment.path,
        additions=deployment.environment,
    )


def _fingerprint(*parts: Json) -> str:
    return hashlib.sha256(compact(list(parts))).hexdigest()


@dataclass(frozen=True)
class _Planner:
    """Makes the plan of one component."""

    recipe: Recipe
    variables: Variables
    identity: Identity
    place: Place
    artifacts_digest: str

    def plan(self) -> Plan:
        recipe, profile = self.recipe, self.place.profile
        install, run = self._script("install"), self._script("run")
        run_timeout_s = run.timeout_s if run else None
        bounds_stop = run_timeout_s is not None and profile.run_timeout_bounds_stop
        same: tuple[Json, ...] = (recipe.version, self.artifacts_digest)
        additions: Json = [
            dict(self.identity.additions),
            list(self.identity.path),
            self.identity.region,
            self.identity.thing_name,
        ]
        return Plan(
            name=recipe.name,
            version=recipe.version,
            install=install,
            run=Script(run.text, run.environment, run.folder) if run and bounds_stop else run,
            install_fingerprint=_fingerprint(*same, self._content("install")),
            run_fingerprint=_fingerprint(*same, self._content("run"), additions),
            stop_s=run_timeout_s if run_timeout_s is not None and bounds_stop else profile.stop_s,
            soft=frozenset(name for name, one in recipe.dependencies.items() if not one.is_hard),
            hard=frozenset(name for name, one in recipe.dependencies.items() if one.is_hard),
            artifacts=recipe.artifacts,
            artifacts_source=_artifacts_of(self.place.build, recipe),
            artifacts_digest=self.artifacts_digest,
        )

    def _text(self, text: str, step: str) -> str:
        where = f"component {self.recipe.name}: {step}"
        return interpolate(text, self.variables, self.place.profile, where)

    def _setenv(self, step: Step, name: str) -> dict[str, str]:
        values = {**self.recipe.environment, **step.environment}
        return {key: self._text(value, f"{name}: Setenv {key}") for key, value in values.items()}

    def _content(self, name: str) -> Json:
        step = self.recipe.steps.get(name)
        return None if step is None else [self._text(step.script, name), dict(self._setenv(step, name))]

    def _script(self, name: str) -> Script | None:
        step = self.recipe.steps.get(name)
        if step is None:
            return None
        timeout_s = step.timeout_s
        if name == "install":
            limits = [timeout_s or STEP_TIMEOUT_S, self.place.profile.install_s_max]
            timeout_s = min(limit for limit in limits if limit is not None)
        return Script(
            text=self._text(step.script, name),
            environment=component_environment(self.identity, self._setenv(step, name), self.place.profile),
            folder=self.place.root / "work" / self.recipe.name,
            timeout_s=timeout_s,
            needs_privilege=step.needs_privilege and os.geteuid() != 0,
        )

"""Recipes: which scripts a component has, what it depends on and what its configuration is by default.

Pure: text in, a frozen value out, or a DeploymentError that names the component and the key. YAML scalars
become strings on Nucleus Lite. Understood is what this core carries out: `install` and `run` of the first
manifest that fits, with Setenv; a lifecycle step that it would not carry out is refused, not skipped.
"""

import json
import platform
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from local.nucleus.deployment import COMPONENT_NAME, VERSION, DeploymentError
from local.nucleus.json_value import Json, JsonObject
from local.nucleus.profile import Profile

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "aarch64", "armv7l": "arm", "i686": "x86"}
STEP_TIMEOUT_S = 120.0  # of an install step without a Timeout, on both runtimes
_STEPS = ("install", "run")


@dataclass(frozen=True)
class Step:
    """One lifecycle step, not yet interpolated."""

    script: str
    needs_privilege: bool = False
    timeout_s: float | None = None
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Dependency:
    """Another component that this one needs."""

    requirement: str  # range of versions
    is_hard: bool


@dataclass(frozen=True)
class Artifact:
    """A file of the component; on the classic runtime `ZIP` means that it is unpacked."""

    name: str
    unarchive: str


@dataclass(frozen=True)
class Recipe:
    """What one version of a component is."""

    name: str
    version: str
    defaults: JsonObject
    dependencies: dict[str, Dependency]
    environment: dict[str, str]
    steps: dict[str, Step]
    artifacts: tuple[Artifact, ...]


def find_recipe(folder: Path, name: str, version: str) -> Path:
    """Return the recipe file of a component in a folder of recipes, or raise DeploymentError."""
    for suffix in ("yaml", "yml", "json"):
        path = folder / f"{name}-{version}.{suffix}"
        if path.exists():
            return path
    raise DeploymentError(f"component {name}: no recipe {name}-{version}.yaml or .json in {folder}")


def parse_recipe(text: str, *, is_yaml: bool, name: str, version: str, profile: Profile) -> Recipe:
    """Read a recipe for the named component and version, or raise DeploymentError."""
    where = f"component {name}: recipe"
    limit = profile.recipe_bytes_max
    if limit is not None and len(text.encode()) > limit:
        raise DeploymentError(f"{where}: has {len(text.encode())} bytes, {limit} are taken")
    document = _load(text, where, is_yaml=is_yaml, profile=profile)
    reader = _Reader(where, profile)
    if document.get("ComponentName") != name or str(document.get("ComponentVersion")) != version:
        raise DeploymentError(f"{where}: ComponentName and ComponentVersion are not {name} {version}")
    if not COMPONENT_NAME.fullmatch(name) or not VERSION.fullmatch(version):
        raise DeploymentError(f"{where}: name or version has a wrong form")
    manifest = reader.manifest(document)
    lifecycle = reader.mapping(manifest, "Lifecycle")
    reader.known(lifecycle, {*_STEPS, "Setenv"}, "Lifecycle")
    configuration = reader.mapping(document, "ComponentConfiguration")
    return Recipe(
        name=name,
        version=version,
        defaults=reader.mapping(configuration, "DefaultConfiguration"),
        dependencies=reader.dependencies(document),
        environment=reader.environment(lifecycle),
        steps={step: reader.step(lifecycle[step], step) for step in _STEPS if step in lifecycle},
        artifacts=reader.artifacts(manifest),
    )


def _load(text: str, where: str, *, is_yaml: bool, profile: Profile) -> JsonObject:
    try:
        if not is_yaml:
            document = json.loads(text)
        elif profile.yaml_scalars_are_strings:
            document = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - BaseLoader makes strings only
        else:
            document = yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        raise DeploymentError(f"{where}: {error}") from error
    if not isinstance(document, dict):
        raise DeploymentError(f"{where}: is no map")
    return document


@dataclass(frozen=True)
class _Reader:
    """Reads parts of a recipe; every error names the component."""

    where: str
    profile: Profile

    def wrong(self, what: str) -> DeploymentError:
        return DeploymentError(f"{self.where}: {what}")

    def mapping(self, values: JsonObject, key: str) -> JsonObject:
        value = values.get(key)
        if value in (None, ""):
            return {}
        if not isinstance(value, dict):
            raise self.wrong(f"{key} is no map")
        return value

    def known(self, values: JsonObject, keys: set[str], part: str) -> None:
        for key in values:
            if key not in keys:
                raise self.wrong(f"{part}: {key} is not carried out by this core, known are {', '.join(sorted(keys))}")

    def manifest(self, document: JsonObject) -> JsonObject:
        if "Lifecycle" in document:
            raise self.wrong("a Lifecycle outside of Manifests is not carried out by this core")
        manifests = document.get("Manifests")
        for manifest in manifests if isinstance(manifests, list) else []:
            if isinstance(manifest, dict) and self._fits(self.mapping(manifest, "Platform")):
                return manifest
        raise self.wrong(f"no manifest fits linux, runtime {self.profile.runtime_named}, {_architecture()}")

    def _fits(self, wanted: JsonObject) -> bool:
        here = {"os": "linux", "runtime": self.profile.runtime_named, "architecture": _architecture()}
        if self.profile.runtime_required and "runtime" not in wanted:
            return False
        return all(value == "*" or here.get(key) == value for key, value in wanted.items())

    def environment(self, values: JsonObject) -> dict[str, str]:
        found = self.mapping(values, "Setenv")
        for key, value in found.items():
            if isinstance(value, (dict, list)):
                raise self.wrong(f"Setenv: {key} is no text")
        return {key: value if isinstance(value, str) else json.dumps(value) for key, value in found.items()}

    def step(self, value: Json, name: str) -> Step:
        if isinstance(value, str):
            return Step(value)
        if not isinstance(value, dict) or not isinstance(script := value.get("Script"), str):
            raise self.wrong(f"{name}: is no script")
        self.known(value, {"Script", "RequiresPrivilege", "Timeout", "Setenv"}, name)
        try:
            timeout_s = float(str(value["Timeout"])) if "Timeout" in value else None
        except ValueError as error:
            raise self.wrong(f"{name}: Timeout is no number") from error
        needs_privilege = str(value.get("RequiresPrivilege", "")).lower() == "true"
        return Step(script, needs_privilege, timeout_s, self.environment(value))

    def dependencies(self, document: JsonObject) -> dict[str, Dependency]:
        found = {}
        for name, value in self.mapping(document, "ComponentDependencies").items():
            if not isinstance(value, dict):
                raise self.wrong(f"ComponentDependencies: {name} is no map")
            kind = value.get("DependencyType", "HARD")
            if kind not in ("HARD", "SOFT"):
                raise self.wrong(f"ComponentDependencies: {name}: DependencyType is HARD or SOFT")
            found[name] = Dependency(str(value.get("VersionRequirement", "*")), kind == "HARD")
        return found

    def artifacts(self, manifest: JsonObject) -> tuple[Artifact, ...]:
        found = []
        listed = manifest.get("Artifacts")
        for value in listed if isinstance(listed, list) else []:
            if not isinstance(value, dict):
                raise self.wrong("Artifacts: an entry is no map")
            uri = value.get("URI", value.get("Uri"))
            if not isinstance(uri, str):
                raise self.wrong("Artifacts: an entry has no URI")
            found.append(Artifact(uri.rsplit("/", 1)[-1], str(value.get("Unarchive", "NONE")).upper()))
        return tuple(found)


def _architecture() -> str:
    return ARCHITECTURES.get(platform.machine(), platform.machine())

"""Builds what a deployment needs: one artifact and one recipe per component, in the layout of a local deployment.

    greengrass-build/recipes/com.edgenvr.Capture-0.1.0.yaml
    greengrass-build/artifacts/com.edgenvr.Capture/0.1.0/capture.zip

An artifact is a zip that Python imports from: the component's folder, `components/shared` and the component's pins.
The same sources give the same bytes on every machine with the same Python: entries are sorted, carry one date and are
stored, not compressed. Beside each module lies its compiled form with an unchecked hash, since artifacts are read-only
on a core and would otherwise be compiled anew at every start; another Python version ignores it and reads the source.
"""

from __future__ import annotations

import hashlib
import importlib.util
import marshal
import re
import shutil
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from components.shared.errors import Rejected
from fleet.policies import check_policy

PUBLISHER_PREFIX = "com.edgenvr."
RUNTIME = PUBLISHER_PREFIX + "Runtime"
RECIPE_BYTES_MAX = 16_000
"""Greengrass refuses larger recipes."""

_PLACEHOLDER = re.compile(r"(?<!\$)\{[A-Za-z_][A-Za-z0-9_:/.-]*\}")
"""What a shell expands begins with `$`."""
_FILLED_IN_BY_A_CORE = re.compile(r"\{artifacts:path\}|\{configuration:/[A-Za-z0-9/_-]+\}")
_EPOCH = (1980, 1, 1, 0, 0, 0)
_PACKAGE_ARGUMENT = re.compile(r"--module components\.([a-z_]+)")
_HASH_CHARS = 16


@dataclass(frozen=True, slots=True)
class Built:
    """What a build made. `components` maps names to versions; `packages` names the runtime that they wait for."""

    folder: Path
    packages: str
    components: dict[str, str]


def project_version(root: Path) -> str:
    """The version in pyproject.toml, which all components carry."""
    version: str = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    return version


def packages_hash(root: Path) -> str:
    """The name of the Python packages that all components together need: a hash of their pins."""
    digest = hashlib.sha256()
    for package in sorted(package for package in map(package_of, recipe_files(root)) if package):
        digest.update(_pins(root, package))
    return digest.hexdigest()[:_HASH_CHARS]


def recipe_files(root: Path) -> list[Path]:
    """The recipes of the suite, by name."""
    return sorted((root / "recipes").glob(f"{PUBLISHER_PREFIX}*.yaml"))


def package_of(recipe: Path) -> str | None:
    """The folder under `components/` that a recipe runs, or None for one without code of ours."""
    found = _PACKAGE_ARGUMENT.search(recipe.read_text())
    return found[1] if found else None


def build(root: Path, target: Path) -> Built:
    """Build every component of `root` into `target`, which is replaced as a whole, or not at all when Rejected."""
    target = target.absolute()
    _require_ours(target)
    fresh = target.with_name(target.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        built = _build_fresh(root, fresh)
        if _content(fresh) != _content(target):
            # A core may be running from there: what is the same is not touched.
            shutil.rmtree(target, ignore_errors=True)
            fresh.rename(target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return replace(built, folder=target)


def _require_ours(target: Path) -> None:
    """Rejected when `target` holds what no build has made: it would be lost."""
    if not target.exists():
        return
    if not target.is_dir():
        raise Rejected(f"{target} is not a folder: name another --target")
    foreign = sorted({path.name for path in target.iterdir()} - {"recipes", "artifacts"})
    if foreign:
        raise Rejected(f"{target} holds {foreign[0]}, which no build has made: name another --target")


def _build_fresh(root: Path, fresh: Path) -> Built:
    version = project_version(root)
    packages = packages_hash(root)
    (fresh / "recipes").mkdir(parents=True)
    components = {}
    for recipe in recipe_files(root):
        name = recipe.stem
        text = recipe.read_text().replace("{COMPONENT_VERSION}", version).replace("{RUNTIME_HASH}", packages)
        text = text.replace("COMPONENT_NAME/COMPONENT_VERSION", f"{name}/{version}")
        described = check_recipe(name, text)
        odd = [found for found in _PLACEHOLDER.findall(text) if not _FILLED_IN_BY_A_CORE.fullmatch(found)]
        if odd:
            raise Rejected(f"recipe {name} has the placeholder {odd[0]}, which nobody fills in")
        if name != RUNTIME:
            check_policy(name, described)
        (fresh / "recipes" / f"{name}-{version}.yaml").write_text(text)
        folder = fresh / "artifacts" / name / version
        folder.mkdir(parents=True)
        package = package_of(recipe)
        if package is not None:
            write_artifact(root, package, folder / f"{package}.zip")
        components[name] = version
    return Built(fresh, packages, components)


def check_recipe(name: str, text: str) -> dict[str, Any]:
    """The recipe as a mapping; what a core would refuse later is Rejected now, naming the recipe."""
    if len(text.encode()) > RECIPE_BYTES_MAX:
        raise Rejected(f"recipe {name} has {len(text.encode())} bytes, Greengrass takes at most {RECIPE_BYTES_MAX}")
    try:
        recipe = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise Rejected(f"recipe {name} is not YAML: {error}") from error
    if not isinstance(recipe, dict) or recipe.get("ComponentName") != name:
        raise Rejected(f"recipe {name} does not carry its own name as ComponentName")
    return recipe


def write_artifact(root: Path, package: str, target: Path) -> None:
    """Write the zip of one component."""
    sources = [root / "components" / "__init__.py"]
    for folder in ("shared", package):
        sources += (root / "components" / folder).rglob("*.py")
    if not (root / "components" / package / "__main__.py").exists():
        raise Rejected(f"component {package} has no components/{package}/__main__.py to run")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as artifact:
        for name, content in sorted([*_modules(root, sources), ("requirements.txt", _pins(root, package))]):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            artifact.writestr(entry, content)


def _pins(root: Path, package: str) -> bytes:
    path = Path("requirements", f"{package.replace('_', '-')}.txt")
    try:
        return (root / path).read_bytes()
    except FileNotFoundError as error:
        raise Rejected(f"component {package} has no {path}: make it with `./nvr pins`") from error


def _content(folder: Path) -> dict[str, bytes]:
    """The hash of every file of a build, by its path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).digest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def _modules(root: Path, sources: list[Path]) -> Iterator[tuple[str, bytes]]:
    for source in sources:
        name = source.relative_to(root).as_posix()
        content = source.read_bytes()
        yield name, content
        yield name + "c", _compiled(name, content)


def _compiled(name: str, content: bytes) -> bytes:
    """A hash-based, unchecked .pyc (PEP 552): it stays valid whatever dates the file system shows."""
    try:
        code = compile(content, name, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise Rejected(f"{name}, line {error.lineno}: {error.msg}") from error
    flags = (1).to_bytes(4, "little")
    return importlib.util.MAGIC_NUMBER + flags + importlib.util.source_hash(content) + marshal.dumps(code)

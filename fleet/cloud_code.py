"""Stages what a deployment of the template uploads: a folder of code per function, and the template that names them.

    build/cloud/template.json
    build/cloud/IndexObject/{cloud,components,boto3,...}

A function's folder holds the modules of ours that its handler imports, whatever way, and the pinned packages of the
group `cloud`, for its runtime and for arm64, whatever machine stages them. Packages are installed once per runtime and
linked into each folder. Nothing of ours is imported here: what a module needs is read from its source.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.shared.errors import Rejected, Transient

FUNCTION = "AWS::Serverless::Function"
PINS = Path("requirements", "cloud.txt")
PLATFORM = "aarch64-manylinux_2_28"
"""What every Python runtime of Lambda on arm64 since 3.12 can load: Amazon Linux 2023."""

INSTALL_S_MAX = 600
UNPACKED_BYTES_MAX = 250_000_000
"""Lambda takes no larger function."""

_OURS = ("cloud", "components")
_MARK = ".edgenvr-cloud-code"
"""In the folder that is ours to make anew; any other folder that is not empty is left alone."""


@dataclass(frozen=True, slots=True)
class StagedFunction:
    """A function that is ready to be uploaded."""

    name: str
    folder: Path
    modules: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class StagedCloud:
    """The template with the code that it names."""

    template: Path
    functions: list[StagedFunction]


def stage(root: Path, template: Mapping[str, Any], target: Path, uv: str, platform: str = PLATFORM) -> StagedCloud:
    """Stages a parsed SAM template of the project at `root` into the folder `target`, made anew.

    Rejected when a handler's module is not there, a function is too large, or `target` is not ours to empty; Transient
    when packages cannot be fetched.
    """
    _make_anew(target)
    staged = deepcopy(dict(template))
    common = staged.get("Globals", {}).get("Function", {})
    common.pop("CodeUri", None)
    functions = []
    for name, properties in _functions(staged):
        runtime = str(properties.get("Runtime", common.get("Runtime")))
        packages = target / "packages" / runtime
        if not packages.exists():
            _install(root, packages, runtime, uv, platform)
        functions.append(_stage_function(root, name, properties, packages, target))
        properties["CodeUri"] = f"./{name}"
    path = target / "template.json"
    path.write_text(json.dumps(staged, indent=1))
    return StagedCloud(path, functions)


def _functions(template: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, resource in template["Resources"].items():
        if resource["Type"] == FUNCTION:
            yield name, resource["Properties"]


def reserved_runs(template: Mapping[str, Any]) -> int:
    """How many runs at once the template's functions take off the account's limit."""
    return sum(int(properties.get("ReservedConcurrentExecutions", 0)) for _, properties in _functions(template))


def _make_anew(target: Path) -> None:
    if target.exists() and any(target.iterdir()) and not (target / _MARK).exists():
        raise Rejected(f"{target} is not empty and not a folder of staged code: name another with --build")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    (target / _MARK).touch()


def _stage_function(
    root: Path, name: str, properties: Mapping[str, Any], packages: Path, target: Path
) -> StagedFunction:
    module = str(properties["Handler"]).rpartition(".")[0]
    folder = target / name
    shutil.copytree(packages, folder, copy_function=os.link)
    sources = modules_of(root, module)
    if not sources:
        raise Rejected(f"function {name}: its handler's module {module} is not in {root}")
    for source in sources:
        copy = folder / source.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
    size_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if size_bytes > UNPACKED_BYTES_MAX:
        raise Rejected(f"function {name} is {size_bytes} bytes unpacked, and Lambda takes {UNPACKED_BYTES_MAX}")
    return StagedFunction(name, folder, len(sources), size_bytes)


def modules_of(root: Path, module: str) -> list[Path]:
    """The files of ours that importing a module comes to need, its packages' own among them; sorted."""
    needed: set[Path] = set()
    left = [module]
    seen: set[str] = set()
    while left:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        path = _file_of(root, name)
        if path is None:
            continue
        needed.add(path)
        left += _imported(path)
        left += ["" if "." not in name else name.rpartition(".")[0]]
    return sorted(needed)


def _file_of(root: Path, module: str) -> Path | None:
    """The file of a module of ours; None for one of others, and for a name inside a module."""
    if module.partition(".")[0] not in _OURS:
        return None
    path = root.joinpath(*module.split("."))
    found = [file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()]
    return found[0] if found else None


def _imported(path: Path) -> Iterator[str]:
    """What a file imports, inside functions too. Of `from a import b` both: `a.b` may be a module."""
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            raise Rejected(f"{path}, line {node.lineno}: a relative import, which staging does not follow")
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _install(root: Path, packages: Path, runtime: str, uv: str, platform: str) -> None:
    command = [uv, "pip", "install", "--quiet", "--target", str(packages), "--python-platform", platform]
    command += ["--python-version", runtime.removeprefix("python"), "--only-binary", ":all:", "--no-deps"]
    command += ["--require-hashes", "-r", str(root / PINS)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S_MAX, check=False)
    except subprocess.TimeoutExpired as error:
        raise Transient(f"the packages of {PINS} did not come within {INSTALL_S_MAX} s") from error
    if done.returncode != 0:
        raise Transient(
            f"the packages of {PINS} cannot be had for {runtime} on {platform}: {done.stderr.strip()[-500:]}"
        )

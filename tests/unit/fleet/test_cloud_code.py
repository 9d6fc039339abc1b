"""Staged code is what a function needs, all of it, built for where it runs."""

from __future__ import annotations

import json
import site
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.cloud_check import TEMPLATE
from cli.cloud_deploy import parse_template
from cli.pins import uv_program
from cli.steps import ROOT
from components.shared.errors import Rejected
from fleet.cloud_code import FUNCTION, modules_of, reserved_runs, stage

AARCH64 = 183
"""`e_machine` of ELF for arm64."""

FUNCTIONS = [
    (name, body["Properties"]["Handler"])
    for name, body in parse_template(TEMPLATE)["Resources"].items()
    if body["Type"] == FUNCTION
]


def project(folder: Path, **files: str) -> Path:
    """A small project: modules by their names, `__` standing for a dot."""
    for name, text in files.items():
        path = folder.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def names(root: Path, module: str) -> set[str]:
    return {path.relative_to(root).as_posix() for path in modules_of(root, module)}


def test_what_a_module_needs_is_followed(tmp_path: Path) -> None:
    """Imports are followed through modules, packages and functions; what nobody imports is left out."""
    root = project(
        tmp_path,
        cloud__a="import json\nfrom cloud import b\nimport boto3\n",
        cloud__b="def f():\n    from components.shared.wire.c import name\n",
        cloud__lonely="",
        components__shared__wire__c="import components.shared.d\n",
        components__shared__d="import cloud.a\n",
        cli__x="",
    )
    for package in ("cloud", "components", "components/shared"):
        (root / package / "__init__.py").write_text("")
    assert names(root, "cloud.a") == {
        "cloud/__init__.py",
        "cloud/a.py",
        "cloud/b.py",
        "components/__init__.py",
        "components/shared/__init__.py",
        "components/shared/wire/c.py",
        "components/shared/d.py",
    }


def test_a_relative_import_is_refused(tmp_path: Path) -> None:
    """What staging would not follow is refused by its place, and not left out."""
    root = project(tmp_path, cloud__a="\nfrom . import b\n")
    with pytest.raises(Rejected, match=r"a\.py, line 2"):
        modules_of(root, "cloud.a")


def test_a_handler_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A function whose code does not exist ends the staging, by its name."""
    template = {"Resources": {"F": {"Type": FUNCTION, "Properties": {"Handler": "cloud.none.handle", "Runtime": "x"}}}}
    (tmp_path / "out").mkdir()
    with pytest.raises(Rejected, match=r"function F: .* cloud\.none"):
        stage(tmp_path, template, tmp_path / "out", installer(tmp_path, 0))


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """Staging empties its own folders only."""
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(Rejected, match="not a folder of staged code"):
        stage(ROOT, {"Resources": {}}, tmp_path, "uv")
    assert (tmp_path / "kept.txt").read_text() == "mine"


def installer(folder: Path, code: int) -> str:
    """A program that takes the arguments of uv, makes the folder after `--target`, and ends with a code."""
    program = folder / "installer"
    program.write_text(f'#!/bin/sh\nmkdir -p "$5" && echo new > "$5/package.py"\nexit {code}\n')
    program.chmod(0o755)
    return str(program)


def small_template(**properties: Any) -> dict[str, Any]:
    both = {"Handler": "cloud.a.handle", **properties}
    return {
        "Globals": {"Function": {"CodeUri": "../", "Runtime": "python3.13"}},
        "Resources": {
            "F": {"Type": FUNCTION, "Properties": dict(both)},
            "G": {"Type": FUNCTION, "Properties": dict(both)},
            "Q": {"Type": "AWS::SQS::Queue"},
        },
    }


def test_each_function_has_a_folder_of_its_own(tmp_path: Path) -> None:
    """The staged template names a folder per function, with code and packages; the one it was made of is unchanged."""
    root = project(tmp_path / "project", cloud__a="")
    template = small_template()
    for _ in range(2):  # a folder that was staged before is made anew
        staged = stage(root, template, tmp_path / "out", installer(tmp_path, 0))
    told = json.loads(staged.template.read_text())
    assert {
        name: body["Properties"]["CodeUri"] for name, body in told["Resources"].items() if "Properties" in body
    } == {
        "F": "./F",
        "G": "./G",
    }
    assert "CodeUri" not in told["Globals"]["Function"]
    assert template["Globals"]["Function"]["CodeUri"] == "../"
    for function in staged.functions:
        assert {path.name for path in function.folder.rglob("*.py")} == {"a.py", "package.py"}


def test_packages_that_do_not_come_are_told(tmp_path: Path) -> None:
    """When the installer fails, nothing is staged and the pins are named."""
    root = project(tmp_path / "project", cloud__a="")
    with pytest.raises(Exception, match=r"requirements/cloud\.txt cannot be had for python3\.13"):
        stage(root, small_template(), tmp_path / "out", installer(tmp_path, 1))


def test_reserved_runs_are_counted() -> None:
    """What the functions reserve is added up, those that reserve nothing counting nothing."""
    template = small_template()
    template["Resources"]["F"]["Properties"]["ReservedConcurrentExecutions"] = 7
    assert reserved_runs(template) == 7


@pytest.mark.slow
@pytest.mark.parametrize(("name", "handler"), FUNCTIONS)
def test_a_staged_handler_imports_by_itself(tmp_path: Path, name: str, handler: str) -> None:
    """With nothing of ours but the staged modules, each function's handler is there and can be called."""
    module, function = handler.rsplit(".", 1)
    for source in modules_of(ROOT, module):
        copy = tmp_path / source.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(source.read_bytes())
    packages = [path for path in site.getsitepackages() if path.startswith(sys.prefix)]
    code = (
        f"import sys; sys.path = [{str(tmp_path)!r}, *[p for p in sys.path if {str(ROOT)!r} != p], *{packages!r}]\n"
        f"import importlib; module = importlib.import_module({module!r})\n"
        f"assert module.__file__.startswith({str(tmp_path)!r}), module.__file__\n"
        f"assert callable(module.{function})"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, f"{name}: {done.stderr}"


@pytest.mark.slow
def test_the_product_is_staged_for_arm64(tmp_path: Path) -> None:
    """Every shared library in a staged function is one for arm64, and the function's size is one that Lambda takes."""
    template = parse_template(TEMPLATE)
    template["Resources"] = {"IndexObject": template["Resources"]["IndexObject"]}
    (function,) = stage(ROOT, template, tmp_path / "out", uv_program()).functions
    libraries = list(function.folder.rglob("*.so"))
    assert libraries
    for library in libraries:
        (machine,) = struct.unpack_from("<H", library.read_bytes()[:20], 18)
        assert machine == AARCH64, library
    assert (function.folder / "boto3").is_dir()
    assert (function.folder / "cloud/functions/index_object/handler.py").is_file()
    assert not (function.folder / "components/capture").exists()

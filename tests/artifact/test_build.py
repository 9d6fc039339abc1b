"""What a build holds: the same bytes from the same sources, everything of a component and nothing of another."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from components.shared.errors import Rejected
from fleet.artifacts import PUBLISHER_PREFIX, RECIPE_BYTES_MAX, RUNTIME, build
from tests.artifact import small_project
from tests.artifact.small_project import COMPONENTS, VERSION, read_recipe, write, write_recipe

ROOT = Path(__file__).parents[2]
CAPTURE = PUBLISHER_PREFIX + "Capture"
PLACEHOLDER = re.compile(r"\{[^}]*\}")
FILLED_IN_BY_A_CORE = re.compile(r"\{artifacts:path\}|\{configuration:/[A-Za-z/]+\}")


def content(folder: Path) -> dict[str, str]:
    """The hash of every file, by its path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def identities(folder: Path) -> dict[Path, tuple[int, int]]:
    """What a rewritten file would not keep."""
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in (folder, *folder.rglob("*"))}


def artifact(folder: Path, package: str, name: str = CAPTURE, version: str = VERSION) -> Path:
    """Where a component's zip is."""
    return folder / "artifacts" / name / version / f"{package}.zip"


def test_layout_is_that_of_a_local_deployment(project: Path, tmp_path: Path) -> None:
    """A recipe per component with its version in the name, an artifact per component with code, and nothing else."""
    built = build(project, tmp_path / "built")
    assert built.components == {CAPTURE: VERSION, PUBLISHER_PREFIX + "CloudSync": VERSION, RUNTIME: VERSION}
    assert set(content(tmp_path / "built")) == {
        f"recipes/{CAPTURE}-{VERSION}.yaml",
        f"recipes/{PUBLISHER_PREFIX}CloudSync-{VERSION}.yaml",
        f"recipes/{RUNTIME}-{VERSION}.yaml",
        f"artifacts/{CAPTURE}/{VERSION}/capture.zip",
        f"artifacts/{PUBLISHER_PREFIX}CloudSync/{VERSION}/cloud_sync.zip",
    }


def test_same_sources_give_the_same_bytes_wherever_they_lie(project: Path, tmp_path: Path) -> None:
    """Two builds, and builds of two copies in different folders, do not differ in a byte."""
    build(project, tmp_path / "one")
    build(project, tmp_path / "two")
    elsewhere = tmp_path / "a longer way" / "to the copy"
    shutil.copytree(project, elsewhere)
    for source in elsewhere.rglob("*.py"):
        os.utime(source, (1, 1))
        source.chmod(0o755)
    build(elsewhere, tmp_path / "three")
    assert content(tmp_path / "one") == content(tmp_path / "two") == content(tmp_path / "three")


@pytest.mark.slow
def test_same_bytes_whatever_else_the_process_has_done(project: Path, tmp_path: Path) -> None:
    """Neither hash seeds nor modules that happen to be loaded show in the compiled form."""
    for number, before in enumerate(("", "import asyncio, email, http.server, logging.config, sqlite3; ")):
        code = f"{before}import sys, pathlib, fleet.artifacts as a; a.build(*map(pathlib.Path, sys.argv[1:]))"
        environment = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": str(number + 1)}
        arguments = [str(project), str(tmp_path / str(number))]
        subprocess.run([sys.executable, "-P", "-c", code, *arguments], env=environment, check=True, timeout=60)
    assert content(tmp_path / "0") == content(tmp_path / "1")


def test_changed_source_changes_its_artifact_alone(project: Path, tmp_path: Path) -> None:
    """A changed source of one component changes that component's zip and no other file; a shared one changes all."""
    build(project, tmp_path / "built")
    before = content(tmp_path / "built")
    write(project / "components/capture/core/plan.py", 'PLAN = "another"\n')
    build(project, tmp_path / "built")
    changed = {path for path, digest in content(tmp_path / "built").items() if before[path] != digest}
    assert changed == {f"artifacts/{CAPTURE}/{VERSION}/capture.zip"}
    before = content(tmp_path / "built")
    write(project / "components/shared/wire/greeting.py", "WORDS = frozenset()\n")
    build(project, tmp_path / "built")
    changed = {path for path, digest in content(tmp_path / "built").items() if before[path] != digest}
    assert {path.rpartition("/")[2] for path in changed} == {"capture.zip", "cloud_sync.zip"}


def test_zip_holds_a_component_and_what_is_shared(project: Path, tmp_path: Path) -> None:
    """Each module with its compiled form, the pins, and nothing of tests or of another component."""
    write(project / "components/capture/notes.txt", "not a module")
    write(project / "components/capture/__pycache__/app.cpython-311.pyc", "left over")
    build(project, tmp_path / "built")
    modules = (
        "components/__init__.py",
        "components/capture/__init__.py",
        "components/capture/__main__.py",
        "components/capture/core/__init__.py",
        "components/capture/core/plan.py",
        "components/shared/__init__.py",
        "components/shared/wire/__init__.py",
        "components/shared/wire/greeting.py",
    )
    with zipfile.ZipFile(artifact(tmp_path / "built", "capture")) as opened:
        assert opened.namelist() == sorted([*modules, *(f"{name}c" for name in modules), "requirements.txt"])
        assert opened.read("requirements.txt") == (project / "requirements/capture.txt").read_bytes()


def test_entries_tell_nothing_of_the_machine(project: Path, tmp_path: Path) -> None:
    """Every entry is dated 1980, stored, sorted by name, and readable by all."""
    build(project, tmp_path / "built")
    with zipfile.ZipFile(artifact(tmp_path / "built", "capture")) as opened:
        entries = opened.infolist()
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    for entry in entries:
        assert entry.date_time == (1980, 1, 1, 0, 0, 0)
        assert entry.compress_type == zipfile.ZIP_STORED
        assert stat.S_IMODE(entry.external_attr >> 16) == 0o644
        assert not entry.extra
        assert not entry.comment


def test_recipes_are_filled_in(project: Path, tmp_path: Path) -> None:
    """Version and hash stand in the recipes; what is left in braces is what a core fills in."""
    built = build(project, tmp_path / "built")
    for name in built.components:
        text = (built.folder / "recipes" / f"{name}-{VERSION}.yaml").read_text()
        assert yaml.safe_load(text)["ComponentVersion"] == VERSION
        assert [found for found in PLACEHOLDER.findall(text) if not FILLED_IN_BY_A_CORE.fullmatch(found)] == []
    text = (built.folder / "recipes" / f"{CAPTURE}-{VERSION}.yaml").read_text()
    assert f"--runtime {built.packages} --version {VERSION}" in text
    assert f"s3://BUCKET_NAME/{CAPTURE}/{VERSION}/capture.zip" in text


def test_packages_are_named_by_the_pins_of_all(project: Path, tmp_path: Path) -> None:
    """Any component's pins change the name of the packages that all components wait for."""
    names = {build(project, tmp_path / "built").packages}
    for group in ("capture", "cloud-sync"):
        write(project / "requirements" / f"{group}.txt", "av==18.2.0\n")
        names.add(build(project, tmp_path / "built").packages)
    assert len(names) == 3


def test_what_is_the_same_is_not_touched(project: Path, tmp_path: Path) -> None:
    """A core may be running from a build: an identical one leaves every file and folder as it is."""
    build(project, tmp_path / "built")
    before = identities(tmp_path / "built")
    build(project, tmp_path / "built")
    assert identities(tmp_path / "built") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["built", "project"]


def _too_large(project: Path) -> None:
    document = read_recipe(project, CAPTURE)
    document["ComponentDescription"] = "x" * RECIPE_BYTES_MAX
    write_recipe(project, CAPTURE, document)


def _bad_yaml(project: Path) -> None:
    path = project / "recipes" / f"{CAPTURE}.yaml"
    path.write_text(path.read_text() + "  odd: [\n")


def _no_mapping(project: Path) -> None:
    write(project / "recipes" / f"{CAPTURE}.yaml", "- a list # --module components.capture\n")


def _other_name(project: Path) -> None:
    document = read_recipe(project, CAPTURE)
    document["ComponentName"] = PUBLISHER_PREFIX + "Recorder"
    write_recipe(project, CAPTURE, document)


def _wider_policy(project: Path) -> None:
    document = read_recipe(project, CAPTURE)
    rules = document["ComponentConfiguration"]["DefaultConfiguration"]["accessControl"]["aws.greengrass.ipc.pubsub"]
    rules[f"{CAPTURE}:pubsub:0"]["resources"].append("nvr/v1/event/begun")
    write_recipe(project, CAPTURE, document)


def _no_configuration(project: Path) -> None:
    document = read_recipe(project, CAPTURE)
    del document["ComponentConfiguration"]
    write_recipe(project, CAPTURE, document)


def _odd_placeholder(project: Path) -> None:
    path = project / "recipes" / f"{CAPTURE}.yaml"
    path.write_text(path.read_text().replace("{RUNTIME_HASH}", "{RUNTIME_HSAH}"))


def _no_start(project: Path) -> None:
    (project / "components/capture/__main__.py").unlink()


def _no_pins(project: Path) -> None:
    (project / "requirements/capture.txt").unlink()


def _bad_source(project: Path) -> None:
    write(project / "components/capture/core/plan.py", "PLAN = (\n")


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (_too_large, rf"{CAPTURE} has \d+ bytes, .* {RECIPE_BYTES_MAX}"),
        (_bad_yaml, rf"{CAPTURE} is not YAML"),
        (_no_mapping, rf"{CAPTURE} .*ComponentName"),
        (_other_name, rf"{CAPTURE} .*ComponentName"),
        (_wider_policy, rf"{CAPTURE}: .*nvr/v1/event/begun"),
        (_no_configuration, rf"{CAPTURE}: .*lacks nvr/v1/segment/closed"),
        (_odd_placeholder, rf"{CAPTURE} .*\{{RUNTIME_HSAH\}}"),
        (_no_start, r"capture has no components/capture/__main__\.py"),
        (_no_pins, r"capture has no requirements/capture\.txt"),
        (_bad_source, r"components/capture/core/plan\.py, line 1"),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
def test_what_a_core_would_refuse_is_refused_by_name(
    project: Path, tmp_path: Path, harm: Callable[[Path], None], named: str
) -> None:
    """A fault is told with the recipe or file that has it; the build before stays, and nothing half-made is left."""
    build(project, tmp_path / "built")
    before = identities(tmp_path / "built")
    harm(project)
    with pytest.raises(Rejected, match=named):
        build(project, tmp_path / "built")
    assert identities(tmp_path / "built") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["built", "project"]


@pytest.mark.parametrize(("more", "fits"), [(-1, True), (0, True), (1, False)])
def test_largest_recipe(project: Path, tmp_path: Path, more: int, fits: bool) -> None:
    """A recipe of exactly the limit, placeholders filled in, is taken; one byte more is not."""
    document = read_recipe(project, CAPTURE)
    write_recipe(project, CAPTURE, {**document, "ComponentDescription": "x"})
    built = build(project, tmp_path / "built")
    size_bytes = (built.folder / "recipes" / f"{CAPTURE}-{VERSION}.yaml").stat().st_size
    filler = "x" * (RECIPE_BYTES_MAX - size_bytes + 1 + more)
    write_recipe(project, CAPTURE, {**document, "ComponentDescription": filler})
    if fits:
        build(project, tmp_path / "built")
        size_bytes = (built.folder / "recipes" / f"{CAPTURE}-{VERSION}.yaml").stat().st_size
        assert size_bytes == RECIPE_BYTES_MAX + more
    else:
        with pytest.raises(Rejected, match=str(RECIPE_BYTES_MAX + more)):
            build(project, tmp_path / "built")


def test_folder_of_somebody_else_is_not_replaced(project: Path, tmp_path: Path) -> None:
    """A target that holds anything but a build is refused and left as it is."""
    target = tmp_path / "documents"
    write(target / "letter.txt", "dear")
    with pytest.raises(Rejected, match=r"documents .*letter\.txt"):
        build(project, target)
    assert content(target).keys() == {"letter.txt"}
    with pytest.raises(Rejected, match="letter"):
        build(project, target / "letter.txt")


def test_empty_folder_is_taken(project: Path, tmp_path: Path) -> None:
    """A target may be there already when nothing is in it."""
    (tmp_path / "built").mkdir()
    build(project, tmp_path / "built")
    assert artifact(tmp_path / "built", "capture").exists()


@pytest.mark.slow
def test_project_itself_builds(tmp_path: Path) -> None:
    """All components of this project build, twice with the same bytes, each with its own code only."""
    built = build(ROOT, tmp_path / "built")
    again = build(ROOT, tmp_path / "again")
    assert content(built.folder) == content(again.folder)
    for name, version in built.components.items():
        for path in (built.folder / "artifacts" / name / version).iterdir():
            with zipfile.ZipFile(path) as opened:
                rooms = {entry.split("/")[1] for entry in opened.namelist() if entry.count("/") > 1}
                assert rooms == {"shared", path.stem}
                assert "requirements.txt" in opened.namelist()
        text = (built.folder / "recipes" / f"{name}-{version}.yaml").read_text()
        assert "{COMPONENT_VERSION}" not in text
        assert "{RUNTIME_HASH}" not in text


def test_small_project_is_like_ours() -> None:
    """The small project's components are in the table of topics, so that its refusals are those of the real one."""
    assert set(COMPONENTS) == {"Capture", "CloudSync"}
    assert small_project.recipe("Capture", "capture")["ComponentName"] == CAPTURE

"""Every durable step in the code that creates and deletes segments can be crashed before and after."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = ROOT / "components" / "shared" / "catalogue"
MODULES = (
    *sorted((ROOT / "components" / "capture").glob("*.py")),
    *(CATALOGUE / name for name in ("reconcile.py", "strays.py", "segment_probe.py")),
)

RAW = frozenset(
    {"fsync", "fdatasync", "ftruncate", "truncate", "rename", "renames", "unlink", "link", "symlink"}
    | {"mkdir", "makedirs", "rmdir", "pwrite", "pwritev", "writev", "write_bytes", "write_text"}
    | {"sync_file_range", "posix_fallocate", "copy_file_range"}
)
"""Calls that change what is on a disk, whatever they are called on."""

TAKES_STEP = frozenset({"sync_folder", "make_folders", "write_durably", "remove_durably", "make_whole", "move_aside"})
"""Functions of ours that call `step` themselves, if they are given one."""

ELSEWHERE = {
    ("app.py", "_repaired"): "the volume's folder, made before anything is recorded, and again at every start",
    ("ballast.py", "look"): "the ballast is no footage: wherever it is cut off, the next look makes or throws it",
    ("ballast.py", "_make"): "the same",
    ("live_server.py", "_bind"): "a socket is no file that lasts: every process makes its own anew",
    ("live_server.py", "_close"): "the same",
    ("segment_probe.py", "_append"): "called by make_whole, between the two sides of its step",
    ("zygote.py", "_become_crew"): "a setting of the kernel's, on no disk",
}


def test_every_durable_step_has_a_crash_point_on_each_side() -> None:
    """Each call that changes the disk stands between `step("before X")` and `step("after X")`, or hands `step` on."""
    naked = [fault for module in MODULES for fault in faults_of(module.name, module.read_text())]
    assert naked == []


def test_what_has_none_is_found() -> None:
    """A sync without steps, one with one side only, and a folder synced without handing `step` on are named."""
    source = """
def bare(fd):
    os.fsync(fd)

def half(fd, step):
    step("before sync")
    os.fsync(fd)

def outside(fd, step):
    step("before sync")
    step("after sync")
    os.fsync(fd)

def created(path):
    os.open(path, os.O_CREAT)

def folder(path, step):
    sync_folder(path)

def good(self, path, step):
    step("before sync")
    self._door.sync(1)
    step("after sync")
    sync_folder(path, step)
    rows = [row.replace("a", "b") for row in path]
"""
    named = [fault.split(":")[1] for fault in faults_of("made.py", source)]
    assert named == [" bare", " half", " outside", " created", " folder"]


def test_exceptions_are_needed() -> None:
    """Every exception names a function that has a durable step."""
    found = {(module.name, function.name) for module in MODULES for function, _ in calls_of(module.read_text())}
    assert set(ELSEWHERE) <= found


def faults_of(module: str, source: str) -> list[str]:
    """The durable calls of a module that have no crash point on each side."""
    return [
        f"{module}: {function.name}: line {call.lineno}: {ast.unparse(call)}"
        for function, call in calls_of(source)
        if (module, function.name) not in ELSEWHERE and not (hands_step_on(call) or is_between(function, call))
    ]


def calls_of(source: str) -> Iterator[tuple[ast.FunctionDef, ast.Call]]:
    """Every durable call, with the function that it is in."""
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef):
            yield from ((function, call) for call in ast.walk(function) if isinstance(call, ast.Call) and changes(call))


def changes(call: ast.Call) -> bool:
    """Whether a call changes what is on a disk."""
    name = called(call).rpartition(".")[2]
    if name in TAKES_STEP:
        return True
    if name == "replace":  # of texts and dataclasses it is no rename; of a path it has one argument
        return len(call.args) == 1 and not call.keywords
    through_door = called(call).endswith(("door.write", "door.sync"))
    if name == "touch":  # so are methods of ours named; a path's takes nothing here
        return not call.args
    if called(call) == "os.remove":
        return True
    creates = called(call) == "os.open" and "O_CREAT" in ast.unparse(call)
    return name in RAW or through_door or creates


def called(call: ast.Call) -> str:
    return ast.unparse(call.func)


def hands_step_on(call: ast.Call) -> bool:
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    return any(is_step(value) for value in values)


def is_step(value: ast.expr) -> bool:
    """Whether this is what a function or object was given as its `step`."""
    return ast.unparse(value).rpartition(".")[2] in {"step", "_step"}


def is_between(function: ast.FunctionDef, call: ast.Call) -> bool:
    """Whether the call stands between the two sides of one step."""
    told = [
        (node.lineno, str(node.args[0].value))
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and is_step(node.func) and node.args and isinstance(node.args[0], ast.Constant)
    ]
    return any(
        before == f"before {name}" and after == f"after {name}" and first <= call.lineno <= second
        for (first, before), (second, after) in itertools.pairwise(sorted(told))
        for name in [before.partition(" ")[2]]
    )

"""Files that the core keeps: logs, short paths to sockets, what was installed, artifacts."""

import os
import socket
import zipfile
from pathlib import Path

import pytest

from local.nucleus.artifacts import digest_of, place, unpack
from local.nucleus.deployment import DeploymentError
from local.nucleus.durable_file import replace_file
from local.nucleus.environment import SYSTEM_PATH, Identity, component_environment
from local.nucleus.installed import InstalledList
from local.nucleus.output_log import OutputLog
from local.nucleus.profile import CLASSIC, LITE
from local.nucleus.recipe import Artifact
from local.nucleus.short_path import SOCKET_PATH_BYTES_MAX, reachable


def test_a_full_log_is_put_aside(tmp_path: Path) -> None:
    """A log keeps to its size; older ones are kept up to their number, the youngest as .1."""
    log = OutputLog(tmp_path / "a.log", bytes_max=10, kept=2)
    for text in (b"first line", b"second", b"third", b"four"):
        log.write(text)
    log.close()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "a.log": b"thirdfour",
        "a.log.1": b"second",
        "a.log.2": b"first line",
    }
    log = OutputLog(tmp_path / "a.log", bytes_max=10, kept=2)
    log.write(b"fifth")
    log.close()
    assert {path.name for path in tmp_path.iterdir()} == {"a.log", "a.log.1", "a.log.2"}
    assert (tmp_path / "a.log.2").read_bytes() == b"second"


def test_a_log_goes_on_after_a_restart(tmp_path: Path) -> None:
    """What was written before is kept and counted."""
    for text in (b"before\n", b"after\n"):
        log = OutputLog(tmp_path / "a.log", bytes_max=20)
        log.write(text)
        log.close()
    assert (tmp_path / "a.log").read_bytes() == b"before\nafter\n"


def test_a_socket_can_be_made_below_a_long_path(tmp_path: Path) -> None:
    """A path too long for a socket's address is reached through a short one, always the same."""
    folder = tmp_path / ("long" * 40)
    folder.mkdir()
    path = reachable(folder, "ipc.socket")
    assert len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX
    assert reachable(folder, "ipc.socket") == path
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        assert (folder / "ipc.socket").is_socket()
    path.parent.unlink()


def test_a_short_path_is_used_as_it_is(tmp_path: Path) -> None:
    """Where the address fits there is no link."""
    assert reachable(tmp_path, "s") == tmp_path / "s"


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """The new content is there and nothing else is left in the folder."""
    path = tmp_path / "file"
    for content in (b"old", b"new"):
        replace_file(path, content)
    assert path.read_bytes() == b"new"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_what_was_installed_is_remembered(tmp_path: Path) -> None:
    """An install that was done is known after a restart, until the component is forgotten."""
    InstalledList(tmp_path / "list").put("A", "1")
    known = InstalledList(tmp_path / "list")
    assert known.has("A", "1")
    assert not known.has("A", "2")
    known.forget("A")
    assert not InstalledList(tmp_path / "list").has("A", "1")


def test_artifacts_are_told_apart_by_their_content(tmp_path: Path) -> None:
    """The digest depends on names and contents, not on times; a missing folder has that of an empty one."""
    folder = tmp_path / "artifacts"
    empty = digest_of(folder)
    (folder / "sub").mkdir(parents=True)
    assert digest_of(folder) == empty
    (folder / "sub" / "a").write_text("1")
    one = digest_of(folder)
    os.utime(folder / "sub" / "a", (1, 1))
    assert digest_of(folder) == one != empty
    (folder / "sub" / "a").write_text("2")
    assert digest_of(folder) != one
    (folder / "sub" / "a").write_text("1")
    (folder / "sub" / "a").rename(folder / "sub" / "b")
    assert digest_of(folder) != one


def test_artifacts_are_placed_as_a_copy(tmp_path: Path) -> None:
    """The target becomes what the source is, with nothing of what it was."""
    source, target = tmp_path / "source", tmp_path / "packages" / "A" / "1.0.0"
    source.mkdir()
    (source / "new").write_text("new")
    target.mkdir(parents=True)
    (target / "old").write_text("old")
    place(source, target)
    assert [path.name for path in target.iterdir()] == ["new"]
    place(tmp_path / "none", target)
    assert list(target.iterdir()) == []
    assert [path.name for path in target.parent.iterdir()] == ["1.0.0"]


def test_zip_artifacts_are_unpacked(tmp_path: Path) -> None:
    """A ZIP artifact is unpacked into a folder of its name, another one is not; a damaged one is refused."""
    with zipfile.ZipFile(tmp_path / "program.zip", "w") as archive:
        archive.writestr("main.py", "1")
    artifacts = (Artifact("program.zip", "ZIP"), Artifact("other.zip", "NONE"))
    unpack(artifacts, tmp_path, tmp_path / "out")
    assert [str(path.relative_to(tmp_path / "out")) for path in sorted((tmp_path / "out").rglob("*"))] == [
        "program",
        "program/main.py",
    ]
    (tmp_path / "program.zip").write_text("no zip")
    with pytest.raises(DeploymentError, match=r"program\.zip"):
        unpack(artifacts, tmp_path, tmp_path / "out")


def test_environment_of_a_component(tmp_path: Path) -> None:
    """The names are those of the real runtimes; Setenv wins over additions, and the identity over them."""
    identity = Identity(
        token="T" * 16,
        socket=tmp_path / "s",
        thing_name="thing",
        region="region",
        root=tmp_path,
        user="u",
        home="/h",
        credentials_uri=None,
        path=("/first",),
        additions={"AWS_ENDPOINT_URL": "url", "SVCUID": "forged"},
    )
    lite = component_environment(identity, {"A": "a"}, LITE)
    assert lite.keys() == {
        "HOME", "USER", "LOGNAME", "LANG", "PATH", "AWS_ENDPOINT_URL", "SVCUID", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT", "AWS_IOT_THING_NAME", "AWS_REGION",
        "AWS_DEFAULT_REGION", "GGC_VERSION", "GG_ROOT_CA_PATH", "A",
    }  # fmt: skip
    assert (lite["GGC_VERSION"], lite["AWS_REGION"]) == ("2.6.0", "region")
    assert lite["PATH"] == f"/first:{SYSTEM_PATH}"
    assert lite["SVCUID"] == lite["AWS_CONTAINER_AUTHORIZATION_TOKEN"] == "T" * 16
    classic = component_environment(identity, {}, CLASSIC)
    assert classic.keys() - lite.keys() == {"AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH"}

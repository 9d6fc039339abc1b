"""Secrets: files for one user only, values that do not print."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from components.shared.errors import Rejected, Transient
from components.shared.runtime.secrets import (
    SECRET_BYTES_MAX,
    Secret,
    list_secrets,
    read_secret,
    remove_secret,
    write_secret,
)

PASSWORD = "admin:s3cret-Ü"


def test_a_secret_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """What was written under a name is read under it, and the file is for its user only."""
    write_secret(tmp_path, "cam-1", Secret(PASSWORD))
    assert read_secret(tmp_path, "cam-1").reveal() == PASSWORD
    assert (tmp_path / "secrets" / "cam-1").stat().st_mode & 0o777 == 0o600
    assert list_secrets(tmp_path) == ["cam-1"]


def test_a_secret_never_prints() -> None:
    """No way of making text of a secret gives it away."""
    secret = Secret(PASSWORD)
    for text in (
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret!r:>10}",
        "{}".format(secret),  # noqa: UP032 - one of the ways
        str([secret]),
        str({1: secret}),
    ):
        assert "***" in text
        assert "s3cret" not in text


def test_a_secret_is_not_serialised() -> None:
    """Pickling a secret, as a queue between processes would, is refused."""
    with pytest.raises(TypeError, match="not written anywhere"):
        pickle.dumps(Secret(PASSWORD))


def test_secrets_compare_by_their_text() -> None:
    """A changed password is noticed by comparing."""
    assert Secret("a:b") == Secret("a:b")
    assert Secret("a:b") != Secret("a:c")
    assert Secret("a:b") != "a:b"
    assert len({Secret("a:b"), Secret("a:b")}) == 1


def test_a_missing_secret_says_what_to_do(tmp_path: Path) -> None:
    """Reading a secret that nobody has set is Transient and names the command that sets it."""
    with pytest.raises(Transient, match=r"secret cam-9 is not there: `\./nvr secret set cam-9`"):
        read_secret(tmp_path, "cam-9")


def test_an_empty_secret_says_what_to_do(tmp_path: Path) -> None:
    """An empty file is no secret yet."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "cam-1").write_text("\n")
    with pytest.raises(Transient, match="secret cam-1 is empty"):
        read_secret(tmp_path, "cam-1")


def test_a_line_end_that_an_editor_left_is_no_part_of_the_secret(tmp_path: Path) -> None:
    """A file written with echo holds the same secret as one without a line end; blanks are part of a password."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "cam-1").write_bytes(b"user:pass word \r\n")
    assert read_secret(tmp_path, "cam-1").reveal() == "user:pass word "


@pytest.mark.parametrize("name", ["", "../catalogue", "Cam", "a/b", ".", "a" * 65, "cam_1"])
def test_a_name_that_could_lead_elsewhere_is_rejected(tmp_path: Path, name: str) -> None:
    """Only names that the site's documents allow are used in a path."""
    for act in (read_secret, remove_secret):
        with pytest.raises(Rejected, match="not a name of a secret"):
            act(tmp_path, name)
    with pytest.raises(Rejected, match="not a name of a secret"):
        write_secret(tmp_path, name, Secret("a:b"))


@pytest.mark.parametrize(("length", "fits"), [(SECRET_BYTES_MAX - 1, True), (SECRET_BYTES_MAX + 1, False)])
def test_the_length_of_a_secret_has_a_limit(tmp_path: Path, length: int, fits: bool) -> None:
    """Up to the limit a secret is kept, above it is Rejected, when written as when read."""
    secret = Secret("x" * length)
    if fits:
        write_secret(tmp_path, "long", secret)
        assert read_secret(tmp_path, "long") == secret
        return
    with pytest.raises(Rejected, match="longer than"):
        write_secret(tmp_path, "long", secret)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "long").write_text(secret.reveal())
    with pytest.raises(Rejected, match="longer than"):
        read_secret(tmp_path, "long")


def test_a_secret_of_bytes_that_are_no_text_is_rejected(tmp_path: Path) -> None:
    """A file that is not UTF-8 is told as such, without its content."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "cam-1").write_bytes(b"user:\xff\xfe")
    with pytest.raises(Rejected, match="secret cam-1 is not text"):
        read_secret(tmp_path, "cam-1")


def test_a_removed_secret_is_gone(tmp_path: Path) -> None:
    """Removing tells whether it was there, and afterwards it is not."""
    assert remove_secret(tmp_path, "cam-1") is False
    write_secret(tmp_path, "cam-1", Secret("a:b"))
    assert remove_secret(tmp_path, "cam-1") is True
    assert list_secrets(tmp_path) == []

"""What every seal promises: the secret comes back, under its own name, and what cannot be opened says nothing of it."""

from __future__ import annotations

import pytest

from components.shared.errors import Rejected
from components.shared.runtime.seal import PLAIN
from components.shared.wire.secret import Secret
from tests.contract.seal.conftest import Subject

pytestmark = pytest.mark.slow

TEXT = "viewer:p4ss w:rd@Ü#%"


@pytest.mark.parametrize("text", [TEXT, "u:p", "u:" + "x" * 3_000, "user:pass word "])
def test_a_secret_comes_back(subject: Subject, text: str) -> None:
    """What was closed under a name is opened under it, to the last blank."""
    assert subject.seal.open("yard", subject.seal.close("yard", Secret(text))).reveal() == text


def test_closing_twice_opens_twice(subject: Subject) -> None:
    """A secret may be kept again and again; each content is good by itself."""
    contents = [subject.seal.close("yard", Secret(TEXT)) for _ in range(2)]
    assert [subject.seal.open("yard", content).reveal() for content in contents] == [TEXT, TEXT]


def test_what_encrypts_shows_nothing(subject: Subject) -> None:
    """No part of the text is in the content, unless the seal is the one that says that it is plain."""
    content = subject.seal.close("yard", Secret(TEXT))
    assert (b"p4ss" in content) is (subject.seal.kind == PLAIN.kind)


def test_what_encrypts_binds_to_the_name(subject: Subject) -> None:
    """The file of one secret, put in place of another's, is refused."""
    content = subject.seal.close("yard", Secret(TEXT))
    if subject.seal.kind == PLAIN.kind:
        assert subject.seal.open("door", content).reveal() == TEXT
        return
    with pytest.raises(Rejected, match="secret door") as refused:
        subject.seal.open("door", content)
    assert "p4ss" not in str(refused.value)


def test_what_encrypts_binds_to_the_machine(subject: Subject) -> None:
    """A disk in another box gives nothing away."""
    if subject.elsewhere is None:
        return
    with pytest.raises(Rejected, match="does not decrypt it: Decryption failed"):
        subject.elsewhere.open("yard", subject.seal.close("yard", Secret(TEXT)))


def test_damage_is_refused(subject: Subject) -> None:
    """A content that is damaged is Rejected with the secret's name, and shows nothing of it."""
    content = subject.seal.close("yard", Secret(TEXT))
    damaged = content[:-20] + b"\xff\xfe" + content[-18:]
    with pytest.raises(Rejected, match="secret yard") as refused:
        subject.seal.open("yard", damaged)
    assert "p4ss" not in repr(refused.value)

"""A stand-in for systemd-creds(1): the same command line, checked to the letter, and a cipher that hides its input.

Started as a program, it takes what the product uses of `encrypt` and `decrypt` and refuses everything else, as the real
one does. Its keys lie in a folder, which is what makes a machine: another folder opens nothing of this one. The cipher
is no good one; it only has to be none that a test could read by accident.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
import sys
import textwrap
from dataclasses import asdict, dataclass
from pathlib import Path

KEYS = ("host", "tpm2", "host+tpm2")


@dataclass(frozen=True)
class Machine:
    """What the stand-in runs on: the version of systemd, whether there is a TPM2, who calls, whether texts get lost."""

    version: int = 257
    has_tpm2: bool = False
    user: int = 0
    garbles: bool = False


def install(folder: Path, machine: Machine = Machine()) -> Path:
    """An executable `systemd-creds` in `folder`, with new keys if there are none."""
    folder.mkdir(parents=True, exist_ok=True)
    for key in ("host", "tpm2"):
        if not (folder / key).exists():
            (folder / key).write_bytes(secrets.token_bytes(32))
    (folder / "machine.json").write_text(json.dumps(asdict(machine)))
    program = folder / "systemd-creds"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "{folder}" "$@"\n')
    program.chmod(0o755)
    return program


class RefusedError(Exception):
    """What the program says before it ends with 1."""


def main(arguments: list[str]) -> int:
    """As systemd-creds: the text comes from standard input and goes to standard output."""
    folder = Path(arguments[0])
    machine = Machine(**json.loads((folder / "machine.json").read_text()))
    with (folder / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps(arguments[1:]) + "\n")
    try:
        options, words = parse(arguments[1:], machine)
        given = sys.stdin.buffer.read()
        scope = scope_of(options, machine)
        if words == ["encrypt", "-", "-"]:
            sys.stdout.buffer.write(encrypt(folder, machine, scope, options, given))
        elif words in (["decrypt", "-", "-"], ["decrypt", "-"]):
            sys.stdout.buffer.write(decrypt(folder, machine, scope, options, given))
        else:
            sys.stderr.write(f"Unknown command verb or operands {words}.\n")
            return 1
    except RefusedError as refused:
        sys.stderr.write(f"Credential secret file is not located on encrypted media, using anyway.\n{refused}\n")
        return 1
    return 0


def parse(arguments: list[str], machine: Machine) -> tuple[dict[str, str], list[str]]:
    """Options by their names, and the other words in order."""
    known = {"--name", "--with-key", "--tpm2-pcrs", *(("--user", "--uid") if machine.version >= 256 else ())}
    options: dict[str, str] = {}
    words = []
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not argument.startswith("--"):
            words.append(argument)
        elif name not in known:
            raise RefusedError(f"systemd-creds: unrecognized option '{name}'")
        elif bool(equals) is (name == "--user"):
            raise RefusedError(f"systemd-creds: option '{name}' is given wrongly")
        else:
            options[name] = value
    return options, words


def scope_of(options: dict[str, str], machine: Machine) -> str:
    """Whose credential it is."""
    if "--uid" in options:
        if machine.user != 0 and options["--uid"] != str(machine.user):
            raise RefusedError("Access denied")
        return options["--uid"]
    if "--user" in options:
        return str(machine.user)
    if machine.user != 0:
        raise RefusedError("Failed to determine local credential host secret: Permission denied")
    return "system"


def encrypt(folder: Path, machine: Machine, scope: str, options: dict[str, str], given: bytes) -> bytes:
    """The credential, in lines of Base64."""
    key = options.get("--with-key", "auto")
    if key not in KEYS:
        raise RefusedError(f"Unknown key type: {key}")
    if "tpm2" in key and not machine.has_tpm2:
        raise RefusedError("TPM2 support not installed: Operation not supported")
    if "tpm2" in key and options.get("--tpm2-pcrs") != "":
        raise RefusedError("bound to PCR 7: the test's machine has just had an update of its firmware")
    head = f"{key}\0{options.get('--name', '')}\0".encode() + secrets.token_bytes(16)
    secret = secret_of(folder, key, scope)
    hidden = bytes(one ^ other for one, other in zip(given, stream(secret, head, len(given)), strict=True))
    mark = hmac.digest(secret, head + hidden, "sha256")
    told = base64.b64encode(len(head).to_bytes(2, "big") + head + mark + hidden).decode()
    return ("\n".join(textwrap.wrap(told, 79)) + "\n").encode()


def decrypt(folder: Path, machine: Machine, scope: str, options: dict[str, str], given: bytes) -> bytes:
    """The text of a credential of this machine, for this name."""
    try:
        raw = base64.b64decode(given)
    except binascii.Error as error:
        raise RefusedError("Failed to decode Base64") from error
    length = int.from_bytes(raw[:2], "big")
    head, mark, hidden = raw[2 : 2 + length], raw[2 + length : 34 + length], raw[34 + length :]
    key, _, rest = head.partition(b"\0")
    name = rest.partition(b"\0")[0].decode(errors="replace")
    if key.decode(errors="replace") not in KEYS:
        raise RefusedError("Failed to decrypt: not a credential")
    secret = secret_of(folder, key.decode(), scope)
    if not hmac.compare_digest(mark, hmac.digest(secret, head + hidden, "sha256")):
        raise RefusedError("Decryption failed (incorrect key?): Bad message")
    if name != options.get("--name"):
        asked = options.get("--name")
        raise RefusedError(f"Embedded credential name '{name}' does not match filename '{asked}', refusing.")
    if machine.garbles:
        return b"another:text"
    return bytes(one ^ other for one, other in zip(hidden, stream(secret, head, len(hidden)), strict=True))


def secret_of(folder: Path, key: str, scope: str) -> bytes:
    """The key of the machine for a scope."""
    parts = [(folder / part).read_bytes() for part in key.split("+")]
    return hashlib.sha256(b"".join(parts) + scope.encode()).digest()


def stream(secret: bytes, head: bytes, length: int) -> bytes:
    """As many bytes to hide a text under."""
    blocks = -(-length // 32)
    pad = b"".join(hmac.digest(secret, b"pad" + head + block.to_bytes(4, "big"), "sha256") for block in range(blocks))
    return pad[:length]


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main(sys.argv[1:]))

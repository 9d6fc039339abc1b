"""Secrets encrypted by `systemd-creds`, with the TPM2 chip and the host's key, or with the host's key alone.

The program does the cryptography (AES-256-GCM), has the keys and binds each file to its secret's name; the secret goes
in by its standard input and comes out by its standard output, never by an argument. Its command line is that of
systemd-creds(1). Since systemd 256 it serves users other than root, by `--user`, who may not read the host's key
themselves; before that only root can use it, and whoever cannot keeps plain files (see `choose_keeping`).

No PCR of the TPM2 is bound to: by default PCR 7 is, and an update of firmware or Secure Boot would leave a box whose
cameras nobody can log in to. What stays is what is wanted: a disk that is taken out of its box gives nothing away.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from components.shared.errors import Rejected, Transient
from components.shared.runtime.seal import PLAIN, Keeping
from components.shared.wire.secret import Secret

PROGRAM = "systemd-creds"
HEAD = b"\0systemd-creds\n"
"""What a sealed file begins with. A text that people can type has no NUL."""

CALL_S_MAX = 10.0
"""A call takes 10 ms with the host's key, and up to a second with a slow TPM2 that others use, too."""

KEYS = {
    "host+tpm2": "encrypted by systemd-creds with the TPM2 chip and the host's key",
    "host": "encrypted by systemd-creds with the host's key",
}
"""The keys that are tried, the better one first. `auto` is not taken: it may mean a key that everybody has."""

PROBE = Secret("probe:probe")
REASON_CHARS_MAX = 160


class SystemdSeal:
    """See the module."""

    kind = "systemd-creds"

    def __init__(self, scope: Sequence[str], key: str = "host", program: str = PROGRAM) -> None:
        """`scope`: see `scope_of`. `key` matters for closing alone: what was closed says by which it is opened."""
        self._scope = tuple(scope)
        self._key = key
        self._program = program

    def close(self, name: str, secret: Secret) -> bytes:
        """See Seal."""
        keys = [f"--with-key={self._key}", *(["--tpm2-pcrs="] if "tpm2" in self._key else [])]
        done = self._call(name, ["encrypt", *self._scope, f"--name={name}", *keys, "-", "-"], secret.reveal().encode())
        if done.returncode:
            raise Transient(f"secret {name}: {PROGRAM} does not encrypt it: {_reason(done)}")
        return HEAD + done.stdout

    def open(self, name: str, content: bytes) -> Secret:
        """See Seal."""
        if not content.startswith(HEAD):
            raise Rejected(f"secret {name} is not of {PROGRAM}")
        done = self._call(name, ["decrypt", *self._scope, f"--name={name}", "-", "-"], content.removeprefix(HEAD))
        if done.returncode:
            raise Rejected(f"secret {name}: {PROGRAM} does not decrypt it: {_reason(done)}")
        return PLAIN.open(name, done.stdout)

    def _call(self, name: str, arguments: Sequence[str], given: bytes) -> subprocess.CompletedProcess[bytes]:
        command = [self._program, *arguments]
        try:
            return subprocess.run(command, input=given, capture_output=True, timeout=CALL_S_MAX, check=False)
        except FileNotFoundError:
            raise Transient(f"secret {name}: {PROGRAM} is not on this box") from None
        except subprocess.TimeoutExpired:  # it holds what came out so far: it is not shown
            raise Transient(f"secret {name}: {PROGRAM} does not answer within {CALL_S_MAX:.0f} s") from None
        except OSError as error:
            raise Transient(f"secret {name}: {PROGRAM} cannot be started: {error.strerror or error}") from error


def choose_keeping(owner: int, user: int, program: str = PROGRAM) -> Keeping:
    """How `user` keeps secrets that `owner` is to read: encrypted, if a text comes back from that as it was."""
    reason = ""
    for key, told in KEYS.items():
        seal = SystemdSeal(scope_of(owner, user), key, program)
        try:
            if seal.open("probe", seal.close("probe", PROBE)) == PROBE:
                return Keeping(seal, told)
            reason = f"{PROGRAM} does not give back what it was given"
        except (Transient, Rejected) as error:
            reason = str(error).removeprefix("secret probe: ")
    return Keeping(PLAIN, f"in plain files that only their user reads, because {reason}")


def scope_of(owner: int, user: int) -> list[str]:
    """Whose credential it is, as said by `user`, who is the owner or root: the system's for root, else the owner's."""
    if owner == 0:
        return []
    return ["--user"] if owner == user else [f"--uid={owner}"]


def _reason(done: subprocess.CompletedProcess[bytes]) -> str:
    """The last line that the program said: notes come before it."""
    lines = [line.strip() for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
    said = lines[-1][:REASON_CHARS_MAX] if lines else f"it ended with {done.returncode}"
    return f"{said} (systemd before 256 serves root alone)" if "--user" in said or "--uid" in said else said

"""When a new source of a camera is tried, and what a trial that failed means.

A camera whose document names another source goes on with the one that it has, the proven one, until the new one has
shown a keyframe that decodes. Both are tried for ever, whichever works first: so a wrong address or password costs no
picture, and a right one is followed within seconds.

A trial that failed is made again after a pause. One that failed for its login waits for somebody's change while the
proven source is read: cameras lock out a box that asks with a wrong password again and again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from components.capture.core.reconnect import Cause
from components.shared.wire.units import NS_PER_S

Failure = Literal["authentication", "unreachable", "no_video"]
"""Why a source does not do: the login, the way there, or what comes from it."""

PAUSES_S = (10, 30, 60, 300)
"""After the first, second, ... trial that failed; the last one repeats. Each is a process for a second or more."""

LOGIN_PAUSE_S = 300
"""After a login that failed, while nothing is recorded anyway: cameras forgive a wrong password every five minutes."""

TRIALS_MAX = 2
"""At once; each takes as much memory as two cameras that are recorded. The others wait their turn."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a trial ended: `failure` is None when the source showed a picture, else `detail` is a sentence for people."""

    failure: Failure | None = None
    detail: str = ""


def failure_of(cause: Cause) -> Failure:
    """What the cause of a failed attempt is called here."""
    return cause if cause in ("authentication", "unreachable") else "no_video"


def is_due_again(verdict: Verdict, failures: int, since_ns: int, *, is_recorded: bool, has_new_secret: bool) -> bool:
    """Whether a trial that failed `since_ns` ago, the last of `failures`, is made again.

    `is_recorded`: the proven source is read meanwhile. `has_new_secret`: the secret was written since.
    """
    if verdict.failure is None:
        return False
    if verdict.failure == "authentication":
        return has_new_secret or (not is_recorded and since_ns >= LOGIN_PAUSE_S * NS_PER_S)
    pause_s = PAUSES_S[min(failures, len(PAUSES_S)) - 1]
    return has_new_secret or since_ns >= pause_s * NS_PER_S

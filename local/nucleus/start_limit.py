"""When a component that keeps failing is given up (BROKEN).

Pure: times of a monotonic clock in seconds come in as arguments. Two rules. `StartsLimit` is systemd's, for
Nucleus Lite: so many starts in a window that opens with the first of them; a failure that would need one
more gives up. `ErrorsLimit` is the classic one: so many errors, each within the window after the one before.
"""

from dataclasses import dataclass
from typing import Protocol

from local.nucleus.profile import Profile


class StartLimit(Protocol):
    """Counts starts and failures of one component."""

    def started(self, now_s: float) -> None:
        """Count a start."""
        ...

    def gives_up(self, now_s: float) -> bool:
        """Count a failure, and tell whether the component must not be started again."""
        ...

    def forget(self) -> None:
        """Begin to count anew, as a deployment does."""
        ...


@dataclass
class StartsLimit:
    """At most `starts_max` starts in a window that opens with the first start."""

    starts_max: int
    window_s: float
    _opened_s: float | None = None
    _starts: int = 0

    def started(self, now_s: float) -> None:
        """Count a start; the first one, and the first after the window, open a new window."""
        if self._opened_s is None or now_s - self._opened_s > self.window_s:
            self._opened_s, self._starts = now_s, 0
        self._starts += 1

    def gives_up(self, now_s: float) -> bool:
        """Tell whether one more start would be too many."""
        in_window = self._opened_s is not None and now_s - self._opened_s <= self.window_s
        return in_window and self._starts >= self.starts_max

    def forget(self) -> None:
        """Close the window."""
        self._opened_s, self._starts = None, 0


@dataclass
class ErrorsLimit:
    """At most `errors_max` errors of which each follows the one before within the window."""

    errors_max: int
    window_s: float
    _last_s: float | None = None
    _errors: int = 0

    def started(self, now_s: float) -> None:
        """Do nothing: the classic runtime counts errors, not starts."""

    def gives_up(self, now_s: float) -> bool:
        """Count an error, and tell whether it was one too many."""
        if self._last_s is None or now_s - self._last_s >= self.window_s:
            self._errors = 0
        self._last_s = now_s
        self._errors += 1
        return self._errors >= self.errors_max

    def forget(self) -> None:
        """Forget all errors."""
        self._last_s, self._errors = None, 0


def start_limit(profile: Profile) -> StartLimit:
    """Return a new counter with the rule of this runtime."""
    rule = StartsLimit if profile.start_limit == "starts" else ErrorsLimit
    return rule(profile.failures_max, profile.failure_window_s)

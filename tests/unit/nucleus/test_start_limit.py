"""When a component is given up."""

from local.nucleus.profile import CLASSIC, LITE
from local.nucleus.start_limit import ErrorsLimit, StartLimit, StartsLimit, start_limit


def failures_until_given_up(limit: StartLimit, *, every_s: float, tries: int = 20) -> int | None:
    """Return at which failure a component is given up that fails so often; None when it never is."""
    now_s = 1_000.0
    for failure in range(1, tries + 1):
        limit.started(now_s)
        now_s += every_s
        if limit.gives_up(now_s):
            return failure
    return None


def test_the_third_failure_within_an_hour_is_the_last() -> None:
    """On both runtimes a component that fails at once is given up at its third failure."""
    for profile in (LITE, CLASSIC):
        assert failures_until_given_up(start_limit(profile), every_s=1) == 3


def test_rare_failures_are_forgiven() -> None:
    """A component that fails less often than the rule says is started for ever."""
    assert failures_until_given_up(start_limit(LITE), every_s=3_600) is None
    assert failures_until_given_up(start_limit(CLASSIC), every_s=3_600) is None


def test_the_window_of_starts_opens_with_the_first_one() -> None:
    """Nucleus Lite counts starts in an hour from the first: three failures 25 minutes apart are too many for
    the classic rule only, whose window begins anew with each error.
    """
    assert failures_until_given_up(start_limit(LITE), every_s=1_500) is None
    assert failures_until_given_up(start_limit(CLASSIC), every_s=1_500) == 3
    assert failures_until_given_up(start_limit(LITE), every_s=1_199) == 3


def test_a_deployment_gives_another_three_starts() -> None:
    """After `forget` the count begins anew; forgotten after the start, the fourth failure is the last."""
    limit = StartsLimit(3, 3_600)
    limit.started(0)
    limit.forget()
    outcomes = []
    for second in range(1, 5):
        outcomes.append(limit.gives_up(second))
        limit.started(second + 0.5)
    assert outcomes == [False, False, False, True]


def test_errors_are_forgotten_by_a_deployment() -> None:
    """After `forget` three more errors are needed."""
    limit = ErrorsLimit(3, 3_600)
    assert [limit.gives_up(second) for second in (1, 2)] == [False, False]
    limit.forget()
    assert [limit.gives_up(second) for second in (3, 4, 5)] == [False, False, True]

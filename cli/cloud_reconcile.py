"""Compare the media bucket with the index of footage: each object has to be in both.

    ./nvr cloud reconcile                       the deployed stack, by the environment's credentials
    ./nvr cloud reconcile --data .nvr --json    the embedded AWS of a local site
    ./nvr cloud reconcile --mend                and bring the index up to what the bucket has

The bucket is the truth: mending writes the index, and never touches footage. It needs the rights to list and read the
bucket, and to query and update the table. Exit 1 when there is a difference (that was not mended).
"""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from cli.cloud_account import Account, embedded_account, failure, real_account
from cli.output import add_json_argument, no_site, print_json
from cloud.index_reconcile import Place, Reconciled, Reconciler
from cloud.index_writer import Doors
from components.shared.errors import Rejected
from local.site import Layout

HELP = "compare the bucket with the index; mend what differs"
ANSWER = Reconciled

STACK = "edgenvr"
DAYS = 400
"""Of the past in which the index is asked for what the bucket has not: footage is kept a year by default."""

WAIT_S = 10.0
"""For events that are on their way: they take a second or two."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--stack", default=STACK, metavar="NAME", help=f"the stack's name (default: {STACK})")
    parser.add_argument("--region", metavar="NAME", help="where it is (default: the profile's)")
    parser.add_argument("--profile", metavar="NAME", help="whose credentials (default: the environment's)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="the embedded AWS of this local site instead")
    parser.add_argument(
        "--since",
        type=date.fromisoformat,
        metavar="YYYY-MM-DD",
        help=f"ask the index from this UTC day on for what the bucket has not (default: {DAYS} days ago)",
    )
    parser.add_argument(
        "--wait",
        type=float,
        default=WAIT_S,
        metavar="SECONDS",
        help=f"how long events on their way may take before a difference counts (default: {WAIT_S:g})",
    )
    parser.add_argument(
        "--mend", action="store_true", help="write what the bucket has into the index where they differ"
    )
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compare; 1 when something differs and was not mended."""
    account = _account(arguments)
    today = datetime.now(UTC).date()
    since = arguments.since or today - timedelta(days=DAYS)
    if since > today:
        raise Rejected(f"--since {since} is in the future: name a day that has been")

    def wait() -> None:
        print(f"something differs: looking again in {arguments.wait:g} s", file=sys.stderr, flush=True)
        time.sleep(max(0.0, arguments.wait))

    try:
        found = Reconciler(account.resources["MediaBucket"], _doors(account), wait, _Progress().tell).run(
            since, today + timedelta(days=1), mend=arguments.mend
        )
    except KeyError as error:
        raise Rejected(f"stack {arguments.stack} has no {error}: is it one of EdgeNVR's?") from error
    except (BotoCoreError, ClientError) as error:
        raise failure("compare the bucket with the index", error) from error
    if arguments.json:
        print_json(found)
    else:
        print(told(found))
    return 0 if found.is_equal or found.mended == found.differences else 1


def told(found: Reconciled) -> str:
    """The answer for people: each difference with its key, then the figures."""
    lines = [f"{_WORDS[figure]}: {key}" for figure, keys in found.keys.items() for key in keys]
    lines.append(f"{found.objects} objects in the bucket, {found.indexed} in the index")
    if found.is_equal:
        lines.append("they are equal")
    elif found.mended == found.differences:
        lines.append(f"{found.differences} differed, all are mended")
    else:
        lines.append(
            f"{found.differences} differ, {found.mended} were mended -> `./nvr cloud reconcile --mend`; why events got"
            " lost is in the dead letters of the index (IndexDeadLettersUrl of the stack)"
        )
    return "\n".join(lines)


_WORDS = {
    "bucket_minus_index": "only in the bucket",
    "index_minus_bucket": "only in the index",
    "differing": "different",
    "unreadable": "no key of footage, indexed by nobody",
}


class _Progress:
    """Tells on standard error which stream is being compared."""

    def __init__(self) -> None:
        self._place: Place | None = None

    def tell(self, place: Place, _day: date) -> None:
        """A day of a stream is looked at."""
        if place != self._place:
            self._place = place
            print(f"comparing {place.thing} {place.camera} {place.stream}", file=sys.stderr, flush=True)


def _account(arguments: argparse.Namespace) -> Account:
    if arguments.data is None:
        return real_account(arguments.stack, arguments.region, arguments.profile)
    account = embedded_account(Layout(arguments.data))
    if account is None:
        raise no_site(arguments.data)
    return account


def _doors(account: Account) -> Doors:
    return Doors(account.client("s3"), account.client("dynamodb"), account.resources["MediaTable"])

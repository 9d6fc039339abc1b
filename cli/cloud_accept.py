"""Accept a deployment: that what a site records is uploaded, indexed and played from the cloud, and its alerts told.

Run it on a box that records (or beside `./nvr up`), with credentials of the account. It waits for a segment that ends
after it began, so that it takes as long as a segment, and watches it on its whole way; then it sends a test alert.
Nothing is left behind but that alert.

    ./nvr cloud accept --data /var/lib/edgenvr --region eu-central-1
    ./nvr cloud accept                          beside `./nvr up`: its embedded AWS is the account
    ./nvr cloud accept --newest --json          with the newest segment that there is

Exit 0 when every step passed, 1 when one did not: what is wrong and what to do stands at the step.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass

from cli.acceptance import Acceptance, StepOutcome, perform
from cli.cloud_account import embedded_account, real_account
from cli.cloud_deploy import STACK
from cli.output import add_data_argument, add_json_argument, print_json, require_data
from components.shared.errors import Rejected
from local.site import Layout

HELP = "accept a deployment, from a camera to footage that is played"

WITHIN_S = 300.0
"""A segment is 180 s long, and the way to the index takes seconds."""

MARKS = {"passed": "ok", "failed": "FAILED", "not_tried": "not tried"}


@dataclass(frozen=True, slots=True)
class CloudAcceptance:
    """The answer: `ok` when every step passed."""

    ok: bool
    steps: list[StepOutcome]


ANSWER = CloudAcceptance


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--region", metavar="NAME", help="where the stack is (default: the profile's)")
    parser.add_argument("--profile", metavar="NAME", help="whose credentials (default: the environment's)")
    parser.add_argument("--stack", default=STACK, metavar="NAME", help=f"the stack's name (default: {STACK})")
    parser.add_argument("--newest", action="store_true", help="take the newest segment that is recorded already")
    parser.add_argument(
        "--within",
        type=float,
        default=WITHIN_S,
        metavar="SECONDS",
        help=f"how long each step may take (default: {WITHIN_S:g})",
    )
    add_data_argument(parser)
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Carry out the steps; 1 when one did not pass."""
    data = require_data(arguments.data)
    if arguments.within <= 0:
        raise Rejected(f"--within {arguments.within:g}: more than 0 seconds")
    account = embedded_account(Layout(data)) or real_account(arguments.stack, arguments.region, arguments.profile)
    progress = Progress()
    run_of = Acceptance(data, account, time.time_ns(), arguments.within, arguments.newest, progress.say)

    def tell(outcome: StepOutcome) -> None:
        progress.clear()
        if not arguments.json:
            print(f"{MARKS[outcome.state]:9} {outcome.step}: {outcome.told} ({outcome.seconds} s)", flush=True)

    outcomes = perform(run_of.steps(), tell)
    ok = all(outcome.state == "passed" for outcome in outcomes)
    if arguments.json:
        print_json(CloudAcceptance(ok, outcomes))
    else:
        print("accepted" if ok else "NOT accepted")
    return 0 if ok else 1


class Progress:
    """What is waited for, on one line of a terminal; nothing where nobody watches one."""

    def __init__(self) -> None:
        self._is_watched = sys.stderr.isatty()

    def say(self, text: str) -> None:
        """Shows what is waited for."""
        if self._is_watched:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Takes the line away."""
        if self._is_watched:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

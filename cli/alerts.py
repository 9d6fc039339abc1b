"""Alerts of a site: what is active, what is over, and what the cloud has not acknowledged yet.

`test` sends a test alert through the whole way that alerts take, to those who are told in the cloud, and says when the
cloud acknowledged it, or that it did not in time.

    ./nvr alerts
    ./nvr alerts --recent 50 --json
    ./nvr alerts test --within 60
"""

from __future__ import annotations

import argparse
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cli.observe import is_running
from cli.output import add_data_argument, add_json_argument, format_time, print_json, print_table, require_data
from components.shared.catalogue.alerts import AlertRow, alerts_of, past_alerts, unsettled_alerts
from components.shared.catalogue.health import HealthReader
from components.shared.catalogue.outbox import waiting_notices
from components.shared.errors import Rejected, Transient
from components.shared.runtime.requests import RequestFolder
from components.shared.wire.alert_request import FOLDER
from local.site import Layout

HELP = "what people are alerted of; send a test alert"

RECENT = 20
RECENT_MAX = 1_000
WITHIN_S = 60.0
"""A look takes 5 s and an answer of the cloud a few more; the rest is for a slow link."""

POLL_S = 0.2
TEST_KIND = "test"


@dataclass(frozen=True, slots=True)
class AlertView:
    """An alert for people: times in ISO 8601, UTC, or a dash. `told` is nothing while quiet hours hold it."""

    alert: str
    kind: str
    subject: str
    severity: str
    count: int
    raised: str
    cleared: str
    told: str
    acknowledged: str
    reason: str


@dataclass(frozen=True, slots=True)
class NoticeView:
    """What waits for the cloud's acknowledgement; `sent` is when it was last handed over."""

    notice: str
    alert: str
    subject: str
    state: str
    since: str
    sent: str


@dataclass(frozen=True, slots=True)
class AlertsView:
    """The site's alerts."""

    active: list[AlertView]
    recent: list[AlertView]
    waiting: list[NoticeView]


@dataclass(frozen=True, slots=True)
class AlertTest:
    """What became of a test alert, and how long that took."""

    state: Literal["acknowledged", "not_acknowledged", "refused"]
    alert: str
    seconds: float
    error: str | None = None


ANSWER = AlertsView | AlertTest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("action", nargs="?", choices=("test",), help="send a test alert")
    parser.add_argument(
        "--recent", type=int, default=RECENT, metavar="N", help=f"how many that are over (default: {RECENT})"
    )
    parser.add_argument(
        "--within",
        type=float,
        default=WITHIN_S,
        metavar="SECONDS",
        help=f"how long `test` waits for the cloud (default: {WITHIN_S:g})",
    )
    add_data_argument(parser)
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show the alerts, or test their way."""
    data = require_data(arguments.data)
    if arguments.action == "test":
        return _test(data, arguments.within, arguments.json)
    if not 0 <= arguments.recent <= RECENT_MAX:
        raise Rejected(f"--recent is 0 to {RECENT_MAX}, not {arguments.recent}")
    view = look(data, arguments.recent)
    if arguments.json:
        print_json(view)
    else:
        _print(view)
    return 0


def look(data: Path, recent: int) -> AlertsView:
    """The alerts as the catalogue has them. Transient while there is none."""
    with closing(HealthReader.open(data)) as reader:
        active = [_view(row) for row in unsettled_alerts(reader) if row.cleared_ns is None]
        waiting = [
            NoticeView(
                *(row.notice, row.alert, row.subject, row.state, format_time(row.put_ns)),
                format_time(row.handed_ns),
            )
            for row in waiting_notices(reader)
        ]
        past = [_view(row) for row in past_alerts(reader, recent)] if recent else []
    return AlertsView(active, past, waiting)


def ask(data: Path, within_s: float, *, by_local_core: bool = True) -> AlertTest:
    """Have a test alert sent and wait for the cloud. Rejected where nothing runs that could send it.

    Only of a local core can that be seen; on a box, where Greengrass runs the site, the request is made at once.
    """
    if by_local_core and not is_running(Layout(data)):
        raise Rejected("the site is not running: nobody is there to send a test alert")
    folder = RequestFolder(data, FOLDER)
    begin = time.monotonic()
    request = folder.submit({"action": "test"})
    answer = None
    row = None
    while time.monotonic() - begin <= within_s:
        answer = answer or folder.fetch_answer(request)
        if answer is not None and answer.state == "refused":
            return AlertTest("refused", "", _since(begin), answer.error)
        row = _row_of(data, request)
        if row is not None and row.raised_acknowledged_ns is not None:
            return AlertTest("acknowledged", row.alert, _since(begin))
        time.sleep(POLL_S)
    if row is None:
        error = "HealthMonitor has not taken the request: `./nvr logs HealthMonitor` tells why"
    else:
        error = "it was raised, and the cloud has not acknowledged it: `./nvr alerts` shows whether it was sent"
    return AlertTest("not_acknowledged", row.alert if row else "", _since(begin), error)


def _row_of(data: Path, request: str) -> AlertRow | None:
    """The test alert of a request; None while there is none."""
    try:
        with closing(HealthReader.open(data)) as reader:
            rows = alerts_of(reader, TEST_KIND, request)
    except Transient:
        return None
    return rows[0] if rows else None


def _test(data: Path, within_s: float, as_json: bool) -> int:
    answer = ask(data, within_s)
    if as_json:
        print_json(answer)
    elif answer.state == "acknowledged":
        print(f"alert {answer.alert} was acknowledged by the cloud after {answer.seconds:.1f} s")
    else:
        print(f"{answer.state.replace('_', ' ')} within {answer.seconds:.1f} s: {answer.error}")
    return 0 if answer.state == "acknowledged" else 1


def _since(begin: float) -> float:
    return round(time.monotonic() - begin, 1)


def _view(row: AlertRow) -> AlertView:
    done_ns = row.raised_acknowledged_ns if row.cleared_ns is None else row.cleared_acknowledged_ns
    return AlertView(
        alert=row.alert,
        kind=row.kind,
        subject=row.subject,
        severity=row.severity,
        count=row.count,
        raised=format_time(row.raised_ns),
        cleared=format_time(row.cleared_ns),
        told=row.told if row.digest is None else "together",
        acknowledged=format_time(done_ns),
        reason=row.reason,
    )


def _print(view: AlertsView) -> None:
    titles = ("severity", "kind", "subject", "raised", "told", "acknowledged", "reason")
    print_table(
        titles,
        [(it.severity, it.kind, it.subject, it.raised, it.told, it.acknowledged, it.reason) for it in view.active],
        "No alert is active.",
    )
    if view.recent:
        print("\nover:")
        print_table(
            ("severity", "kind", "subject", "raised", "cleared", "told", "acknowledged"),
            [(it.severity, it.kind, it.subject, it.raised, it.cleared, it.told, it.acknowledged) for it in view.recent],
            "",
        )
    if view.waiting:
        print(f"\nwaiting for the cloud's acknowledgement: {len(view.waiting)}")
        print_table(
            ("notice", "state", "subject", "since", "sent"),
            [(it.notice, it.state, it.subject, it.since, it.sent) for it in view.waiting[:RECENT]],
            "",
        )

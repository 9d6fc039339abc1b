"""Sends what waits in the outbox to the cloud until the cloud has acknowledged it.

That a core has taken a message is no delivery, and an offline core may take it and lose it: only an acknowledgement
ends the sending. Acknowledgements are hints like all messages from the cloud; one that is lost costs one more sending,
which the cloud knows by its id. An acknowledgement of what does not wait is ignored, whoever sent it.
"""

from __future__ import annotations

import threading

from components.health_monitor.core.outbox_plan import Sent, Waiting, after_answer, after_sending, due_now
from components.shared.catalogue.health import HealthWriter
from components.shared.catalogue.outbox import WaitingRow, acknowledge, mark_handed, payload_of, waiting_notices
from components.shared.errors import Rejected, Transient
from components.shared.runtime.bus import Bus, CloudInbox, CloudMessage
from components.shared.runtime.clock import Clock
from components.shared.runtime.log import Log
from components.shared.wire.alert_notice import AlertState, alert_topic, decode_acknowledged
from components.shared.wire.units import NS_PER_S, MonotonicNs

LOOK_NS = NS_PER_S
"""How soon a new notice is sent."""

OFFLINE_NS = 5 * NS_PER_S
"""How soon a core is asked again that says that it is offline; the question costs nothing."""


class Delivery:
    """Rounds of sending; one thread calls `attempt`."""

    def __init__(
        self,
        thing: str,
        catalogue: HealthWriter,
        bus: Bus,
        answers: CloudInbox,
        clock: Clock,
        stop: threading.Event,
        log: Log,
    ) -> None:
        self._thing = thing
        self._catalogue = catalogue
        self._bus = bus
        self._answers = answers
        self._clock = clock
        self._stop = stop
        self._log = log
        self._sent: dict[str, Sent] = {}
        self._offline_until_ns: MonotonicNs | None = None
        self._is_offline_told = False

    def attempt(self) -> None:
        """Wait for an answer, shortly; note what is acknowledged, and send what is due."""
        first = self._answers.take(self._clock, self._stop, LOOK_NS)
        self.hear([*([first] if first else []), *self._answers.drain()])
        self.send()

    def send(self) -> None:
        """Send what is due. Transient when the catalogue cannot be asked."""
        now_ns = self._clock.monotonic_ns()
        if self._offline_until_ns is not None and now_ns < self._offline_until_ns:
            return
        rows = {row.notice: row for row in waiting_notices(self._catalogue)}
        self._sent = {notice: sent for notice, sent in self._sent.items() if notice in rows}
        waiting = [Waiting(row.notice, row.subject) for row in rows.values()]
        handed = []
        for notice in due_now(waiting, self._sent, now_ns):
            if self._stop.is_set() or not self._hand_over(rows[notice]):
                break
            self._sent[notice] = after_sending(self._sent.get(notice), self._clock.monotonic_ns())
            handed.append(notice)
        if handed:
            mark_handed(self._catalogue, handed, self._clock.wall_ns())

    def _hand_over(self, row: WaitingRow) -> bool:
        """Hand a notice to the core; whether it took it. Rejected when it may not be said."""
        payload = payload_of(self._catalogue, row.notice)
        if payload is None:
            return True
        state: AlertState = "raised" if row.state == "raised" else "cleared"
        try:
            self._bus.publish_cloud(alert_topic(self._thing, state), payload)
        except Transient as error:
            self._offline_until_ns = MonotonicNs(self._clock.monotonic_ns() + OFFLINE_NS)
            if not self._is_offline_told:
                self._log.info("alerts_not_sent", reason=error)
            self._is_offline_told = True
            return False
        self._is_offline_told = False
        self._log.info("alert_sent", notice=row.notice, state=state, subject=row.subject, trace_id=row.alert)
        return True

    def hear(self, messages: list[CloudMessage]) -> None:
        """Note what is acknowledged. Transient when the catalogue does not take it: it is sent once more."""
        ids: list[str] = []
        for message in messages:
            try:
                ids += decode_acknowledged(message.payload).ids
            except Rejected as error:
                self._log.warning("acknowledgement_refused", error=error)
        if not ids:
            return
        known = acknowledge(self._catalogue, ids, self._clock.wall_ns())
        if known:
            self._offline_until_ns = None
            self._sent = after_answer(self._sent, known)
            self._log.info("alerts_acknowledged", notices=known)
        else:
            self._log.debug("acknowledgement_of_nothing", notices=ids)

"""Takes the test alerts that people ask for from their folder; see `shared/runtime/requests`."""

from __future__ import annotations

from pathlib import Path

from components.health_monitor.alerting import Alerting
from components.shared.errors import Rejected
from components.shared.runtime.files import Step, no_step
from components.shared.runtime.log import Log
from components.shared.runtime.requests import RequestFolder
from components.shared.wire.alert_request import FOLDER, parse_alert_request


class AlertRequests:
    """One thread calls `take` in every round."""

    def __init__(self, alerting: Alerting, data: Path, log: Log, step: Step = no_step) -> None:
        self._alerting = alerting
        self._folder = RequestFolder(data, FOLDER, step)
        self._log = log

    def take(self) -> bool:
        """Do what is asked and answer it; whether something was. Transient when the disk does not take it."""

        def refused(file: str, error: Rejected) -> None:
            self._log.warning("alert_request_refused", file=file, error=error)

        return self._folder.take(self._carry_out, refused)

    def _carry_out(self, request: str, content: bytes) -> None:
        parse_alert_request(content)
        self._alerting.test(request)

"""Takes the test alerts that people ask for from their folder; see `shared/runtime/requests`."""

from __future__ import annotations

from pathlib import Path

from components.health_monitor.alerting import Alerting
from components.shared.errors import Rejected
from components.shared.runtime.files import Step, no_step
from components.shared.runtime.log import Log
from components.shared.runtime.requests import RequestAnswer, RequestFolder
from components.shared.wire.alert_request import FOLDER, parse_alert_request


class AlertRequests:
    """One thread calls `take` in every round."""

    def __init__(self, alerting: Alerting, data: Path, log: Log, step: Step = no_step) -> None:
        self._alerting = alerting
        self._folder = RequestFolder(data, FOLDER, step)
        self._log = log

    def take(self) -> bool:
        """Do what is asked and answer it; whether something was. Transient when the disk does not take it."""
        self._folder.make()
        waiting = self._folder.waiting()
        for path in waiting:
            try:
                request, content = self._folder.read(path)
                parse_alert_request(content)
                self._alerting.test(request)
            except Rejected as error:
                self._log.warning("alert_request_refused", file=path.name, error=error)
                self._folder.answer(path, RequestAnswer("refused", str(error)))
            else:
                self._folder.answer(path, RequestAnswer("done"))
        return bool(waiting)

"""The cloud as alerts see it: it takes notices, passes each on once, and acknowledges them, if it is there."""

from __future__ import annotations

from collections.abc import Callable

from components.shared.wire.alert_notice import (
    ACKNOWLEDGED_IDS_MAX,
    AlertNotice,
    acknowledged_topic,
    alert_topic,
    decode_notice,
    encode_acknowledged,
)
from tests.fakes.bus import FakeBroker


class AlertCloud:
    """What the core took for the cloud arrives with `receive`; `loses` says which arrivals are lost, from 1 on."""

    def __init__(self, thing: str, broker: FakeBroker, loses: Callable[[int], bool] = lambda _number: False) -> None:
        self._thing = thing
        self._broker = broker
        self._loses = loses
        self._taken = 0
        self._arrived = 0
        self.is_mute = False
        """Whether it acknowledges nothing."""
        self.passed_on: list[AlertNotice] = []
        """What people were told, in order."""
        self.doubles = 0

    def receive(self) -> None:
        """Take what has been sent since, and acknowledge it."""
        known = {notice.id for notice in self.passed_on}
        ids = []
        for message in self._broker.to_cloud[self._taken :]:
            if not message.topic.startswith(f"nvr/v1/{self._thing}/alert/"):
                continue
            self._arrived += 1
            if self._loses(self._arrived):
                continue
            notice = decode_notice(message.payload)
            assert message.topic == alert_topic(self._thing, notice.state)
            if notice.id in known:
                self.doubles += 1
            else:
                self.passed_on.append(notice)
                known.add(notice.id)
            ids.append(notice.id)
        self._taken = len(self._broker.to_cloud)
        for start in range(0, 0 if self.is_mute else len(ids), ACKNOWLEDGED_IDS_MAX):
            self.acknowledge(ids[start : start + ACKNOWLEDGED_IDS_MAX])

    def acknowledge(self, ids: list[str]) -> None:
        """Say that these have arrived."""
        self._broker.from_cloud(acknowledged_topic(self._thing), encode_acknowledged(ids))

    @property
    def told(self) -> list[str]:
        """What people were told, in order: `+kind subject`, `-kind subject`."""
        return [f"{'+' if it.state == 'raised' else '-'}{it.kind} {it.subject}" for it in self.passed_on]

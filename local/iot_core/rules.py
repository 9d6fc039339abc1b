"""Topic rules: every published message is offered to each rule, whose action runs if the rule selects it.

Actions run one after another in a thread of their own, in the order of publishing; what one does or raises disturbs
neither the publisher nor another action. An error is logged and counted, and not tried again (AWS would retry some
actions; whoever needs that gives an action that does). When the queue is full the message is not offered, which is
logged and counted too.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from local.iot_core import rule_sql, topics
from local.iot_core.message import Message

QUEUED_MESSAGES_MAX = 10_000  # at 1 KB a message 10 MB: minutes of a busy site while an action hangs
STOP_WAIT_S = 5.0  # an action that hangs must not hold up the end of the program

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RuleMessage:
    """What an action is given: the rule's name, the message, and the payload that the rule's SELECT made of it."""

    rule: str
    message: Message
    payload: bytes


Action: TypeAlias = Callable[[RuleMessage], None]


@dataclass(frozen=True, slots=True)
class RuleCounts:
    """How often a rule's action ran well, and how often it raised."""

    done: int = 0
    failed: int = 0


@dataclass(slots=True)
class _Rule:
    statement: rule_sql.Statement
    action: Action
    counts: RuleCounts = field(default_factory=RuleCounts)


class RuleEngine:
    """Rules and the thread that runs their actions. May be used from any thread."""

    def __init__(self, now_ms: Callable[[], int], queued_messages_max: int = QUEUED_MESSAGES_MAX) -> None:
        self._now_ms = now_ms
        self._rules: dict[str, _Rule] = {}
        self._lock = threading.Lock()
        self._waiting: queue.Queue[Message | None] = queue.Queue(queued_messages_max)
        self._not_offered = 0
        self._overflows = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="iot-rules", daemon=True)
        self._thread.start()

    def add(self, name: str, sql: str, action: Action) -> None:
        """Add a rule, or replace the one of this name; RuleFault when the SQL is not understood."""
        rule = _Rule(rule_sql.parse(sql), action)
        with self._lock:
            self._rules[name] = rule

    def remove(self, name: str) -> None:
        """Remove a rule if it is there."""
        with self._lock:
            self._rules.pop(name, None)

    def offer(self, message: Message) -> None:
        """Hand a message to the rules; returns at once."""
        with self._lock:
            wanted = not self._stopping.is_set() and any(
                topics.matches(rule.statement.topic_filter, message.topic) for rule in self._rules.values()
            )
        if not wanted:
            return
        try:
            self._waiting.put_nowait(message)
        except queue.Full:
            with self._lock:
                self._not_offered += 1
                begins, self._overflows = not self._overflows, True
            if begins:  # how many they were is told when the queue is empty
                _log.error("iot_rules_queue_full topic=%s", message.topic)

    def counts(self) -> dict[str, RuleCounts]:
        """Return the counts of every rule."""
        with self._lock:
            return {name: rule.counts for name, rule in self._rules.items()}

    @property
    def not_offered(self) -> int:
        """How many messages found the queue full."""
        with self._lock:
            return self._not_offered

    def stop(self) -> None:
        """Run what is waiting, then end; gives up after STOP_WAIT_S."""
        self._stopping.set()
        try:
            self._waiting.put(None, timeout=STOP_WAIT_S)
        except queue.Full:
            _log.error("iot_rules_not_stopped waiting=%d", self._waiting.qsize())
            return
        self._thread.join(STOP_WAIT_S)

    def _run(self) -> None:
        while (message := self._waiting.get()) is not None:
            with self._lock:
                rules = list(self._rules.items())
                recovered = self._overflows and self._waiting.empty()
                self._overflows = self._overflows and not recovered
            if recovered:
                _log.error("iot_rules_queue_empty_again not_offered_so_far=%d", self.not_offered)
            for name, rule in rules:
                payload = rule.statement.select(message, self._now_ms())
                if payload is not None:
                    self._act(rule, RuleMessage(name, message, payload))

    def _act(self, rule: _Rule, given: RuleMessage) -> None:
        try:
            rule.action(given)
        except Exception:  # noqa: BLE001  an action is somebody else's code: whatever it raises ends with it
            _log.exception("iot_rule_action_failed rule=%s topic=%s", given.rule, given.message.topic)
            outcome = RuleCounts(rule.counts.done, rule.counts.failed + 1)
        else:
            outcome = RuleCounts(rule.counts.done + 1, rule.counts.failed)
        with self._lock:
            rule.counts = outcome

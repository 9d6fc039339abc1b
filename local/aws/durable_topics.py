"""Topics of SNS whose subscriptions survive, and which deliver over HTTP as SNS does.

moto posts within the publisher's request, once, and a subscriber that does not answer fails the publisher. Here a
message for an HTTP subscriber is written down before the publisher has its answer; a thread posts it, and again, with
growing pauses, until the subscriber says yes (2xx) or SNS would have given up. A kill between the subscriber's yes and
the deletion posts it twice, as SNS may. Queues get theirs from moto; e-mails and phones nothing.

A subscriber need not confirm: whoever may subscribe here is on this machine.
"""

from __future__ import annotations

import json
import logging
import threading
import urllib.error
import urllib.request
from collections import Counter
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sns.models import SNSBackend, Subscription, sns_backends

from local.aws.durable_queues import DurableQueues
from local.aws.state import State

log = logging.getLogger(__name__)

DELIVERIES = "sns-deliveries"
"""The queue, in the stand-in's own, of what is to be posted: it survives, and hides what failed for a while."""

ANSWER_S_MAX = 15.0  # as SNS waits for a subscriber (developer guide, "HTTP/S endpoints")
TRIES_MAX = 50  # SNS tries customers' endpoints so often
PAUSE_S_MAX = 20  # the pause doubles from a second; SNS keeps to 20 s
POLL_S = 20.0


class HttpSubscription(Subscription):
    """A subscriber with a URL, made of moto's."""

    def __init__(self, subscription: Subscription, queues: DurableQueues) -> None:
        self.__dict__.update(vars(subscription))
        self._queues = queues

    def publish(
        self,
        message: str,
        message_id: str,
        subject: str | None = None,
        message_attributes: dict[str, Any] | None = None,
        group_id: str | None = None,  # noqa: ARG002 - part of what moto calls
        deduplication_id: str | None = None,  # noqa: ARG002
        message_structure: str | None = None,
    ) -> None:
        """Writes a message down for the subscriber, unless its filter leaves it out."""
        if self._filter_policy_matcher is not None and not self._filter_policy_matcher.matches(
            message_attributes, message
        ):
            return
        if message_structure == "json":
            message = self._parse_message_structure(message, self.protocol)
        raw = str(self.attributes.get("RawMessageDelivery")).lower() == "true"
        body = message if raw else json.dumps(self.get_post_data(message, message_id, subject, message_attributes))
        headers = {
            "Content-Type": "text/plain; charset=UTF-8",
            "x-amz-sns-message-type": "Notification",
            "x-amz-sns-message-id": message_id,
            "x-amz-sns-topic-arn": self.topic.arn,
            "x-amz-sns-subscription-arn": self.arn,
        }
        self._queues.send_message(DELIVERIES, json.dumps({"url": self.endpoint, "headers": headers, "body": body}))


class DurableTopics(SNSBackend):
    """All topics of the region."""

    def __init__(self, state: State, queues: DurableQueues, region: str) -> None:
        self._state = state
        self._queues = queues
        super().__init__(region, DEFAULT_ACCOUNT_ID)

    @classmethod
    def install(cls, state: State, queues: DurableQueues, region: str) -> DurableTopics:
        """Puts these in the place of moto's own."""
        topics = cls(state, queues, region)
        sns_backends[DEFAULT_ACCOUNT_ID][region] = topics
        return topics

    def restore(self) -> None:
        """Takes back the subscriptions that were left, of the topics that there are."""
        for (text,) in self._state.read("SELECT facts FROM subscription ORDER BY arn"):
            facts = json.loads(text)
            if facts["topic"] not in self.topics:
                continue
            found = self._with_delivery(super().subscribe(facts["topic"], facts["endpoint"], facts["protocol"]))
            self.subscriptions.pop(found.arn)
            found.arn = facts["arn"]
            self.subscriptions[found.arn] = found
            for name, value in facts["attributes"].items():
                super().set_subscription_attributes(found.arn, name, value)
            found.attributes["SubscriptionArn"] = found.arn

    def subscribe(self, topic_arn: str, endpoint: str, protocol: str) -> Subscription:
        """Subscribe."""
        found = self._with_delivery(super().subscribe(topic_arn, endpoint, protocol))
        self._keep(found)
        return found

    def set_subscription_attributes(self, arn: str, name: str, value: Any) -> None:
        """SetSubscriptionAttributes."""
        super().set_subscription_attributes(arn, name, value)
        self._keep(self.subscriptions[arn])

    def unsubscribe(self, subscription_arn: str) -> None:
        """Unsubscribe."""
        super().unsubscribe(subscription_arn)
        self._state.write("DELETE FROM subscription WHERE arn = ?", (subscription_arn,))

    def _with_delivery(self, subscription: Subscription) -> Subscription:
        if subscription.protocol not in ("http", "https") or isinstance(subscription, HttpSubscription):
            return subscription
        found = HttpSubscription(subscription, self._queues)
        self.subscriptions[found.arn] = found
        return found

    def _keep(self, subscription: Subscription) -> None:
        settable = ("RawMessageDelivery", "FilterPolicyScope", "FilterPolicy")
        facts = {
            "arn": subscription.arn,
            "topic": subscription.topic.arn,
            "endpoint": subscription.endpoint,
            "protocol": subscription.protocol,
            "attributes": {name: subscription.attributes[name] for name in settable if name in subscription.attributes},
        }
        self._state.write("INSERT OR REPLACE INTO subscription VALUES (?, ?)", (subscription.arn, json.dumps(facts)))


class Deliveries:
    """Posts what was written down for HTTP subscribers; a thread of its own."""

    def __init__(self, queues: DurableQueues) -> None:
        self._queues = queues
        self._stop = threading.Event()
        self._counts: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._run, name="sns-deliveries", daemon=True)

    def start(self) -> None:
        """Begins with what an earlier run has left."""
        self._queues.create_queue(DELIVERIES)
        self._thread.start()

    def stop(self) -> None:
        """Ends after the post under way, or without waiting for its answer."""
        self._stop.set()
        if DELIVERIES in self._queues.queues:
            self._queues.queue(DELIVERIES).wake()
        if self._thread.is_alive():
            self._thread.join(1)

    def figures(self) -> dict[str, int]:
        """How many messages were delivered, failed a try, and were given up."""
        return {name: self._counts[name] for name in ("delivered", "failed_tries", "given_up")}

    def _run(self) -> None:
        while not self._stop.is_set():
            for message in self._queues.receive(DELIVERIES, 1, POLL_S, 2 * ANSWER_S_MAX, self._stop.is_set):
                if not self._stop.is_set():
                    self._deliver(message)

    def _deliver(self, message: Any) -> None:
        told = json.loads(message.body)
        tries = message.approximate_receive_count
        try:
            request = urllib.request.Request(told["url"], told["body"].encode(), told["headers"])  # noqa: S310 - ours
            with urllib.request.urlopen(request, timeout=ANSWER_S_MAX):  # noqa: S310 - a subscriber's own address
                pass
        except (OSError, ValueError) as error:
            self._counts["failed_tries"] += 1
            if tries < TRIES_MAX:
                pause_s = min(PAUSE_S_MAX, 2 ** min(tries - 1, 10))
                self._queues.change_message_visibility(DELIVERIES, message.receipt_handle, pause_s)
                return
            self._counts["given_up"] += 1
            log.error("message_not_delivered url=%s tries=%d reason=%s", told["url"], tries, error)
        else:
            self._counts["delivered"] += 1
        self._queues.delete_message(DELIVERIES, message.receipt_handle)

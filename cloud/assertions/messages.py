"""Rules about what is on its way: queues, topics, dead letters and their alarms. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cloud.assertions.rule import Rule, Weakness
from cloud.assertions.template_world import Resource, World, as_list, named_in

QUEUE, TOPIC, ALARM = "AWS::SQS::Queue", "AWS::SNS::Topic", "AWS::CloudWatch::Alarm"
FUNCTION, MAPPING = "AWS::Lambda::Function", "AWS::Lambda::EventSourceMapping"
TOPIC_RULE, EVENT_RULE, PERMISSION = "AWS::IoT::TopicRule", "AWS::Events::Rule", "AWS::Lambda::Permission"
INVOKE_CONFIG, SCHEDULE = "AWS::Lambda::EventInvokeConfig", "AWS::Scheduler::Schedule"

RETENTION_S = 14 * 86_400
"""The longest that SQS keeps a message."""

WAITING = "ApproximateNumberOfMessagesVisible"
VISIBILITY_TIMES = 6
"""A message stays hidden for so many runs of its function at least: AWS's own advice, since throttled calls count."""

_ASYNCHRONOUS = {
    "iot.amazonaws.com",
    "events.amazonaws.com",
    "scheduler.amazonaws.com",
    "sns.amazonaws.com",
    "s3.amazonaws.com",
    "logs.amazonaws.com",
    "ses.amazonaws.com",
}
"""Services that call a function without waiting for what comes of it."""


def asynchronous_functions(world: World) -> list[Resource]:
    """The functions that somebody calls without waiting: what fails there is lost without dead letters."""
    called = [one.at("Targets") for one in world.of(EVENT_RULE)]
    called += [one.at("Target.Arn") for one in world.of(SCHEDULE)]
    called += [one.at("TopicRulePayload.Actions") for one in world.of(TOPIC_RULE)]
    called += [one.at("FunctionName") for one in world.of(PERMISSION) if one.at("Principal") in _ASYNCHRONOUS]
    found = {one.name: one for value in called for one in world.named(value, FUNCTION)}
    return list(found.values())


def _failed_calls_go_to(world: World, function: Resource) -> Any:
    """Where failed calls of a function go to; None for nowhere."""
    for config in world.of(INVOKE_CONFIG):
        if function in world.named(config.at("FunctionName"), FUNCTION):
            return config.at("DestinationConfig.OnFailure.Destination")
    return function.at("DeadLetterConfig.TargetArn")


def _lost_calls(world: World) -> Iterator[Weakness]:
    for function in asynchronous_functions(world):
        if not _failed_calls_go_to(world, function):
            yield function.name, "it is called by events, and an event that it fails is gone"


def _lost_messages(world: World) -> Iterator[Weakness]:
    for mapping in world.of(MAPPING):
        for queue in world.named(mapping.at("EventSourceArn"), QUEUE):
            if not queue.at("RedrivePolicy.deadLetterTargetArn"):
                yield queue.name, "it feeds a function, and a message that always fails is tried until it is gone"
    for rule in world.of(EVENT_RULE):
        for target in as_list(rule.at("Targets")):
            if world.named(target.get("Arn"), QUEUE) and not target.get("DeadLetterConfig"):
                yield rule.name, "an event that does not come to its queue is gone"


def dead_letter_queues(world: World) -> list[Resource]:
    """The queues to which goes what could not be done."""
    targets = [queue.at("RedrivePolicy.deadLetterTargetArn") for queue in world.of(QUEUE)]
    targets += [_failed_calls_go_to(world, function) for function in world.of(FUNCTION)]
    targets += [
        target.get("DeadLetterConfig") for rule in world.of(EVENT_RULE) for target in as_list(rule.at("Targets"))
    ]
    found = {queue.name: queue for value in targets for queue in world.named(value, QUEUE)}
    return list(found.values())


def _watches(alarm: Resource, queue: Resource) -> bool:
    dimensions: list[Mapping[str, Any]] = as_list(alarm.at("Dimensions"))
    return (
        alarm.at("MetricName") == WAITING
        and bool(alarm.at("AlarmActions"))
        and str(alarm.at("ComparisonOperator")).startswith("GreaterThan")
        and any(queue.name in named_in(dimension.get("Value")) for dimension in dimensions)
    )


def _unwatched_dead_letters(world: World) -> Iterator[Weakness]:
    for queue in dead_letter_queues(world):
        if not any(_watches(alarm, queue) for alarm in world.of(ALARM)):
            yield queue.name, "nobody is told when something comes to these dead letters"


def _short_lived_dead_letters(world: World) -> Iterator[Weakness]:
    for queue in dead_letter_queues(world):
        if queue.at("MessageRetentionPeriod") != RETENTION_S:
            yield queue.name, f"dead letters go after {queue.at('MessageRetentionPeriod', 345_600)} s"


def _silent_alarms(world: World) -> Iterator[Weakness]:
    for alarm in world.of(ALARM):
        if not alarm.at("AlarmActions"):
            yield alarm.name, "it tells nobody"


def _unencrypted_queues(world: World) -> Iterator[Weakness]:
    for queue in world.of(QUEUE):
        if queue.at("SqsManagedSseEnabled") is not True and not queue.at("KmsMasterKeyId"):
            yield queue.name, "what it holds is not encrypted"


def _unencrypted_topics(world: World) -> Iterator[Weakness]:
    for topic in world.of(TOPIC):
        if not topic.at("KmsMasterKeyId"):
            yield topic.name, "what it holds is not encrypted"


def _topics_without_tls(world: World) -> Iterator[Weakness]:
    for topic in world.of(TOPIC):
        statements = [
            statement
            for policy in world.of("AWS::SNS::TopicPolicy")
            if topic in world.named(policy.at("Topics"), TOPIC)
            for statement in as_list(policy.at("PolicyDocument.Statement"))
        ]
        refused = [
            statement
            for statement in statements
            if statement.get("Effect") == "Deny"
            and str(statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")).lower() == "false"
        ]
        if not refused:
            yield topic.name, "no policy refuses messages without TLS"


def _hidden_too_shortly(world: World) -> Iterator[Weakness]:
    for mapping in world.of(MAPPING):
        for queue in world.named(mapping.at("EventSourceArn"), QUEUE):
            for function in world.named(mapping.at("FunctionName"), FUNCTION):
                hidden, longest = queue.at("VisibilityTimeout", 30), function.at("Timeout", 3)
                if int(hidden) < VISIBILITY_TIMES * int(longest):
                    yield queue.name, f"it hides messages for {hidden} s, and {function.name} may take {longest} s"


def _whole_batches_fail(world: World) -> Iterator[Weakness]:
    for mapping in world.of(MAPPING):
        of_queue = world.named(mapping.at("EventSourceArn"), QUEUE)
        if of_queue and "ReportBatchItemFailures" not in as_list(mapping.at("FunctionResponseTypes")):
            yield mapping.name, "one message that fails sends its whole batch around again"


RULES = (
    Rule("dead-letters-call", "give the function a DeadLetterQueue", _lost_calls),
    Rule("dead-letters-queue", "give the queue a RedrivePolicy, the rule's target a DeadLetterConfig", _lost_messages),
    Rule("dead-letters-alarm", f"add an alarm on {WAITING} of this queue with AlarmActions", _unwatched_dead_letters),
    Rule("dead-letters-days", f"set MessageRetentionPeriod to {RETENTION_S}, two weeks", _short_lived_dead_letters),
    Rule("alarm-actions", "give it AlarmActions", _silent_alarms),
    Rule("queue-encryption", "set SqsManagedSseEnabled", _unencrypted_queues),
    Rule("queue-visibility", f"set VisibilityTimeout to {VISIBILITY_TIMES} times as long", _hidden_too_shortly),
    Rule("queue-batches", "set FunctionResponseTypes to [ReportBatchItemFailures]", _whole_batches_fail),
    Rule("topic-encryption", "give it a KmsMasterKeyId", _unencrypted_topics),
    Rule("topic-tls", "deny sns:Publish where aws:SecureTransport is false", _topics_without_tls),
)

"""Decides how much of each AWS service a fleet uses in a month, from plan, product and template. Pure.

Nothing here repeats what the product decides: how long a segment is, how an upload is cut into requests, how often what
is told or fetched comes in as `ProductFacts`, and how large an item of the index is follows from the indexer itself.
What neither product nor template can know (how many people look, how long a call lasts) stands in `Assumptions`. A
month has 730 hours; a GB has 2^30 bytes, as AWS bills it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from cloud.cost_item import BYTES_PER_MBIT, example_item, item_bytes

Policy = Literal["all", "events", "none"]
Scope = Literal["camera", "site", "fleet"]

HOURS = 730.0
DAYS = HOURS / 24
MONTH_S = HOURS * 3600
MINUTES = HOURS * 60
GB = 2**30
WRITE_UNIT_BYTES, READ_UNIT_BYTES = 1024, 4096
SHADOW_UNIT_BYTES = 1024
POLLERS = 5
"""Long-polling connections that Lambda keeps to a queue that is quiet (Lambda developer guide, "Polling")."""

POLL_S = 20.0
ITEM_OVERHEAD_BYTES = 100  # of each item in a table and in an index, billed with its storage (DynamoDB developer guide)
TRANSITION_BYTES_MIN = 128 * 1024  # smaller objects are not moved to another class by lifecycle rules


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked: sites, cameras at each, what of their footage goes to the cloud, and for how long."""

    sites: int
    cameras: int
    mbps: float
    policy: Policy
    days: int
    event_share: float
    ai: bool = False
    managed: bool = False
    replicate: bool = False
    secrets: int | None = None
    """Secrets at each site; None: one per camera."""


@dataclass(frozen=True, slots=True)
class ProductFacts:
    """What the product's own constants say, in seconds and bytes."""

    segment_s: float
    part_bytes: int
    single_put_bytes_max: int
    thumbnail_bytes: int
    telemetry_s: float
    detailed_s: float
    summary_s: float
    site_sweep_s: float
    camera_sweep_s: float
    secret_refresh_s: float
    metrics: int


@dataclass(frozen=True, slots=True)
class TemplateFacts:
    """The template's part of the bill. `transitions` are (storage class, days after the upload), in order.

    `rules` is how many IoT rules a message on `telemetry/reported` triggers, `detailed_rules` one on
    `telemetry/detailed`.
    """

    polled_queues: int
    alarms: int
    dashboards: int
    keys: int
    noncurrent_days: int
    transitions: tuple[tuple[str, int], ...]
    memory_mb: int
    log_days: int
    rules: int
    detailed_rules: int


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What nobody can know before: change it with the bill of a real fleet's first month. Each is one of ASSUMED."""

    event_s: float = 30.0
    gop_s: float = 2.0
    view_hours: float = 0.5
    media_s: float = 6.0
    api_calls_per_view_hour: float = 60.0
    users: float = 2.0
    alerts: float = 2.0
    readers: float = 3.0
    call_s: float = 0.15
    events_per_object: int = 3
    log_bytes_per_call: int = 1_000
    telemetry_log_bytes_per_stream: int = 145_000
    streams_per_camera: int = 2
    listings: float = 30.0
    shadow_bytes: int = 2_000
    exports: float = 0.5
    steps_per_export: float = 8.0
    searches: float = 100.0
    jobs: float = 2.0
    tunnels: float = 1.0
    images_per_event: float = 1.0


ASSUMED: Mapping[str, str] = {
    "event_s": "length of a video event with its margins, in seconds",
    "gop_s": "time between two keyframes of a camera, in seconds",
    "view_hours": "footage that is looked at, in hours per site and day",
    "media_s": "footage that a player asks for at once, in seconds",
    "api_calls_per_view_hour": "calls of the API for an hour of looking",
    "users": "people who sign in, per site",
    "alerts": "alerts per site and day",
    "readers": "e-mail addresses that hear of each alert",
    "call_s": "how long a function runs, in seconds",
    "events_per_object": "changes of an object that the indexer hears of: made, gone by its age, its old version gone",
    "log_bytes_per_call": "log of a function's call: our line, and Lambda's own of its start and end, in bytes",
    "telemetry_log_bytes_per_stream": "log of telemetry, in bytes per stream and day: 9 MB of 64 streams",
    "streams_per_camera": "streams of a camera that telemetry tells of",
    "listings": "listings of the whole bucket in a month: one reconciliation a day",
    "shadow_bytes": "size of a shadow with its metadata, in bytes",
    "exports": "clips and timelapses, per site and day",
    "steps_per_export": "steps of a workflow that makes one",
    "searches": "searches of the fleet index, per day",
    "jobs": "deployments, per site and month",
    "tunnels": "remote sessions, per site and month",
    "images_per_event": "pictures of an event that are given to Rekognition",
}
"""What each assumption means."""


@dataclass(frozen=True, slots=True)
class Use:
    """So many units of a price in a month, of one camera, one site, or the whole fleet."""

    service: str
    what: str
    price: str
    amount: float
    scope: Scope


@dataclass(frozen=True, slots=True)
class Footage:
    """What one camera sends in a month, and what of it stays."""

    objects: float
    object_bytes: float
    thumbnails: float

    @property
    def sent_bytes(self) -> float:
        """Bytes of footage, pictures left out."""
        return self.objects * self.object_bytes


def footage_of(plan: Plan, product: ProductFacts, assumed: Assumptions) -> Footage:
    """The objects of one camera in a month.

    `all` sends every segment, `events` a clip of each event, both with every segment's picture; `none` sends nothing.
    """
    pictures = MONTH_S / product.segment_s
    per_s = plan.mbps * BYTES_PER_MBIT
    if plan.policy == "all":
        return Footage(pictures, per_s * product.segment_s, pictures)
    if plan.policy == "events":
        return Footage(MONTH_S * plan.event_share / assumed.event_s, per_s * assumed.event_s, pictures)
    return Footage(0.0, 0.0, 0.0)


def requests_of(object_bytes: float, product: ProductFacts) -> int:
    """Requests to upload one object: one, or one per part and two (docs/design/sync.md)."""
    if object_bytes <= product.single_put_bytes_max:
        return 1
    return math.ceil(object_bytes / product.part_bytes) + 2


def uses(plan: Plan, product: ProductFacts, template: TemplateFacts, assumed: Assumptions) -> Iterator[Use]:
    """Everything that a month is billed for, one line each."""
    footage = footage_of(plan, product, assumed)
    yield from _storage(plan, product, template, footage)
    yield from _requests(plan, product, assumed, footage)
    yield from _index(plan, assumed, footage)
    yield from _pipeline(template, assumed, footage)
    yield from _device(plan, product, template, assumed)
    yield from _watching(plan, product, template, assumed)
    yield from _viewing(plan, template, assumed)
    yield from _options(plan, product, assumed)


def kept_days(plan: Plan, template: TemplateFacts) -> int:
    """How long an object is paid for: until it expires, and its old version after that."""
    return plan.days + template.noncurrent_days


def class_days(plan: Plan, template: TemplateFacts) -> Mapping[str, float]:
    """Days that an object is paid for in each storage class, the classes' shortest stays included."""
    steps = [("STANDARD", 0), *(step for step in template.transitions if step[1] < plan.days)]
    end = kept_days(plan, template)
    found = {}
    for (name, begin), following in zip(steps, [*steps[1:], None], strict=True):
        stay = (end if following is None else following[1]) - begin
        found[name] = float(max(stay, SHORTEST_STAY_DAYS[name]))
    return found


SHORTEST_STAY_DAYS: Mapping[str, int] = {"STANDARD": 0, "STANDARD_IA": 30, "GLACIER_IR": 90}
"""Days that a class bills at least (S3 User Guide, "Understanding and managing Amazon S3 storage classes")."""


def _storage(plan: Plan, product: ProductFacts, template: TemplateFacts, footage: Footage) -> Iterator[Use]:
    per_day = footage.sent_bytes / DAYS
    moves = footage.object_bytes >= TRANSITION_BYTES_MIN
    days = class_days(plan, template) if moves else {"STANDARD": float(kept_days(plan, template))}
    for name, stay in days.items():
        yield Use("S3", f"footage in {name}", f"s3.{name}.storage", per_day * stay / GB, "camera")
        if name != "STANDARD":
            yield Use("S3", f"moves to {name}", f"s3.{name}.transition", footage.objects, "camera")
    pictures = footage.thumbnails / DAYS * product.thumbnail_bytes * kept_days(plan, template)
    yield Use("S3", "pictures", "s3.STANDARD.storage", pictures / GB, "camera")


def _requests(plan: Plan, product: ProductFacts, assumed: Assumptions, footage: Footage) -> Iterator[Use]:
    puts = footage.objects * requests_of(footage.object_bytes, product) + footage.thumbnails
    yield Use("S3", "uploads", "s3.put", puts, "camera")
    changes = (footage.objects + footage.thumbnails) * assumed.events_per_object
    yield Use("S3", "looks of the indexer", "s3.STANDARD.get", changes, "camera")
    there = (footage.objects + footage.thumbnails) / DAYS * plan.days
    yield Use("S3", "listings", "s3.put", there / 1000 * assumed.listings, "camera")


_PROJECTED = (
    *("pk", "sk", "by_time_pk", "by_time_sk", "camera", "stream", "start_ns", "end_ns"),
    *("object_key", "thumbnail_key", "size_bytes"),
)


def _index(plan: Plan, assumed: Assumptions, footage: Footage) -> Iterator[Use]:
    if not footage.objects:
        return
    item = example_item(plan.mbps, assumed.gop_s, footage.object_bytes)
    whole = item_bytes(item)
    projected = item_bytes({name: value for name, value in item.items() if name in _PROJECTED})
    in_index = math.ceil(projected / WRITE_UNIT_BYTES)
    # Made, and deleted by its age: the whole item and its place in `by-time`. The old version's end: the marks only.
    segment = 2 * (math.ceil(whole / WRITE_UNIT_BYTES) + in_index) + 1
    # Its picture changes the whole item once; when it goes, the marks that are left.
    with_item = min(1.0, footage.objects / footage.thumbnails)
    picture = with_item * (math.ceil(whole / WRITE_UNIT_BYTES) + in_index) + (1 - with_item) + 2
    writes = footage.objects * segment + footage.thumbnails * picture
    yield Use("DynamoDB", "writes of the index", "dynamodb.write", writes, "camera")
    there = footage.objects / DAYS * plan.days * (whole + projected + 2 * ITEM_OVERHEAD_BYTES) / GB
    yield Use("DynamoDB", "the index", "dynamodb.storage", there, "camera")
    yield Use("DynamoDB", "point-in-time recovery", "dynamodb.pitr", there, "camera")


def _pipeline(template: TemplateFacts, assumed: Assumptions, footage: Footage) -> Iterator[Use]:
    changes = (footage.objects + footage.thumbnails) * assumed.events_per_object
    yield Use("EventBridge", "objects made and gone", "eventbridge.event", changes, "camera")
    yield Use("SQS", "messages: sent, received, deleted", "sqs.request", 3 * changes, "camera")
    polls = template.polled_queues * POLLERS * MONTH_S / POLL_S
    yield Use("SQS", "looks at quiet queues", "sqs.request", polls, "fleet")
    yield from _calls("index_object", changes, template, assumed, "camera")
    yield from _calls("watch_fleet", MINUTES, template, assumed, "fleet")


def _calls(name: str, calls: float, template: TemplateFacts, assumed: Assumptions, scope: Scope) -> Iterator[Use]:
    yield Use("Lambda", f"calls of {name}", "lambda.request", calls, scope)
    yield Use(
        "Lambda", f"duration of {name}", "lambda.duration", calls * assumed.call_s * template.memory_mb / 1024, scope
    )
    logged = calls * assumed.log_bytes_per_call / GB
    yield Use("CloudWatch", f"log of {name}", "cloudwatch.log_ingestion", logged, scope)
    yield Use("CloudWatch", f"log of {name}, kept", "cloudwatch.log_storage", logged * template.log_days / DAYS, scope)


def _device(plan: Plan, product: ProductFacts, template: TemplateFacts, assumed: Assumptions) -> Iterator[Use]:
    reported, detailed = MONTH_S / product.telemetry_s, MONTH_S / product.detailed_s
    notices = 2 * assumed.alerts * DAYS  # raised, and its answer
    yield Use("IoT", "connection", "iot.connectivity", MINUTES, "site")
    yield Use("IoT", "telemetry", "iot.message", 2 * (reported + detailed), "site")  # each with its acknowledgement
    yield Use("IoT", "alerts and answers", "iot.message", notices, "site")
    triggers = reported * template.rules + detailed * template.detailed_rules + assumed.alerts * DAYS
    yield Use("IoT", "rules", "iot.rule", triggers, "site")
    yield Use("IoT", "actions of rules", "iot.action", triggers, "site")
    per_shadow = math.ceil(assumed.shadow_bytes / SHADOW_UNIT_BYTES)
    yield Use("IoT", "looks at the site's shadow", "iot.shadow", MONTH_S / product.site_sweep_s * per_shadow, "site")
    yield Use("IoT", "looks at cameras' shadows", "iot.shadow", MONTH_S / product.camera_sweep_s * per_shadow, "camera")
    yield Use("IoT", "summary", "iot.shadow", MONTH_S / product.summary_s, "site")
    yield Use("IoT", "Greengrass core", "greengrass.device", 1, "site")
    secrets = plan.cameras if plan.secrets is None else plan.secrets
    yield Use("Secrets Manager", "cameras' passwords", "secrets.secret", secrets, "site")
    calls = secrets * MONTH_S / product.secret_refresh_s
    yield Use("Secrets Manager", "looks at them", "secrets.request", calls, "site")


def _watching(plan: Plan, product: ProductFacts, template: TemplateFacts, assumed: Assumptions) -> Iterator[Use]:
    messages = MONTH_S / product.telemetry_s + MONTH_S / product.detailed_s
    yield from _calls("ingest_telemetry", messages, template, assumed, "site")
    logged = assumed.telemetry_log_bytes_per_stream * assumed.streams_per_camera * DAYS / GB
    yield Use("CloudWatch", "log of telemetry", "cloudwatch.log_ingestion", logged, "camera")
    yield Use(
        "CloudWatch", "log of telemetry, kept", "cloudwatch.log_storage", logged * template.log_days / DAYS, "camera"
    )
    yield Use("CloudWatch", "metrics", "cloudwatch.metric", product.metrics, "site")
    yield Use("CloudWatch", "alarms", "cloudwatch.alarm", template.alarms, "fleet")
    yield Use("CloudWatch", "dashboards", "cloudwatch.dashboard", template.dashboards, "fleet")
    yield Use("DynamoDB", "when a site was last heard of", "dynamodb.write", MONTH_S / product.telemetry_s, "site")
    looks = 3 * MINUTES * max(1, math.ceil(plan.sites * 200 / READ_UNIT_BYTES))
    yield Use("DynamoDB", "looks at all sites", "dynamodb.read", looks, "fleet")
    told = assumed.alerts * DAYS
    yield Use("SNS", "alerts", "sns.publish", told, "site")
    yield Use("SNS", "e-mails", "sns.email", told * assumed.readers, "site")
    yield Use("KMS", "keys", "kms.key", template.keys, "fleet")
    yield Use("KMS", "alerts encrypted", "kms.request", told, "site")


def _viewing(plan: Plan, template: TemplateFacts, assumed: Assumptions) -> Iterator[Use]:
    if plan.policy == "none":
        return
    hours = assumed.view_hours * DAYS
    seen = hours * 3600 * plan.mbps * BYTES_PER_MBIT / GB
    requests = hours * 3600 / assumed.media_s
    # What is looked at is mostly new; the class that footage comes into is the one that it is read from.
    first = next((name for name, day in reversed(template.transitions) if day == 0), "STANDARD")
    yield Use("S3", "footage that is looked at", f"s3.{first}.get", requests, "site")
    yield Use("S3", "footage that is read", f"s3.{first}.retrieval", seen, "site")
    yield Use("CloudFront", "footage to viewers", "cloudfront.egress", seen, "site")
    yield Use("CloudFront", "requests of players", "cloudfront.request", requests, "site")
    calls = hours * assumed.api_calls_per_view_hour
    yield Use("API Gateway", "calls", "api.request", calls, "site")
    yield from _calls("serve_video", calls, template, assumed, "site")
    yield Use("DynamoDB", "questions to the index", "dynamodb.read", calls * 8, "site")
    yield Use("Cognito", "people who sign in", "cognito.user", assumed.users, "site")
    steps = assumed.exports * DAYS * assumed.steps_per_export
    yield Use("Step Functions", "exports", "states.transition", steps, "site")


def _options(plan: Plan, product: ProductFacts, assumed: Assumptions) -> Iterator[Use]:
    per_s = plan.mbps * BYTES_PER_MBIT
    events = MONTH_S * plan.event_share / assumed.event_s
    if plan.replicate and plan.policy != "none":
        copied = (MONTH_S * plan.event_share * per_s) / GB
        yield Use("S3 replication", "to another region", "s3.replication.transfer", copied, "camera")
        yield Use("S3 replication", "copies", "s3.put", events, "camera")
        yield Use("S3 replication", "copies, kept", "s3.STANDARD.storage", copied / DAYS * plan.days, "camera")
    if plan.ai:
        yield Use("Rekognition", "labels", "rekognition.image", events * assumed.images_per_event, "camera")
    if plan.managed:
        updates = MONTH_S / product.summary_s
        yield Use("IoT Device Management", "fleet index", "iot_management.index_update", updates, "site")
        yield Use("IoT Device Management", "searches", "iot_management.index_query", assumed.searches * DAYS, "fleet")
        yield Use("IoT Device Management", "deployments", "iot_management.job", assumed.jobs, "site")
        yield Use("IoT Device Management", "remote sessions", "iot_management.tunnel", assumed.tunnels, "site")

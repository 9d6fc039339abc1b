"""The stand-in as a whole: builds its parts, starts them in order, stops them in the other."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import boto3
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from local.aws import authorization, lambda_process, resources, template
from local.aws.bridge import Bridge
from local.aws.called_function import CalledFunction
from local.aws.doorkeeper import Doorkeeper
from local.aws.durable_queues import DurableQueues
from local.aws.durable_secrets import DurableSecrets
from local.aws.durable_tables import DurableTables
from local.aws.durable_topics import Deliveries, DurableTopics
from local.aws.event_invoker import EventInvoker
from local.aws.event_source import EventSource
from local.aws.gateway import Gateway, Network
from local.aws.http_server import Server, WsgiApp
from local.aws.identities import ACCESS_KEY_ID, FUNCTION_KEY, SECRET_ACCESS_KEY, Device, Identities
from local.aws.moto_app import MotoApp
from local.aws.s3 import signatures
from local.aws.s3.objects import BucketState, Objects
from local.aws.s3.request import Request
from local.aws.s3.service import S3Service
from local.aws.schedules import Schedule, Schedules
from local.aws.stack import Address, Function, QueueFeed, Stack, TopicRule
from local.aws.state import State
from local.aws.table_action import put_action
from local.aws.web_door import WebDoor, for_template
from local.aws.web_keys import MediaKey
from local.iot_core import credentials
from local.iot_core.iot_core import IotCore
from local.iot_core.rules import Action, RuleMessage

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """How the stand-in is to run. A port of 0 takes a free one."""

    data: Path
    template: Path
    region: str = "eu-central-1"
    host: str = "127.0.0.1"
    port: int = 0
    mqtt_port: int = 0
    web_port: int = 0
    parameters: dict[str, str] = field(default_factory=dict)


class LocalAws:
    """One stand-in: `start` returns when everything answers, `stop` when nothing does any more."""

    def __init__(self, options: Options) -> None:
        options.data.mkdir(parents=True, exist_ok=True)
        self._options = options
        self._state = State(options.data)
        self._iot = IotCore(options.data / "iot", http_follows_network=False)
        self._network = Network()
        self._network.on_change(self._iot.set_online)
        self._identities = Identities(device_of)
        self._door = Doorkeeper(self._identities, self._arn)
        self._queues = DurableQueues.install(self._state, options.region)
        self._tables = DurableTables.install(self._state, options.region)
        self._topics = DurableTopics.install(self._state, self._queues, options.region)
        self._deliveries = Deliveries(self._queues)
        self._schedules = Schedules(DEFAULT_ACCOUNT_ID, options.region)
        self._bridge = Bridge(self._state, self._queues)
        moto = MotoApp()
        self._secrets = DurableSecrets(self._state, options.region, moto)
        self._objects = Objects(self._state, self._bridge.told)
        self._s3 = S3Service(self._state, self._objects, bucket_state, moto, self._check, self._door.hides_absence)
        services: dict[str, WsgiApp] = {
            "s3": self._s3,
            "dynamodb": self._tables.one_at_a_time(moto),
            "secretsmanager": self._secrets,
            "iotdata": self._iot.wsgi_app,
        }
        guarded = {name: app if name == "s3" else self._door.around(name, app) for name, app in services.items()}
        self._gateway = Gateway(
            self._network, guarded, self._door.around("others", moto), self._figures, self._schedules.fire
        )
        self._site_side = Server(options.host, options.port, self._gateway.site_side)
        self._network.on_change(self._cut_or_not)
        self._cloud_side = Server(options.host, 0, self._gateway.cloud_side)
        self._stack = Stack()
        self._feeds: list[EventSource] = []
        self._invokers: dict[str, EventInvoker] = {}  # by the function's name
        self._mqtt_port = 0
        self._web_door: WebDoor | None = None
        self._web_side: Server | None = None
        self._called: dict[str, CalledFunction] = {}  # those that people call, by their ARNs
        self._start_s = 0.0

    def start(self) -> None:
        """Starts the servers, makes the template's resources, takes up what an earlier run has left."""
        begin = time.monotonic()
        options = self._options
        read = template.load(options.template, options.region, options.parameters, options.data / "cache")
        media_key = MediaKey()
        read = media_key.given_to(read)
        self._cloud_side.start()
        self._secrets.restore()
        self._stack = resources.create(read, self._address(self._cloud_side.url))
        self._door.now_with(self._stack)
        self._feeds = [self._feed(feed) for feed in self._stack.feeds]
        for rule in self._stack.topic_rules:
            self._iot.add_rule(f"{rule.name} {rule.function}", rule.sql, self._action_of(rule))
        for table_rule in self._stack.table_rules:
            policies = self._stack.roles.get(table_rule.role, [])
            action = put_action(table_rule, policies, self._client("dynamodb"), self._arn)
            self._iot.add_rule(f"{table_rule.name} {table_rule.table}", table_rule.sql, action)
        self._topics.restore()
        self._deliveries.start()
        self._bridge.start()
        for feed in self._feeds:
            feed.start()
        self._schedules.start([(one, self._callee_of(one)) for one in self._stack.schedules])
        self._mqtt_port = self._iot.start_mqtt(options.host, options.mqtt_port)
        self._site_side.start()
        self._open_web(media_key)
        self._start_s = time.monotonic() - begin
        log.info("started endpoint=%s seconds=%.1f", self._site_side.url, self._start_s)

    def stop(self) -> None:
        """Stops everything; what was stored stays."""
        self._site_side.stop()
        if self._web_side is not None:
            self._web_side.stop()
        for called in self._called.values():
            called.stop()
        self._iot.stop()
        self._schedules.stop()
        self._deliveries.stop()
        self._bridge.stop()
        for feed in self._feeds:
            feed.stop()
        for invoker in self._invokers.values():
            invoker.stop()
        self._cloud_side.stop()
        self._s3.stop()
        self._state.close()

    def ready(self) -> dict[str, Any]:
        """What others need to know: addresses, credentials, and what the template's resources are called here."""
        address = self._address(self._site_side.url)
        return {
            "endpoint_url": address.endpoint_url,
            "mqtt_host": self._options.host,
            "mqtt_port": self._mqtt_port,
            "web_url": None if self._web_side is None else self._web_side.url,
            "region": address.region,
            "account": address.account,
            "access_key_id": address.access_key_id,
            "secret_access_key": address.secret_access_key,
            "resources": {name: created.ref for name, created in self._stack.created.items()},
            "outputs": self._stack.outputs,
        }

    def _open_web(self, media_key: MediaKey) -> None:
        """Opens the door for people, where the template has one."""
        web = self._stack.web
        self._web_door = for_template(web, self._client("s3"), self._call)
        if self._web_door is None:
            return
        media_key.put_into(web.secrets, self._client("secretsmanager"))
        for arn in web.functions.values():
            function = self._permitted(arn, "HTTP API", "", "apigateway.amazonaws.com")
            self._called[arn] = CalledFunction(partial(self._process, function), function.timeout_s)
        self._web_side = Server(self._options.host, self._options.web_port, self._web_door)
        self._web_side.start()

    def _call(self, arn: str, event: Mapping[str, Any]) -> Any:
        return self._called[arn].call(event)

    def _feed(self, feed: QueueFeed) -> EventSource:
        function = self._function(feed.function)
        for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes"):
            if not self._may(function, f"sqs:{action}", feed.queue_arn):
                raise template.TemplateError(
                    f"the role of {function.name} does not allow sqs:{action} on {feed.queue_arn}: AWS refuses the"
                    " mapping"
                )
        return EventSource(feed, function, self._process(function), self._queues)

    def _action_of(self, rule: TopicRule) -> Action:
        """What a topic rule does with a message: hands it to its function."""
        invoker = self._invoker(self._permitted(rule.function, rule.name, rule.arn, "iot.amazonaws.com"))

        def act(given: RuleMessage) -> None:
            invoker.send(json.loads(given.payload))

        return act

    def _callee_of(self, schedule: Schedule) -> Callable[[Any], None]:
        """What takes the events of a schedule."""
        return self._invoker(
            self._permitted(schedule.function, schedule.name, schedule.arn, "events.amazonaws.com")
        ).send

    def _permitted(self, arn: str, rule: str, source: str, service: str) -> Function:
        """The function of that ARN, if the template lets the rule of a service call it."""
        function = self._function(arn.rpartition(":")[2])
        allowed = [one for one in self._stack.permissions if one.function == function.name]
        if not any(one.service == service and (not source or one.source in {None, source}) for one in allowed):
            raise template.TemplateError(
                f"no permission lets rule {rule} call {function.name}: AWS would refuse each of its messages"
            )
        return function

    def _client(self, service: str) -> Any:
        """A client of the stand-in's own."""
        address = self._address(self._cloud_side.url)
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=address.endpoint_url,
            region_name=address.region,
            aws_access_key_id=address.access_key_id,
            aws_secret_access_key=address.secret_access_key,
        )

    def _invoker(self, function: Function) -> EventInvoker:
        """The one that calls this function with single events; it is made and started when it is first wanted."""
        if function.name not in self._invokers:
            if function.dead_letters and not self._may(function, "sqs:SendMessage", function.dead_letters):
                raise template.TemplateError(
                    f"the role of {function.name} does not allow sqs:SendMessage on {function.dead_letters}: AWS"
                    " refuses the function"
                )
            self._invokers[function.name] = EventInvoker(function, self._process(function), self._queues)
            self._invokers[function.name].start()
        return self._invokers[function.name]

    def _may(self, function: Function, action: str, resource: str) -> bool:
        return authorization.allows(self._stack.roles.get(function.role, []), action, resource, "")

    def _process(self, function: Function) -> lambda_process.FunctionProcess:
        """The function as a process, which starts at its first call."""
        address = self._address(self._cloud_side.url)
        aws = {
            "AWS_ENDPOINT_URL": address.endpoint_url,
            "AWS_REGION": address.region,
            "AWS_DEFAULT_REGION": address.region,
            "AWS_ACCESS_KEY_ID": FUNCTION_KEY + function.name,
            "AWS_SECRET_ACCESS_KEY": FUNCTION_KEY + function.name,
        }
        return lambda_process.FunctionProcess(
            function.handler,
            function.code,
            lambda_process.environment_of(function.name, function.code, function.memory_mb, function.environment, aws),
            f"arn:aws:lambda:{address.region}:{address.account}:function:{function.name}",
            self._options.data / "logs" / f"{function.name}.log",
        )

    def _function(self, name: str) -> Function:
        for function in self._stack.functions.values():
            if function.name == name:
                return function
        raise template.TemplateError(f"function {name} is to be called, which the template does not have")

    def _check(self, request: Request) -> None:
        signatures.check(request, self._identities.secret_of, datetime.now(UTC))
        self._door.check_s3(request)

    def _cut_or_not(self, online: bool) -> None:
        if not online:
            self._site_side.cut_all()

    def _arn(self, service: str, name: str) -> str:
        return f"arn:aws:{service}:{self._options.region}:{DEFAULT_ACCOUNT_ID}:{name}"

    def _address(self, url: str) -> Address:
        return Address(
            url, self._site_side.url, self._options.region, DEFAULT_ACCOUNT_ID, ACCESS_KEY_ID, SECRET_ACCESS_KEY
        )

    def _figures(self) -> dict[str, Any]:
        return {
            "start_s": round(self._start_s, 3),
            "objects_bytes": self._state.size_bytes(),
            "events": self._bridge.figures(),
            "queues": self._queues.figures(),
            "tables": self._tables.figures(),
            "functions": {feed.function_name: feed.figures() for feed in self._feeds},
            "invoked": {name: invoker.figures() for name, invoker in self._invokers.items()},
            "deliveries": self._deliveries.figures(),
            "schedules": self._schedules.figures(),
            "web": {} if self._web_door is None else self._web_door.figures(),
            "topic_rules": {name: asdict(counts) for name, counts in self._iot.rule_counts().items()},
        }


def bucket_state(name: str) -> BucketState | None:
    """What moto has a bucket set to."""
    bucket = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets.get(name)
    if bucket is None:
        return None
    notification = bucket.notification_configuration
    return BucketState(bucket.is_versioned, notification is not None and notification.event_bridge is not None)


def device_of(token: str) -> Device | None:
    """The thing whose session token this is."""
    grant = credentials.grant_in(token)
    if grant is None:
        return None
    issued = credentials.issue(grant)
    return Device(grant.thing, grant.role_alias, issued["accessKeyId"], issued["secretAccessKey"], grant.expires_s)


def write_ready(path: Path, ready: dict[str, Any]) -> None:
    """Puts the ready file there at once and whole."""
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(json.dumps(ready, indent=1), encoding="utf-8")
    unfinished.replace(path)

"""Makes the template's resources in the stand-in, as CloudFormation would in AWS.

One function per type of resource, each naming the properties it understands; a type or a property without one is an
error, so that what runs here is what the template says. Functions, event source mappings and topic rules are not made
in moto, which cannot run them: they are handed to the caller.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import boto3
from botocore.config import Config

from local.aws import web_resources
from local.aws.expand_template import CODE_BUCKET
from local.aws.schedules import Schedule, period_s
from local.aws.stack import STACK, Address, Function, Permission, QueueFeed, Stack, TableRule, TopicRule
from local.aws.template import Created, Resolver, Template, TemplateError

IOT_SQL_VERSION = "2016-03-23"


def create(template: Template, address: Address) -> Stack:
    """Creates every resource of the template, each after those it refers to."""
    return _Maker(template, address).run()


class _Properties:
    """A resource's resolved properties: each must be taken or waived, or `finish` complains."""

    def __init__(self, where: str, values: Mapping[str, Any]) -> None:
        self._where = where
        self._left = dict(values)

    def take(self, name: str, default: Any = None) -> Any:
        return self._left.pop(name, default)

    def need(self, name: str) -> Any:
        if name not in self._left:
            raise TemplateError(f"{self._where} has no {name}")
        return self._left.pop(name)

    def waive(self, *names: str) -> None:
        """These change nothing that can be seen from outside here."""
        for name in names:
            self._left.pop(name, None)

    def section(self, name: str) -> _Properties:
        return _Properties(f"{self._where}.{name}", self._left.pop(name, {}))

    def finish(self) -> None:
        if self._left:
            raise TemplateError(f"{self._where} has {sorted(self._left)}, which the stand-in does not understand")


class _Maker:
    def __init__(self, template: Template, address: Address) -> None:
        self._template = template
        self._address = address
        self._clients: dict[str, Any] = {}
        self._under_way: list[str] = []
        self._stack = Stack()
        pseudo = {
            "AWS::Region": address.region,
            "AWS::AccountId": address.account,
            "AWS::Partition": "aws",
            "AWS::StackName": STACK,
            "AWS::URLSuffix": "amazonaws.com",
        }
        self._resolver = Resolver(template, pseudo, self._create)

    def run(self) -> Stack:
        for name in self._template.resources:
            self._create(name)
        for name, value in self._template.outputs.items():
            self._stack.outputs[name] = str(self._resolver.resolve(value))
        return self._stack

    def _create(self, name: str) -> Created:
        if name in self._stack.created:
            return self._stack.created[name]
        if name not in self._template.resources:
            raise TemplateError(f"the template refers to {name}, which it does not have")
        if name in self._under_way:
            raise TemplateError(f"resources refer to each other in a circle: {' > '.join([*self._under_way, name])}")
        resource = self._template.resources[name]
        maker = _MAKERS.get(resource.kind)
        if maker is None:
            raise TemplateError(f"resource {name} is of type {resource.kind}, which the stand-in does not understand")
        self._under_way.append(name)
        properties = _Properties(name, self._resolver.resolve(dict(resource.properties)))
        created = maker(self, name, properties)
        properties.finish()
        self._under_way.pop()
        self._stack.created[name] = created
        return created

    @property
    def web(self) -> web_resources.Web:
        """What people come in by."""
        return self._stack.web

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,  # type: ignore[call-overload]
                endpoint_url=self._address.endpoint_url,
                region_name=self._address.region,
                aws_access_key_id=self._address.access_key_id,
                aws_secret_access_key=self._address.secret_access_key,
                config=Config(retries={"total_max_attempts": 1}),
            )
        return self._clients[service]

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self._address.region}:{self._address.account}:{resource}"

    def bucket(self, name: str, properties: _Properties) -> Created:
        s3 = self.client("s3")
        bucket = f"{STACK}-{name.lower()}-{self._address.account}"
        where = {} if self._address.region == "us-east-1" else {"LocationConstraint": self._address.region}
        s3.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": where} if where else {}))
        encryption = properties.section("BucketEncryption")
        rules = [
            _encryption_rule(f"{name}.BucketEncryption", rule)
            for rule in encryption.take("ServerSideEncryptionConfiguration", [])
        ]
        encryption.finish()
        if rules:
            s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})
        if versioning := properties.take("VersioningConfiguration"):
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=versioning)
        if ownership := properties.take("OwnershipControls"):
            s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=ownership)
        if block := properties.take("PublicAccessBlockConfiguration"):
            s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
        notification = properties.section("NotificationConfiguration")
        if notification.take("EventBridgeConfiguration", {}).get("EventBridgeEnabled"):
            s3.put_bucket_notification_configuration(
                Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
            )
        notification.finish()
        lifecycle = properties.section("LifecycleConfiguration")
        rules = [_lifecycle_rule(f"{name}.LifecycleConfiguration", rule) for rule in lifecycle.take("Rules", [])]
        lifecycle.finish()
        if rules:
            s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
        if replication := properties.take("ReplicationConfiguration"):
            s3.put_bucket_replication(
                Bucket=bucket, ReplicationConfiguration=_replication(f"{name}.ReplicationConfiguration", replication)
            )
        domain = f"{bucket}.s3.{self._address.region}.amazonaws.com"
        return Created(bucket, {"Arn": f"arn:aws:s3:::{bucket}", "RegionalDomainName": domain})

    def bucket_policy(self, name: str, properties: _Properties) -> Created:
        bucket = properties.need("Bucket")
        self.client("s3").put_bucket_policy(Bucket=bucket, Policy=json.dumps(properties.need("PolicyDocument")))
        return Created(f"{STACK}-{name}", {})

    def table(self, name: str, properties: _Properties) -> Created:
        dynamodb = self.client("dynamodb")
        table = f"{STACK}-{name}"
        encryption = properties.take("SSESpecification", {})
        indexes = properties.take("GlobalSecondaryIndexes")
        answer = dynamodb.create_table(
            TableName=table,
            BillingMode=properties.need("BillingMode"),
            AttributeDefinitions=properties.need("AttributeDefinitions"),
            KeySchema=properties.need("KeySchema"),
            **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
            SSESpecification={"Enabled": bool(encryption.get("SSEEnabled"))},
            DeletionProtectionEnabled=bool(properties.take("DeletionProtectionEnabled", False)),
        )
        if expiry := properties.take("TimeToLiveSpecification"):
            dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=expiry)
        if recovery := properties.take("PointInTimeRecoverySpecification"):
            dynamodb.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification=recovery)
        return Created(table, {"Arn": answer["TableDescription"]["TableArn"]})

    def queue(self, name: str, properties: _Properties) -> Created:
        sqs = self.client("sqs")
        attributes = {}
        for attribute in ("MessageRetentionPeriod", "VisibilityTimeout", "SqsManagedSseEnabled", "DelaySeconds"):
            value = properties.take(attribute)
            if value is not None:
                attributes[attribute] = str(value).lower()
        if redrive := properties.take("RedrivePolicy"):
            attributes["RedrivePolicy"] = json.dumps(redrive)
        queue = f"{STACK}-{name}"
        sqs.create_queue(QueueName=queue, Attributes=attributes)
        url = f"{self._address.public_url}/{self._address.account}/{queue}"
        return Created(url, {"Arn": self.arn("sqs", queue), "QueueName": queue})

    def queue_policy(self, name: str, properties: _Properties) -> Created:
        policy = json.dumps(properties.need("PolicyDocument"))
        for url in properties.need("Queues"):
            self.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        return Created(f"{STACK}-{name}", {})

    def rule(self, name: str, properties: _Properties) -> Created:
        if expression := properties.take("ScheduleExpression"):
            return self.schedule(name, expression, properties)
        events = self.client("events")
        rule = f"{STACK}-{name}"
        arn = events.put_rule(
            Name=rule,
            EventPattern=json.dumps(properties.need("EventPattern")),
            Description=properties.take("Description", ""),
            State=properties.take("State", "ENABLED"),
        )["RuleArn"]
        targets = properties.need("Targets")
        for target in targets:
            if not target["Arn"].startswith("arn:aws:sqs:"):
                raise TemplateError(f"{name}: target {target['Arn']} is not a queue, which is all that works here")
            if extra := set(target) - {"Id", "Arn", "DeadLetterConfig"}:
                raise TemplateError(f"{name}: a target has {sorted(extra)}, which the stand-in does not understand")
        events.put_targets(Rule=rule, Targets=targets)
        return Created(rule, {"Arn": arn})

    def schedule(self, name: str, expression: str, properties: _Properties) -> Created:
        properties.waive("Description")
        rule = f"{STACK}-{name}"
        arn = self.arn("events", f"rule/{rule}")
        is_on = properties.take("State", "ENABLED") == "ENABLED"
        try:
            seconds = period_s(expression)
        except ValueError as error:
            raise TemplateError(f"{name}: {error}") from error
        for target in properties.need("Targets"):
            if set(target) != {"Id", "Arn"} or not target["Arn"].startswith("arn:aws:lambda:"):
                raise TemplateError(f"{name}: target {target} is not just a function, which is all that works here")
            if is_on:
                self._stack.schedules.append(Schedule(rule, arn, seconds, target["Arn"]))
        return Created(rule, {"Arn": arn})

    def log_group(self, name: str, properties: _Properties) -> Created:
        logs = self.client("logs")
        group = f"/{STACK}/{name}"
        logs.create_log_group(logGroupName=group)
        if days := properties.take("RetentionInDays"):
            logs.put_retention_policy(logGroupName=group, retentionInDays=int(days))
        return Created(group, {"Arn": self.arn("logs", f"log-group:{group}:*")})

    def query_definition(self, name: str, properties: _Properties) -> Created:
        """Understood and not made: moto has none, and nobody here asks for one."""
        for needed in ("Name", "QueryString"):
            properties.need(needed)
        properties.waive("LogGroupNames")
        return Created(f"{STACK}-{name}", {})

    def dashboard(self, name: str, properties: _Properties) -> Created:
        dashboard, body = properties.need("DashboardName"), properties.need("DashboardBody")
        try:
            json.loads(body)
        except ValueError as error:
            raise TemplateError(f"{name}: its body is no JSON: {error}") from error
        self.client("cloudwatch").put_dashboard(DashboardName=dashboard, DashboardBody=body)
        return Created(dashboard, {})

    def alarm(self, name: str, properties: _Properties) -> Created:
        """Made and never judged: moto looks at no metrics, and its queues and functions write none."""
        alarm = f"{STACK}-{name}"
        told = {
            member: properties.need(member)
            for member in ("Namespace", "MetricName", "Statistic", "ComparisonOperator", "AlarmActions")
        }
        for member in ("AlarmDescription", "TreatMissingData", "Dimensions", "OKActions"):
            if (value := properties.take(member)) is not None:
                told[member] = value
        for member in ("Period", "EvaluationPeriods"):
            told[member] = int(properties.need(member))
        self.client("cloudwatch").put_metric_alarm(
            AlarmName=alarm, Threshold=float(properties.need("Threshold")), **told
        )
        return Created(alarm, {"Arn": self.arn("cloudwatch", f"alarm:{alarm}")})

    def role_policy(self, name: str, properties: _Properties) -> Created:
        """A policy of roles that stands apart from them, so that it can name what names the roles."""
        policy, document = f"{STACK}-{name}", properties.need("PolicyDocument")
        properties.waive("PolicyName")
        iam = self.client("iam")
        for role in properties.need("Roles"):
            iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))
            self._stack.roles[iam.get_role(RoleName=role)["Role"]["Arn"]].append(document)
        return Created(policy, {})

    def role(self, name: str, properties: _Properties) -> Created:
        iam = self.client("iam")
        role = f"{STACK}-{name}"
        trust = json.dumps(properties.need("AssumeRolePolicyDocument"))
        arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        policies = properties.take("Policies", [])
        self._stack.roles[arn] = [policy["PolicyDocument"] for policy in policies]
        for policy in policies:
            document = json.dumps(policy["PolicyDocument"])
            iam.put_role_policy(RoleName=role, PolicyName=policy["PolicyName"], PolicyDocument=document)
        return Created(role, {"Arn": arn})

    def role_alias(self, name: str, properties: _Properties) -> Created:
        alias = properties.take("RoleAlias", f"{STACK}-{name}")
        role = properties.need("RoleArn")
        self._stack.aliases[alias] = role
        arn = self.client("iot").create_role_alias(
            roleAlias=alias,
            roleArn=role,
            credentialDurationSeconds=int(properties.take("CredentialDurationSeconds", 3600)),
        )["roleAliasArn"]
        return Created(alias, {"RoleAliasArn": arn})

    def topic(self, name: str, properties: _Properties) -> Created:
        attributes = {"DisplayName": properties.take("DisplayName", "")}
        key = properties.take("KmsMasterKeyId")
        if key is not None:
            attributes["KmsMasterKeyId"] = key
        arn = self.client("sns").create_topic(Name=f"{STACK}-{name}", Attributes=attributes)["TopicArn"]
        if key is not None:
            self._stack.topic_keys[arn] = key
        return Created(arn, {"TopicArn": arn, "TopicName": f"{STACK}-{name}"})

    def key(self, name: str, properties: _Properties) -> Created:
        """Nothing is encrypted here: a key is what policies name."""
        properties.need("KeyPolicy")
        properties.waive("Description", "EnableKeyRotation", "PendingWindowInDays")
        key = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{STACK}-{name}"))
        return Created(key, {"Arn": self.arn("kms", f"key/{key}"), "KeyId": key})

    def topic_policy(self, name: str, properties: _Properties) -> Created:
        policy = json.dumps(properties.need("PolicyDocument"))
        for arn in properties.need("Topics"):
            self.client("sns").set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy)
        return Created(f"{STACK}-{name}", {})

    def function(self, name: str, properties: _Properties) -> Created:
        code = properties.need("Code")
        if code.get("S3Bucket") != CODE_BUCKET:
            raise TemplateError(f"{name}: its code is not a local folder: {code}")
        properties.waive("Description", "Tags", "Architectures", "LoggingConfig", "Runtime")
        # Nobody else wants runs here: what is reserved is never short.
        properties.waive("ReservedConcurrentExecutions")
        environment = properties.section("Environment")
        dead_letters = properties.section("DeadLetterConfig")
        self._stack.functions[name] = Function(
            name=f"{STACK}-{name}",
            code=(self._template.folder / code["S3Key"]).resolve(),
            handler=properties.need("Handler"),
            timeout_s=int(properties.take("Timeout", 3)),
            memory_mb=int(properties.take("MemorySize", 128)),
            role=properties.need("Role"),
            environment={key: str(value) for key, value in environment.take("Variables", {}).items()},
            dead_letters=dead_letters.take("TargetArn"),
        )
        environment.finish()
        dead_letters.finish()
        return Created(f"{STACK}-{name}", {"Arn": self.arn("lambda", f"function:{STACK}-{name}")})

    def mapping(self, name: str, properties: _Properties) -> Created:
        scaling = properties.section("ScalingConfig")
        responses = properties.take("FunctionResponseTypes", [])
        self._stack.feeds.append(
            QueueFeed(
                queue_arn=properties.need("EventSourceArn"),
                function=properties.need("FunctionName"),
                batch_messages=int(properties.take("BatchSize", 10)),
                batch_window_s=int(properties.take("MaximumBatchingWindowInSeconds", 0)),
                concurrency=int(scaling.take("MaximumConcurrency", 1)),
                reports_failures="ReportBatchItemFailures" in responses,
            )
        )
        properties.waive("Tags")
        scaling.finish()
        return Created(f"{STACK}-{name}", {})

    def permission(self, name: str, properties: _Properties) -> Created:
        if (action := properties.need("Action")) != "lambda:InvokeFunction":
            raise TemplateError(f"{name}: action {action} is not lambda:InvokeFunction, which is all that works here")
        self._stack.permissions.append(
            Permission(
                function=properties.need("FunctionName").rpartition(":")[2],
                service=properties.need("Principal"),
                source=properties.take("SourceArn"),
            )
        )
        properties.waive("SourceAccount")
        return Created(f"{STACK}-{name}", {})

    def topic_rule(self, name: str, properties: _Properties) -> Created:
        rule = properties.take("RuleName", f"{STACK}_{name}")
        arn = self.arn("iot", f"rule/{rule}")
        payload = properties.section("TopicRulePayload")
        payload.waive("Description")
        if (version := payload.need("AwsIotSqlVersion")) != IOT_SQL_VERSION:
            raise TemplateError(f"{name}: SQL of version {version}, only that of {IOT_SQL_VERSION} works here")
        actions, sql = payload.need("Actions"), payload.need("Sql")
        is_disabled = str(payload.take("RuleDisabled", False)).lower() == "true"
        payload.finish()
        for action in actions:
            if set(action) == {"DynamoDBv2"} and not is_disabled:
                put = action["DynamoDBv2"]
                self._stack.table_rules.append(TableRule(rule, sql, put["PutItem"]["TableName"], put["RoleArn"]))
                continue
            called = action.get("Lambda", {})
            if set(action) != {"Lambda"} or set(called) != {"FunctionArn"}:
                raise TemplateError(f"{name}: action {action} does not call a function, which is all that works here")
            if not is_disabled:
                self._stack.topic_rules.append(TopicRule(rule, arn, sql, called["FunctionArn"]))
        return Created(rule, {"Arn": arn})


def _encryption_rule(where: str, rule: Mapping[str, Any]) -> dict[str, Any]:
    """A rule of a bucket's encryption in the form of S3's own API."""
    properties = _Properties(where, rule)
    api = {
        "ApplyServerSideEncryptionByDefault": properties.need("ServerSideEncryptionByDefault"),
        "BucketKeyEnabled": bool(properties.take("BucketKeyEnabled", False)),
    }
    properties.finish()
    return api


def _replication(where: str, replication: Mapping[str, Any]) -> dict[str, Any]:
    """A bucket's replication in the form of S3's own API. It is kept, and nothing is copied: we have one region."""
    rules = []
    for stated in replication["Rules"]:
        properties = _Properties(f"{where}.{stated.get('Id')}", stated)
        narrowed = properties.section("Filter")
        rules.append(
            {
                "ID": properties.need("Id"),
                "Status": properties.need("Status"),
                "Priority": int(properties.need("Priority")),
                "Filter": {"Tag": narrowed.need("TagFilter")},
                "DeleteMarkerReplication": properties.need("DeleteMarkerReplication"),
                "Destination": properties.need("Destination"),
            }
        )
        narrowed.finish()
        properties.finish()
    return {"Role": replication["Role"], "Rules": rules}


def _lifecycle_rule(where: str, rule: Mapping[str, Any]) -> dict[str, Any]:
    """A lifecycle rule of CloudFormation in the form of S3's own API."""
    properties = _Properties(f"{where}.{rule.get('Id')}", rule)
    expiration: dict[str, Any] = {}
    if days := properties.take("ExpirationInDays"):
        expiration["Days"] = int(days)
    if properties.take("ExpiredObjectDeleteMarker"):
        expiration["ExpiredObjectDeleteMarker"] = True
    api: dict[str, Any] = {
        "ID": properties.need("Id"),
        "Status": properties.need("Status"),
        "Filter": {"Prefix": properties.take("Prefix", "")},
    }
    if expiration:
        api["Expiration"] = expiration
    for name in ("NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"):
        if section := properties.take(name):
            api[name] = section
    properties.finish()
    return api


_MAKERS: dict[str, Callable[[_Maker, str, _Properties], Created]] = {
    "AWS::S3::Bucket": _Maker.bucket,
    "AWS::S3::BucketPolicy": _Maker.bucket_policy,
    "AWS::DynamoDB::Table": _Maker.table,
    "AWS::SQS::Queue": _Maker.queue,
    "AWS::SQS::QueuePolicy": _Maker.queue_policy,
    "AWS::Events::Rule": _Maker.rule,
    "AWS::Logs::LogGroup": _Maker.log_group,
    "AWS::Logs::QueryDefinition": _Maker.query_definition,
    "AWS::CloudWatch::Alarm": _Maker.alarm,
    "AWS::CloudWatch::Dashboard": _Maker.dashboard,
    "AWS::IAM::Policy": _Maker.role_policy,
    "AWS::IAM::Role": _Maker.role,
    "AWS::IoT::RoleAlias": _Maker.role_alias,
    "AWS::SNS::Topic": _Maker.topic,
    "AWS::KMS::Key": _Maker.key,
    "AWS::SNS::TopicPolicy": _Maker.topic_policy,
    "AWS::Lambda::Function": _Maker.function,
    "AWS::Lambda::EventSourceMapping": _Maker.mapping,
    "AWS::Lambda::Permission": _Maker.permission,
    "AWS::IoT::TopicRule": _Maker.topic_rule,
    **web_resources.MAKERS,
}

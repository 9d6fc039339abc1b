"""Each weakness that the rules of the template know, planted in a copy of it: a change, the resource, the rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Template = dict[str, Any]
Change = Callable[[Template], object]
GONE = object()


def put(path: str, value: Any) -> Change:
    """Sets the member at a path below `Resources`, numbers being places in lists; GONE takes it away."""

    def change(template: Template) -> None:
        *way, last = [int(part) if part.isdigit() else part for part in path.split("/")]
        place: Any = template["Resources"]
        for part in way:
            place = place[part]
        assert value is not GONE or last in place or isinstance(last, int), path
        if value is GONE:
            del place[last]
        else:
            place[last] = value

    return change


def add(name: str, kind: str, **properties: Any) -> Change:
    """Adds a resource."""
    return put(name, {"Type": kind, "Properties": properties})


def statement_of(role: str, sid: str, **members: Any) -> Change:
    """Changes a statement of a role's policy."""

    def change(template: Template) -> None:
        (policy,) = template["Resources"][role]["Properties"]["Policies"]
        (found,) = [one for one in policy["PolicyDocument"]["Statement"] if one["Sid"] == sid]
        for member, value in members.items():
            if value is GONE:
                del found[member]
            else:
                found[member] = value

    return change


def without_lifecycle_rule(name: str) -> Change:
    def change(template: Template) -> None:
        lifecycle = template["Resources"]["MediaBucket"]["Properties"]["LifecycleConfiguration"]
        before = len(lifecycle["Rules"])
        lifecycle["Rules"] = [rule for rule in lifecycle["Rules"] if rule["Id"] != name]
        assert len(lifecycle["Rules"]) == before - 1

    return change


def put_in_list(path: str, value: Any) -> Change:
    """Appends to the list at a path below `Resources`."""

    def change(template: Template) -> None:
        place: Any = template["Resources"]
        for part in path.split("/"):
            place = place[part]
        place.append(value)

    return change


BUCKET, TABLE, QUEUE = "MediaBucket/Properties", "MediaTable/Properties", "IndexQueue/Properties"
INDEXER, ALARM = "IndexObject/Properties", "IndexDeadLettersAlarm/Properties"
ANYBODY = {"Effect": "Allow", "Principal": "*", "Sid": "Open"}


def distribution(**config: Any) -> Change:
    """A distribution that is as it should be but for what is given."""
    origin = {
        "Id": "api",
        "DomainName": "api.example.org",
        "CustomOriginConfig": {"OriginProtocolPolicy": "https-only"},
    }
    behavior = {"TargetOriginId": "api", "ViewerProtocolPolicy": "redirect-to-https"}
    sound = {"Enabled": True, "Origins": [origin], "DefaultCacheBehavior": behavior}
    return add("Pages", "AWS::CloudFront::Distribution", DistributionConfig={**sound, **config})


PLAIN_ORIGIN = {"Id": "api", "DomainName": "a.example.org", "CustomOriginConfig": {"OriginProtocolPolicy": "http-only"}}
BUCKET_ORIGIN = {"Id": "media", "DomainName": {"Fn::GetAtt": ["MediaBucket", "RegionalDomainName"]}}
ANY_PATH = {"Transitions": [{"StorageClass": "GLACIER", "TransitionInDays": 30}]}

SEEDS: dict[str, tuple[Change, str, str]] = {
    "public bucket": (
        put(f"{BUCKET}/PublicAccessBlockConfiguration/BlockPublicAcls", False),
        "MediaBucket",
        "bucket-public",
    ),
    "bucket open to readers": (put(f"{BUCKET}/AccessControl", "PublicRead"), "MediaBucket", "bucket-public"),
    "no encryption": (put(f"{BUCKET}/BucketEncryption", GONE), "MediaBucket", "bucket-encryption"),
    "no bucket key": (
        put(f"{BUCKET}/BucketEncryption/ServerSideEncryptionConfiguration/0/BucketKeyEnabled", GONE),
        "MediaBucket",
        "bucket-key",
    ),
    "no TLS policy": (put("MediaBucketPolicy", GONE), "MediaBucket", "bucket-tls"),
    "TLS policy for the bucket only": (
        put("MediaBucketPolicy/Properties/PolicyDocument/Statement/0/Resource/1", GONE),
        "MediaBucket",
        "bucket-tls",
    ),
    "no versions": (put(f"{BUCKET}/VersioningConfiguration/Status", "Suspended"), "MediaBucket", "bucket-versioning"),
    "foreign owners": (
        put(f"{BUCKET}/OwnershipControls/Rules/0/ObjectOwnership", "ObjectWriter"),
        "MediaBucket",
        "bucket-ownership",
    ),
    "no lifecycle": (put(f"{BUCKET}/LifecycleConfiguration", GONE), "MediaBucket", "bucket-lifecycle"),
    "old versions for ever": (without_lifecycle_rule("old-versions"), "MediaBucket", "bucket-lifecycle"),
    "unfinished uploads for ever": (without_lifecycle_rule("unfinished-uploads"), "MediaBucket", "bucket-lifecycle"),
    "footage for ever": (without_lifecycle_rule("footage"), "MediaBucket", "bucket-lifecycle"),
    "a rule that is off": (
        put(f"{BUCKET}/LifecycleConfiguration/Rules/1/Status", "Disabled"),
        "MediaBucket",
        "bucket-lifecycle",
    ),
    "footage in the archive": (
        put(f"{BUCKET}/LifecycleConfiguration/Rules/0/Transitions", ANY_PATH["Transitions"]),
        "MediaBucket",
        "bucket-classes",
    ),
    "deletions replicated": (
        put(f"{BUCKET}/ReplicationConfiguration/Fn::If/1/Rules/0/DeleteMarkerReplication", {"Status": "Enabled"}),
        "MediaBucket",
        "bucket-replication",
    ),
    "no PITR": (put(f"{TABLE}/PointInTimeRecoverySpecification", GONE), "MediaTable", "table-recovery"),
    "table not encrypted": (put(f"{TABLE}/SSESpecification/SSEEnabled", False), "MediaTable", "table-encryption"),
    "table deletable": (put(f"{TABLE}/DeletionProtectionEnabled", False), "MediaTable", "table-deletion"),
    "key not rotated": (put("AlertKey/Properties/EnableKeyRotation", GONE), "AlertKey", "key-rotation"),
    "deletion policy missing": (put("MediaTable/DeletionPolicy", GONE), "MediaTable", "deletion-policy"),
    "bucket deleted with the stack": (put("MediaBucket/DeletionPolicy", "Delete"), "MediaBucket", "deletion-policy"),
    "log group without policy": (put("IndexLogs/UpdateReplacePolicy", GONE), "IndexLogs", "deletion-policy"),
    "asynchronous function without dead letters": (
        put("PassAlert/Properties/DeadLetterConfig", GONE),
        "PassAlert",
        "dead-letters-call",
    ),
    "scheduled function without dead letters": (
        put("WatchFleet/Properties/DeadLetterConfig", GONE),
        "WatchFleet",
        "dead-letters-call",
    ),
    "rule's function without dead letters": (
        put("IngestTelemetry/Properties/DeadLetterConfig", GONE),
        "IngestTelemetry",
        "dead-letters-call",
    ),
    "queue without dead letters": (put(f"{QUEUE}/RedrivePolicy", GONE), "IndexQueue", "dead-letters-queue"),
    "rule without dead letters": (
        put("IndexRule/Properties/Targets/0/DeadLetterConfig", GONE),
        "IndexRule",
        "dead-letters-queue",
    ),
    "no alarm on dead letters": (put("IndexDeadLettersAlarm", GONE), "IndexDeadLetters", "dead-letters-alarm"),
    "alarm on another queue": (
        put(f"{ALARM}/Dimensions/0/Value", {"Fn::GetAtt": ["IndexQueue", "QueueName"]}),
        "IndexDeadLetters",
        "dead-letters-alarm",
    ),
    "alarm of another figure": (
        put(f"{ALARM}/MetricName", "NumberOfMessagesReceived"),
        "IndexDeadLetters",
        "dead-letters-alarm",
    ),
    "dead letters of a day": (
        put("IndexDeadLetters/Properties/MessageRetentionPeriod", 86_400),
        "IndexDeadLetters",
        "dead-letters-days",
    ),
    "unencrypted queue": (put(f"{QUEUE}/SqsManagedSseEnabled", False), "IndexQueue", "queue-encryption"),
    "queue that hides too shortly": (put(f"{QUEUE}/VisibilityTimeout", 60), "IndexQueue", "queue-visibility"),
    "batches that fail as one": (
        put("IndexObjectObjects/Properties/FunctionResponseTypes", []),
        "IndexObjectObjects",
        "queue-batches",
    ),
    "unencrypted topic": (put("AlertTopic/Properties/KmsMasterKeyId", GONE), "AlertTopic", "topic-encryption"),
    "topic without TLS": (
        put("AlertTopicPolicy/Properties/PolicyDocument/Statement/0", GONE),
        "AlertTopic",
        "topic-tls",
    ),
    "function without timeout": (put(f"{INDEXER}/Timeout", GONE), "IndexObject", "function-timeout"),
    "no reserved concurrency": (
        put(f"{INDEXER}/ReservedConcurrentExecutions", GONE),
        "IndexObject",
        "function-concurrency",
    ),
    "too little reserved concurrency": (
        put(f"{INDEXER}/ReservedConcurrentExecutions", 9),
        "IndexObject",
        "function-concurrency",
    ),
    "function on x86": (put(f"{INDEXER}/Architectures", ["x86_64"]), "IndexObject", "function-architecture"),
    "old runtime": (put(f"{INDEXER}/Runtime", "python3.9"), "IndexObject", "function-runtime"),
    "shared role": (
        put("NormalizeObject/Properties/Role", {"Fn::GetAtt": ["IndexRole", "Arn"]}),
        "IndexObject",
        "function-role",
    ),
    "no log retention": (put("IndexLogs/Properties/RetentionInDays", GONE), "IndexLogs", "log-retention"),
    "log group of Lambda's own": (put(f"{INDEXER}/LoggingConfig", GONE), "IndexObject", "log-retention"),
    "secret in an environment variable": (
        put(f"{INDEXER}/Environment/Variables/API_TOKEN", "abc"),
        "IndexObject",
        "environment-secret",
    ),
    "resolved secret in an environment variable": (
        put(f"{INDEXER}/Environment/Variables/CAMERA", "{{resolve:secretsmanager:edgenvr/cam:SecretString}}"),
        "IndexObject",
        "environment-secret",
    ),
    "address with a password": (
        put(f"{INDEXER}/Environment/Variables/CAMERA", "rtsp://admin:pw@192.0.2.1/1"),
        "IndexObject",
        "environment-secret",
    ),
    "secret in the template": (
        put(
            "Secret",
            {
                "Type": "AWS::SecretsManager::Secret",
                "DeletionPolicy": "Delete",
                "UpdateReplacePolicy": "Delete",
                "Properties": {"SecretString": "abc"},
            },
        ),
        "Secret",
        "secret-value",
    ),
    "s3:*": (statement_of("IndexRole", "ReadMetadata", Action="s3:*"), "IndexRole", "role-actions"),
    "wildcard in a verb": (
        statement_of("IndexRole", "WriteItems", Action=["dynamodb:*Item"]),
        "IndexRole",
        "role-actions",
    ),
    "administrator": (
        put("IndexRole/Properties/ManagedPolicyArns", ["arn:aws:iam::aws:policy/AdministratorAccess"]),
        "IndexRole",
        "role-actions",
    ),
    "Resource: *": (statement_of("IndexRole", "WriteItems", Resource="*"), "IndexRole", "role-resources"),
    "everything but": (
        statement_of("IndexRole", "WriteItems", Resource=GONE, NotResource="arn:aws:dynamodb:*:*:table/other"),
        "IndexRole",
        "role-resources",
    ),
    "role for anybody": (
        put("IndexRole/Properties/AssumeRolePolicyDocument/Statement/0/Principal", {"AWS": "*"}),
        "IndexRole",
        "role-trust",
    ),
    "device role not scoped to the thing": (
        statement_of("DeviceRole", "OwnFootage", Resource={"Fn::Sub": "${MediaBucket.Arn}/sites/*"}),
        "DeviceRole",
        "device-scope",
    ),
    "device that lists what is another's": (
        statement_of("DeviceRole", "ListOwnFootage", Condition=GONE),
        "DeviceRole",
        "device-scope",
    ),
    "device by any name": (
        add(
            "DevicePolicy",
            "AWS::IoT::Policy",
            PolicyDocument={
                "Statement": [{"Effect": "Allow", "Action": "iot:Connect", "Resource": "arn:aws:iot:*:*:client/*"}]
            },
        ),
        "DevicePolicy",
        "device-name",
    ),
    "queue open to anybody": (
        put_in_list(
            "IndexQueuePolicy/Properties/PolicyDocument/Statement",
            {**ANYBODY, "Action": "sqs:SendMessage", "Resource": "*"},
        ),
        "IndexQueuePolicy",
        "policy-open",
    ),
    "topic open to anybody": (
        put_in_list(
            "AlertTopicPolicy/Properties/PolicyDocument/Statement",
            {**ANYBODY, "Action": "sns:Publish", "Resource": "*"},
        ),
        "AlertTopicPolicy",
        "policy-open",
    ),
    "bucket open by its policy": (
        put_in_list(
            "MediaBucketPolicy/Properties/PolicyDocument/Statement",
            {**ANYBODY, "Action": "s3:GetObject", "Resource": "*"},
        ),
        "MediaBucketPolicy",
        "policy-open",
    ),
    "service for whatever account": (
        put("IndexQueuePolicy/Properties/PolicyDocument/Statement/0/Condition", GONE),
        "IndexQueuePolicy",
        "policy-source",
    ),
    "alarm that tells nobody": (
        add("Lonely", "AWS::CloudWatch::Alarm", MetricName="Errors", Namespace="AWS/Lambda", AlarmActions=[]),
        "Lonely",
        "alarm-actions",
    ),
    "CORS * of a bucket": (
        put(f"{BUCKET}/CorsConfiguration", {"CorsRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}),
        "MediaBucket",
        "cors-origins",
    ),
    "CORS * of an API": (
        add("Api", "AWS::ApiGatewayV2::Api", ProtocolType="HTTP", CorsConfiguration={"AllowOrigins": ["*"]}),
        "Api",
        "cors-origins",
    ),
    "API route without authorizer": (
        add("Sites", "AWS::ApiGatewayV2::Route", ApiId="api", RouteKey="GET /sites"),
        "Sites",
        "route-authorizer",
    ),
    "function address for anybody": (
        add("Address", "AWS::Lambda::Url", AuthType="NONE", TargetFunctionArn={"Ref": "IndexObject"}),
        "Address",
        "route-authorizer",
    ),
    "plain HTTP origin": (distribution(Origins=[PLAIN_ORIGIN]), "Pages", "origin-https"),
    "bucket as an open origin": (distribution(Origins=[BUCKET_ORIGIN]), "Pages", "origin-access"),
    "plain HTTP for viewers": (
        distribution(DefaultCacheBehavior={"TargetOriginId": "api", "ViewerProtocolPolicy": "allow-all"}),
        "Pages",
        "viewer-https",
    ),
    "old TLS for viewers": (
        distribution(ViewerCertificate={"AcmCertificateArn": "arn:x", "MinimumProtocolVersion": "TLSv1"}),
        "Pages",
        "viewer-https",
    ),
    "accounts for anybody": (
        put("People", {"Type": "AWS::Cognito::UserPool", "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}),
        "People",
        "people-accounts",
    ),
}

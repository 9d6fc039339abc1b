"""Rules about what keeps data: buckets, tables, keys. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cloud.assertions.rule import Rule, Weakness
from cloud.assertions.template_world import Resource, World, as_list, text_of

BUCKET, BUCKET_POLICY = "AWS::S3::Bucket", "AWS::S3::BucketPolicy"
TABLE, KEY, LOG_GROUP = "AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::Logs::LogGroup"
QUEUE, USER_POOL, SECRET = "AWS::SQS::Queue", "AWS::Cognito::UserPool", "AWS::SecretsManager::Secret"
ROLE, DEVICES = "AWS::IAM::Role", "credentials.iot.amazonaws.com"

_BLOCKS = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
INSTANT_CLASSES = {"STANDARD_IA", "INTELLIGENT_TIERING", "GLACIER_IR"}
"""What is played at once, and lies in more than one zone (ONEZONE_IA does not)."""


def _public_buckets(world: World) -> Iterator[Weakness]:
    for bucket in world.of(BUCKET):
        open_to = [name for name in _BLOCKS if bucket.at(f"PublicAccessBlockConfiguration.{name}") is not True]
        if open_to:
            yield bucket.name, f"it may become public: {', '.join(open_to)} not set"
        if str(bucket.at("AccessControl", "Private")).startswith("Public"):
            yield bucket.name, f"its access control is {bucket.at('AccessControl')}"


def _encryption_rules(bucket: Resource) -> list[Mapping[str, Any]]:
    return as_list(bucket.at("BucketEncryption.ServerSideEncryptionConfiguration"))


def _unencrypted_buckets(world: World) -> Iterator[Weakness]:
    for bucket in world.of(BUCKET):
        kinds = [
            rule.get("ServerSideEncryptionByDefault", {}).get("SSEAlgorithm") for rule in _encryption_rules(bucket)
        ]
        if not kinds or any(kind not in {"AES256", "aws:kms", "aws:kms:dsse"} for kind in kinds):
            yield bucket.name, "it states no encryption"


def _without_bucket_key(world: World) -> Iterator[Weakness]:
    for bucket in world.of(BUCKET):
        rules = _encryption_rules(bucket)
        if rules and not all(rule.get("BucketKeyEnabled") is True for rule in rules):
            yield bucket.name, "BucketKeyEnabled is not true: each object under a KMS key would cost a request to KMS"


def _denies_plain_http(statement: Mapping[str, Any], bucket: str) -> bool:
    resources = [text_of(one) for one in as_list(statement.get("Resource"))]
    return (
        statement.get("Effect") == "Deny"
        and statement.get("Principal") in ("*", {"AWS": "*"})
        and "s3:*" in as_list(statement.get("Action"))
        and str(statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")).lower() == "false"
        and any(bucket in one and "/*" in one for one in resources)
        and any(bucket in one and "/*" not in one for one in resources)
    )


def _without_tls(world: World) -> Iterator[Weakness]:
    for bucket in world.of(BUCKET):
        statements = [
            statement
            for policy in world.of(BUCKET_POLICY)
            if world.named(policy.at("Bucket"), BUCKET) == [bucket]
            for statement in as_list(policy.at("PolicyDocument.Statement"))
        ]
        if not any(_denies_plain_http(statement, bucket.name) for statement in statements):
            yield bucket.name, "no policy refuses requests without TLS to it and to its objects"


def _unversioned(world: World) -> Iterator[Weakness]:
    for bucket in world.of(BUCKET):
        if bucket.at("VersioningConfiguration.Status") != "Enabled":
            yield bucket.name, "it keeps no versions: what is overwritten or deleted by mistake is gone"


def _foreign_owners(world: World) -> Iterator[Weakness]:
    for bucket in world.of(BUCKET):
        owners = [rule.get("ObjectOwnership") for rule in as_list(bucket.at("OwnershipControls.Rules"))]
        if owners != ["BucketOwnerEnforced"]:
            yield bucket.name, "objects may belong to whoever has put them, and have access lists of their own"


def _lifecycle(bucket: Resource) -> list[Mapping[str, Any]]:
    rules = as_list(bucket.at("LifecycleConfiguration.Rules"))
    return [rule for rule in rules if rule.get("Status") == "Enabled"]


def _everlasting(world: World) -> Iterator[Weakness]:
    needed = {
        "NoncurrentVersionExpiration": "old versions are paid for ever",
        "AbortIncompleteMultipartUpload": "uploads that were never completed are paid for ever",
    }
    filled = [
        bucket
        for role in world.of(ROLE)
        if DEVICES in text_of(role.at("AssumeRolePolicyDocument"))
        for bucket in world.named(role.at("Policies"), BUCKET)
    ]
    for bucket in world.of(BUCKET):
        rules = _lifecycle(bucket)
        for member, cost in needed.items():
            if not any(rule.get(member) and not _is_narrowed(rule) for rule in rules):
                yield bucket.name, f"no rule of all objects has {member}: {cost}"
        if bucket in filled and not any(rule.get("ExpirationInDays") for rule in rules):
            yield bucket.name, "devices fill it, and no rule has ExpirationInDays: nothing ever goes"


def _is_narrowed(rule: Mapping[str, Any]) -> bool:
    return bool(rule.get("Prefix") or rule.get("TagFilters") or rule.get("ObjectSizeLessThan"))


def _slow_classes(world: World) -> Iterator[Weakness]:
    for bucket in world.of(BUCKET):
        for rule in _lifecycle(bucket):
            steps = [*as_list(rule.get("Transitions")), *as_list(rule.get("Transition"))]
            steps += [*as_list(rule.get("NoncurrentVersionTransitions"))]
            for step in steps:
                if step.get("StorageClass") not in INSTANT_CLASSES:
                    yield bucket.name, f"rule {rule.get('Id')} moves objects to {step.get('StorageClass')}"
        if bucket.at("IntelligentTieringConfigurations"):
            yield bucket.name, "IntelligentTieringConfigurations moves objects to tiers that are not read at once"


def _without_recovery(world: World) -> Iterator[Weakness]:
    for table in world.of(TABLE):
        if table.at("PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled") is not True:
            yield table.name, "it cannot be put back to a moment of the past"


def _unencrypted_tables(world: World) -> Iterator[Weakness]:
    for table in world.of(TABLE):
        if table.at("SSESpecification.SSEEnabled") is not True:
            yield table.name, "it is not encrypted by a key of the account"


def _deletable_tables(world: World) -> Iterator[Weakness]:
    for table in world.of(TABLE):
        if table.at("DeletionProtectionEnabled") is not True:
            yield table.name, "one call deletes it"


def _unrotated_keys(world: World) -> Iterator[Weakness]:
    for key in world.of(KEY):
        if key.at("EnableKeyRotation") is not True:
            yield key.name, "its material is never renewed"


def _lost_with_the_stack(world: World) -> Iterator[Weakness]:
    for resource in world.of(BUCKET, TABLE, USER_POOL):
        for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
            kept = resource.policies.get(policy)
            if kept not in {"Retain", "RetainExceptOnCreate"}:
                yield resource.name, f"its {policy} is {kept or 'not stated'}: its data go with the stack or a change"
    for resource in world.of(QUEUE, LOG_GROUP, KEY, SECRET):
        missing = [one for one in ("DeletionPolicy", "UpdateReplacePolicy") if one not in resource.policies]
        if missing:
            yield resource.name, f"it does not state its {' and '.join(missing)}"


def _written_secrets(world: World) -> Iterator[Weakness]:
    for secret in world.of(SECRET):
        if secret.at("SecretString") is not None:
            yield secret.name, "its value stands in the template, which whoever sees the stack reads"


def _replicas(bucket: Resource) -> list[Mapping[str, Any]]:
    rules = as_list(bucket.at("ReplicationConfiguration.Rules"))
    return [rule for rule in rules if rule.get("Status") == "Enabled"]


def _careless_replicas(world: World) -> Iterator[Weakness]:
    for bucket in world.of(BUCKET):
        for rule in _replicas(bucket):
            if rule.get("DeleteMarkerReplication", {}).get("Status") != "Disabled":
                yield bucket.name, f"replication {rule.get('Id')} copies deletions: what is deleted is deleted twice"


RULES = (
    Rule("bucket-public", "set all four of PublicAccessBlockConfiguration to true", _public_buckets),
    Rule("bucket-encryption", "state BucketEncryption", _unencrypted_buckets),
    Rule("bucket-key", "set BucketKeyEnabled in each rule of BucketEncryption", _without_bucket_key),
    Rule("bucket-tls", "deny s3:* on the bucket and its objects where aws:SecureTransport is false", _without_tls),
    Rule("bucket-versioning", "set VersioningConfiguration to Enabled", _unversioned),
    Rule("bucket-ownership", "set ObjectOwnership to BucketOwnerEnforced", _foreign_owners),
    Rule(
        "bucket-lifecycle",
        "give it rules with ExpirationInDays, NoncurrentVersionExpiration and AbortIncompleteMultipartUpload",
        _everlasting,
    ),
    Rule("bucket-classes", f"footage is played at once: use only {', '.join(sorted(INSTANT_CLASSES))}", _slow_classes),
    Rule("bucket-replication", "set DeleteMarkerReplication of the rule to Disabled", _careless_replicas),
    Rule("table-recovery", "enable point-in-time recovery", _without_recovery),
    Rule("table-encryption", "set SSESpecification.SSEEnabled", _unencrypted_tables),
    Rule("table-deletion", "set DeletionProtectionEnabled", _deletable_tables),
    Rule("key-rotation", "set EnableKeyRotation", _unrotated_keys),
    Rule("secret-value", "leave SecretString out: generate it, or set it afterwards", _written_secrets),
    Rule("deletion-policy", "state DeletionPolicy and UpdateReplacePolicy; Retain for data", _lost_with_the_stack),
)

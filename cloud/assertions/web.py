"""Rules about what browsers and programs reach: APIs, distributions, people's accounts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cloud.assertions.messages import FUNCTION
from cloud.assertions.rule import Rule, Weakness
from cloud.assertions.storage import BUCKET, USER_POOL
from cloud.assertions.template_world import Resource, World, as_list, text_of

HTTP_API, ROUTE = "AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::Route"
REST_API, METHOD, FUNCTION_URL = "AWS::ApiGateway::RestApi", "AWS::ApiGateway::Method", "AWS::Lambda::Url"
DISTRIBUTION, HEADERS = "AWS::CloudFront::Distribution", "AWS::CloudFront::ResponseHeadersPolicy"

_VERBS = {"get", "put", "post", "delete", "patch", "head", "x-amazon-apigateway-any-method"}
"""What OpenAPI calls an operation of a path; `options` is asked by browsers, which send no credentials with it."""

_NEWEST_TLS = ("TLSv1.2", "TLSv1.3")


def _allowed_origins(world: World) -> Iterator[tuple[str, list[Any]]]:
    for api in world.of(HTTP_API):
        yield api.name, as_list(api.at("CorsConfiguration.AllowOrigins"))
        yield api.name, as_list(api.at("Body.x-amazon-apigateway-cors.allowOrigins"))
    for bucket in world.of(BUCKET):
        for rule in as_list(bucket.at("CorsConfiguration.CorsRules")):
            yield bucket.name, as_list(rule.get("AllowedOrigins"))
    for url in world.of(FUNCTION_URL):
        yield url.name, as_list(url.at("Cors.AllowOrigins"))
    for policy in world.of(HEADERS):
        yield policy.name, as_list(policy.at("ResponseHeadersPolicyConfig.CorsConfig.AccessControlAllowOrigins.Items"))


def _any_origin(world: World) -> Iterator[Weakness]:
    for name, origins in _allowed_origins(world):
        wide = [text_of(origin) for origin in origins if text_of(origin) in {"*", "https://*", "http://*"}]
        if wide:
            yield name, f"pages of every origin may read its answers ({', '.join(wide)})"


def _operations(api: Resource) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for path, item in (api.at("Body.paths") or {}).items():
        for verb, operation in item.items():
            if verb.lower() in _VERBS:
                shown = "ANY" if verb.startswith("x-") else verb.upper()
                yield f"{shown} {path}", operation


def _asks_who(operation: Mapping[str, Any]) -> bool:
    """Whether each of an operation's alternatives has an authorizer. `NONE` is how SAM writes that there is none."""
    alternatives = as_list(operation.get("security"))
    return bool(alternatives) and all(set(one) - {"NONE", "api_key"} for one in alternatives)


def _open_routes(world: World) -> Iterator[Weakness]:
    for api in world.of(HTTP_API, REST_API):
        for shown, operation in _operations(api):
            if not _asks_who(operation):
                yield api.name, f"route {shown} asks nobody who they are"
    for route in world.of(ROUTE):
        if route.at("AuthorizationType", "NONE") == "NONE" and not str(route.at("RouteKey")).startswith("OPTIONS "):
            yield route.name, f"route {route.at('RouteKey')} asks nobody who they are"
    for method in world.of(METHOD):
        if method.at("AuthorizationType", "NONE") == "NONE" and method.at("HttpMethod") != "OPTIONS":
            yield method.name, "it asks nobody who they are"
    for url in world.of(FUNCTION_URL):
        if url.at("AuthType") != "AWS_IAM":
            called = ", ".join(one.name for one in world.named(url.at("TargetFunctionArn"), FUNCTION))
            yield url.name, f"whoever knows the address calls {called or 'the function'}"


def _origins(world: World) -> Iterator[tuple[Resource, Mapping[str, Any]]]:
    for distribution in world.of(DISTRIBUTION):
        for origin in as_list(distribution.at("DistributionConfig.Origins")):
            yield distribution, origin


def _plain_origins(world: World) -> Iterator[Weakness]:
    for distribution, origin in _origins(world):
        custom = origin.get("CustomOriginConfig")
        if custom is not None and custom.get("OriginProtocolPolicy") != "https-only":
            yield distribution.name, f"it may fetch from origin {origin.get('Id')} over plain HTTP"


def _behaviors(distribution: Resource) -> list[Mapping[str, Any]]:
    config = "DistributionConfig"
    default = as_list(distribution.at(f"{config}.DefaultCacheBehavior"))
    return [*default, *as_list(distribution.at(f"{config}.CacheBehaviors"))]


def _plain_viewers(world: World) -> Iterator[Weakness]:
    for distribution in world.of(DISTRIBUTION):
        for behavior in _behaviors(distribution):
            if behavior.get("ViewerProtocolPolicy") not in {"https-only", "redirect-to-https"}:
                yield distribution.name, f"it answers {behavior.get('PathPattern', '*')} over plain HTTP"
        certificate = distribution.at("DistributionConfig.ViewerCertificate", {})
        if not certificate.get("CloudFrontDefaultCertificate"):
            lowest = str(certificate.get("MinimumProtocolVersion", ""))
            if certificate and not lowest.startswith(_NEWEST_TLS):
                yield distribution.name, f"it speaks {lowest or 'every TLS there is'} to viewers"


def _open_origins(world: World) -> Iterator[Weakness]:
    for distribution, origin in _origins(world):
        if world.named(origin.get("DomainName"), BUCKET) and not origin.get("OriginAccessControlId"):
            yield distribution.name, f"origin {origin.get('Id')} is a bucket that it may read only if everybody may"


def _open_pools(world: World) -> Iterator[Weakness]:
    for pool in world.of(USER_POOL):
        if pool.at("AdminCreateUserConfig.AllowAdminCreateUserOnly") is not True:
            yield pool.name, "anybody can make an account"


RULES = (
    Rule("cors-origins", "name the page's own origin", _any_origin),
    Rule("route-authorizer", "give the route an authorizer", _open_routes),
    Rule("origin-https", "set OriginProtocolPolicy to https-only", _plain_origins),
    Rule("origin-access", "give the origin an OriginAccessControlId", _open_origins),
    Rule("viewer-https", "set ViewerProtocolPolicy to redirect-to-https, and TLS 1.2 or newer", _plain_viewers),
    Rule("people-accounts", "set AdminCreateUserConfig.AllowAdminCreateUserOnly", _open_pools),
)

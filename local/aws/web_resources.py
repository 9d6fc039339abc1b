"""What of the template people come in by: the HTTP API, who signs in, the distribution. Made as values, for `web_door`.

Like those in `resources`, each maker names the properties that it understands; what only AWS can do (edge locations,
throttling, pages of Cognito) is read and waived.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from botocore.exceptions import ClientError

from local.aws.template import Created, TemplateError

LOCAL_DOMAIN = "distribution.local"
"""What the template takes for the distribution's domain; people here come by the address of the door."""


@dataclass(frozen=True, slots=True)
class Behavior:
    """What the distribution does with a path: where it asks, and by whose cookies."""

    pattern: str
    origin: str
    key_groups: tuple[str, ...]
    functions: tuple[str, ...]
    methods: tuple[str, ...]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Distribution:
    """The distribution: origins by their ids, behaviours in order, the default one last."""

    arn: str
    origins: Mapping[str, str]
    behaviors: tuple[Behavior, ...]
    root_object: str


@dataclass(frozen=True, slots=True)
class Authorizer:
    """Whose tokens an API takes."""

    issuer: str
    audiences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """What a route of the API calls, and by whose leave; None is by anybody's."""

    key: str
    target: str
    authorizer: str | None


@dataclass
class Web:
    """All of it."""

    functions: dict[str, str] = field(default_factory=dict)  # of integrations: the function's ARN by `integrations/ID`
    routes: list[Route] = field(default_factory=list)
    authorizers: dict[str, Authorizer] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)  # public keys, PEM, by their ids
    key_groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    distributions: list[Distribution] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    headers: dict[str, Mapping[str, str]] = field(default_factory=dict)  # of answers, by the policy's id


class Properties(Protocol):
    """A resource's resolved properties (see `resources`)."""

    def take(self, name: str, default: Any = None) -> Any:
        """A property, or the default."""

    def need(self, name: str) -> Any:
        """A property that must be there."""

    def waive(self, *names: str) -> None:
        """These change nothing here."""


class Maker(Protocol):
    """Who makes resources."""

    @property
    def web(self) -> Web:
        """What is made here is put there."""

    def client(self, service: str) -> Any:
        """A client of the stand-in's own."""

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource."""


def _id(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:10]


def _secret(maker: Maker, name: str, properties: Properties) -> Created:
    secrets = maker.client("secretsmanager")
    called, description = f"edgenvr-{name}", properties.take("Description", "")
    try:
        arn = secrets.create_secret(Name=called, Description=description)["ARN"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceExistsException":
            raise
        arn = secrets.describe_secret(SecretId=called)["ARN"]
    maker.web.secrets.append(arn)
    return Created(arn, {"Id": arn})


def _api(_maker: Maker, name: str, properties: Properties) -> Created:
    if (protocol := properties.need("ProtocolType")) != "HTTP":
        raise TemplateError(f"{name}: an API of type {protocol}, only HTTP works here")
    properties.waive("Name", "Description")
    return Created(_id(name), {"ApiId": _id(name), "ApiEndpoint": f"https://{_id(name)}.execute-api"})


def _integration(maker: Maker, name: str, properties: Properties) -> Created:
    wanted = (properties.need("IntegrationType"), str(properties.need("PayloadFormatVersion")))
    if wanted != ("AWS_PROXY", "2.0"):
        raise TemplateError(f"{name}: {wanted}, only AWS_PROXY with payload 2.0 works here")
    properties.waive("ApiId", "TimeoutInMillis")
    maker.web.functions[f"integrations/{_id(name)}"] = properties.need("IntegrationUri")
    return Created(_id(name), {})


def _authorizer(maker: Maker, name: str, properties: Properties) -> Created:
    if (kind := properties.need("AuthorizerType")) != "JWT":
        raise TemplateError(f"{name}: an authorizer of type {kind}, only JWT works here")
    if (source := properties.need("IdentitySource")) != ["$request.header.Authorization"]:
        raise TemplateError(f"{name}: tokens from {source}, only from the header Authorization works here")
    properties.waive("ApiId", "Name")
    told = properties.need("JwtConfiguration")
    maker.web.authorizers[_id(name)] = Authorizer(told["Issuer"], tuple(told["Audience"]))
    return Created(_id(name), {"AuthorizerId": _id(name)})


def _route(maker: Maker, name: str, properties: Properties) -> Created:
    kind = properties.take("AuthorizationType", "NONE")
    authorizer = properties.take("AuthorizerId")
    if kind not in {"JWT", "NONE"} or (kind == "JWT") != (authorizer is not None):
        raise TemplateError(f"{name}: authorization {kind} with {authorizer} is not understood")
    properties.waive("ApiId")
    maker.web.routes.append(Route(properties.need("RouteKey"), properties.need("Target"), authorizer))
    return Created(_id(name), {})


def _public_key(maker: Maker, _name: str, properties: Properties) -> Created:
    pem = properties.need("PublicKeyConfig")["EncodedKey"]
    maker.web.keys[f"K{_id(pem).upper()}"] = pem
    return Created(f"K{_id(pem).upper()}", {"Id": f"K{_id(pem).upper()}"})


def _key_group(maker: Maker, name: str, properties: Properties) -> Created:
    maker.web.key_groups[_id(name)] = tuple(properties.need("KeyGroupConfig")["Items"])
    return Created(_id(name), {"Id": _id(name)})


def _edge_function(_maker: Maker, name: str, properties: Properties) -> Created:
    code = properties.need("FunctionCode")
    if "request.headers['x-viewer-host'] = { value: request.headers.host.value }" not in code:
        raise TemplateError(f"{name}: its code is not understood: nothing runs JavaScript here")
    properties.waive("Name", "AutoPublish", "FunctionConfig")
    return Created(name, {"FunctionARN": f"arn:aws:cloudfront:::function/{name}"})


def _headers(maker: Maker, name: str, properties: Properties) -> Created:
    """Of the headers, the one that a page can fail by: what it may load."""
    security = properties.need("ResponseHeadersPolicyConfig")["SecurityHeadersConfig"]
    policy = security["ContentSecurityPolicy"]["ContentSecurityPolicy"]
    maker.web.headers[_id(name)] = {"content-security-policy": policy, "x-content-type-options": "nosniff"}
    return Created(_id(name), {"Id": _id(name)})


def _distribution(maker: Maker, name: str, properties: Properties) -> Created:
    told = properties.need("DistributionConfig")
    origins = {origin["Id"]: origin["DomainName"] for origin in told["Origins"]}
    stated = [*told.get("CacheBehaviors", []), {"PathPattern": "*", **told["DefaultCacheBehavior"]}]
    behaviors = tuple(
        Behavior(
            one["PathPattern"],
            one["TargetOriginId"],
            tuple(one.get("TrustedKeyGroups", ())),
            tuple(function["FunctionARN"] for function in one.get("FunctionAssociations", ())),
            tuple(one.get("AllowedMethods", ("GET", "HEAD"))),
            maker.web.headers[one["ResponseHeadersPolicyId"]] if "ResponseHeadersPolicyId" in one else {},
        )
        for one in stated
    )
    arn = f"arn:aws:cloudfront::{maker.arn('x', 'x').split(':')[4]}:distribution/{_id(name)}"
    maker.web.distributions.append(Distribution(arn, origins, behaviors, told.get("DefaultRootObject", "")))
    return Created(_id(name), {"Id": _id(name), "DomainName": LOCAL_DOMAIN})


def _pool(maker: Maker, name: str, properties: Properties) -> Created:
    _waive_all(properties, _POOL)
    pool = f"{maker.arn('x', 'x').split(':')[3]}_{_id(name)}"
    return Created(pool, {"Arn": maker.arn("cognito-idp", pool), "ProviderURL": f"https://cognito-idp.local/{pool}"})


def _only_read(*names: str) -> Callable[[Maker, str, Properties], Created]:
    """A maker of what nothing here asks for, with these properties."""

    def make(_maker: Maker, name: str, properties: Properties) -> Created:
        _waive_all(properties, names)
        return Created(_id(name), {"Id": _id(name)})

    return make


def _waive_all(properties: Properties, names: Sequence[str]) -> None:
    properties.waive(*names)


_POOL = (
    *("UserPoolName", "DeletionProtection", "UsernameAttributes", "AutoVerifiedAttributes", "AdminCreateUserConfig"),
    *("MfaConfiguration", "EnabledMfas", "Policies"),
)
_CLIENT = (
    *("UserPoolId", "ClientName", "GenerateSecret", "AllowedOAuthFlowsUserPoolClient", "AllowedOAuthFlows"),
    *("AllowedOAuthScopes", "SupportedIdentityProviders", "PreventUserExistenceErrors", "ExplicitAuthFlows"),
    *("CallbackURLs", "LogoutURLs"),
)

MAKERS: dict[str, Callable[[Maker, str, Any], Created]] = {
    "AWS::SecretsManager::Secret": _secret,
    "AWS::ApiGatewayV2::Api": _api,
    "AWS::ApiGatewayV2::Integration": _integration,
    "AWS::ApiGatewayV2::Authorizer": _authorizer,
    "AWS::ApiGatewayV2::Route": _route,
    "AWS::ApiGatewayV2::Stage": _only_read("ApiId", "StageName", "AutoDeploy", "DefaultRouteSettings"),
    "AWS::Cognito::UserPool": _pool,
    "AWS::Cognito::UserPoolDomain": _only_read("UserPoolId", "Domain"),
    "AWS::Cognito::UserPoolGroup": _only_read("UserPoolId", "GroupName", "Description"),
    "AWS::Cognito::UserPoolClient": _only_read(*_CLIENT),
    "AWS::CloudFront::PublicKey": _public_key,
    "AWS::CloudFront::KeyGroup": _key_group,
    "AWS::CloudFront::OriginAccessControl": _only_read("OriginAccessControlConfig"),
    "AWS::CloudFront::Function": _edge_function,
    "AWS::CloudFront::ResponseHeadersPolicy": _headers,
    "AWS::CloudFront::Distribution": _distribution,
}

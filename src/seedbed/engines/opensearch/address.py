"""Connection settings of an OpenSearch target -> where it answers, and how a request proves who sends it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, cast, get_args
from urllib.parse import urlsplit

from msgspec import Struct

from seedbed.aws.cloud import Cloud
from seedbed.engines.base import Variable
from seedbed.engines.opensearch.prefix.names import is_prefix
from seedbed.errors import UsageError
from seedbed.model.secret import Secret
from seedbed.wire.endpoint import endpoint as located

Auth = Literal["none", "basic", "aws"]
Service = Literal["es", "aoss"]

VARIABLES = (
    Variable("OPENSEARCH_ENDPOINT", "endpoint", required=True, help="https://host, or http://host:port"),
    Variable("OPENSEARCH_AUTH", "auth", help="none, basic or aws; basic where a user is given"),
    Variable("OPENSEARCH_USERNAME", "user"),
    Variable("OPENSEARCH_PASSWORD", "password", secret=True),
    Variable("OPENSEARCH_CA", "ca", help="file with the certificates of authorities to trust"),
    Variable(
        "OPENSEARCH_PREFIX", "prefix", help="what all names begin with, on a domain that environments share"
    ),
    # AWS_REGION is the newer name and wins: it comes last.
    Variable("AWS_DEFAULT_REGION", "caller_region", shared=True, help="what requests are signed for"),
    Variable("AWS_REGION", "caller_region", shared=True, help="what requests are signed for"),
    Variable("AWS_PROFILE", "profile", shared=True),
    Variable("AWS_ACCESS_KEY_ID", "access_key", shared=True),
    Variable("AWS_SECRET_ACCESS_KEY", "secret_key", secret=True, shared=True),
    Variable("AWS_SESSION_TOKEN", "session_token", secret=True, shared=True),
)
_SETTINGS = (*dict.fromkeys(each.setting for each in VARIABLES), "service", "account", "region")
_AWS_HOST = re.compile(
    r"\.([a-z0-9-]+)\.(es|aoss)\.amazonaws\.com(\.cn)?$|\.([a-z0-9-]+)\.(es|aoss)\.on\.aws$"
)
_OPTIONS = ("lease_seconds", "request_timeout", "slices")


class Address(Struct, frozen=True):
    """Where a cluster answers, what its requests carry, and the options that how to work there depends on.

    `endpoint` is scheme, host and port, then perhaps a path. `cloud` signs where `auth` is "aws". `prefix`: what every
    name begins with there, where environments share the cluster; empty: they do not.
    """

    endpoint: str
    auth: Auth = "none"
    user: str = ""
    password: Secret | None = None
    ca: str = ""
    cloud: Cloud | None = None
    service: Service = "es"
    lease_seconds: float = 20.0
    request_timeout: float = 60.0
    slices: int = 0
    prefix: str = ""

    def __str__(self) -> str:
        return self.endpoint

    @property
    def secrets(self) -> tuple[Secret, ...]:
        own = (self.password,) if self.password else ()
        return (*own, *(self.cloud.secrets if self.cloud else ()))

    @property
    def is_serverless(self) -> bool:
        """Whether this is OpenSearch Serverless, which lacks a good deal of what OpenSearch can do."""
        return self.service == "aoss"


def address(settings: Mapping[str, str | Secret], options: object) -> Address:
    """Return the address that `settings` describe. Raises UsageError naming what is missing or wrong."""
    plain = {key: value.reveal() if isinstance(value, Secret) else value for key, value in settings.items()}
    unknown = sorted(set(plain) - set(_SETTINGS))
    if unknown:
        raise UsageError(
            f"{unknown[0]!r} says nothing about an OpenSearch target",
            because=f"it accepts {', '.join(sorted(_SETTINGS))}",
            try_="correct the key in the environment's targets table",
        )
    endpoint = _endpoint(plain.get("endpoint", ""))
    auth = _auth(plain, endpoint)
    region, service = _region_and_service(plain, endpoint)
    if auth == "basic" and not (at := located(endpoint)).is_tls and not at.is_loopback:
        raise UsageError(
            f"the password would be sent to {at.host} unencrypted",
            because="http:// has no TLS",
            try_=f"OPENSEARCH_ENDPOINT=https://{at.host}, and OPENSEARCH_CA for a certificate of your own",
        )
    if auth == "basic" and not (plain.get("user") and plain.get("password")):
        missing = "OPENSEARCH_PASSWORD" if plain.get("user") else "OPENSEARCH_USERNAME"
        raise UsageError(
            f"{missing} is not set",
            because="a login needs user and password",
            try_=f"set it, or OPENSEARCH_AUTH={'none' if not endpoint.startswith('https') else 'aws'}",
        )
    return Address(
        endpoint=endpoint,
        auth=auth,
        user=plain.get("user", "") if auth == "basic" else "",
        password=Secret(plain["password"]) if auth == "basic" else None,
        ca=plain.get("ca", ""),
        cloud=_cloud(plain, region) if auth == "aws" else None,
        service=service,
        prefix=_prefix(plain.get("prefix", "")),
        **{name: getattr(options, name) for name in _OPTIONS if hasattr(options, name)},
    )


def _endpoint(text: str) -> str:
    """Return the URL without its last slash; what it may hide (user, password) is not shown."""
    if not text:
        raise UsageError(
            "an OpenSearch target needs an endpoint",
            because="OPENSEARCH_ENDPOINT is not given",
            try_="OPENSEARCH_ENDPOINT=https://host",
        )
    try:
        parts = urlsplit(text)
        is_good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good, parts = False, urlsplit("")
    is_odd = any(each.isspace() or not each.isprintable() or ord(each) > 126 for each in text)
    if not is_good or parts.username or parts.password or parts.query or parts.fragment or is_odd:
        raise UsageError(
            "OPENSEARCH_ENDPOINT is not an endpoint",
            because="it has to look like https://host or http://127.0.0.1:9200, without user, query and fragment",
            try_="correct it; user and password have variables of their own",
        )
    return text.rstrip("/")


def _prefix(text: str) -> str:
    if text and not is_prefix(text):
        raise UsageError(
            f"OPENSEARCH_PREFIX={text} is not the prefix of an environment",
            because="it is the names of the environment and of the service, each with a dot after it",
            try_="OPENSEARCH_PREFIX=dev-ana.search.",
        )
    return text


def _auth(plain: Mapping[str, str], endpoint: str) -> Auth:
    """Return how requests prove who sends them: as said, else by what else is given."""
    said = plain.get("auth", "")
    if said and said not in get_args(Auth):
        raise UsageError(
            f"there is no OPENSEARCH_AUTH={said}",
            because=f"it is one of {', '.join(get_args(Auth))}",
            try_="OPENSEARCH_AUTH=aws signs requests with the credentials of AWS",
        )
    if said:
        return cast(Auth, said)
    if plain.get("user") or plain.get("password"):
        return "basic"
    return "aws" if _AWS_HOST.search(_host(endpoint)) else "none"


def _host(endpoint: str) -> str:
    return urlsplit(endpoint).hostname or ""


def _region_and_service(plain: Mapping[str, str], endpoint: str) -> tuple[str, Service]:
    """Return them as said, else as the host's name says them."""
    found = _AWS_HOST.search(_host(endpoint))
    region, service = (found[1] or found[4], found[2] or found[5]) if found else ("", "es")
    service = plain.get("service") or service
    if service not in get_args(Service):
        raise UsageError(
            f"there is no service {service!r} of AWS that is OpenSearch",
            because="es is a domain, aoss is OpenSearch Serverless",
            try_='service = "es"',
        )
    # Signed for another region than the host's, a request is refused whoever sends it.
    region = region or plain.get("region", "") or plain.get("caller_region", "")
    return region, cast(Service, service)


def _cloud(plain: Mapping[str, str], region: str) -> Cloud:
    key, secret, token = (plain.get(name, "") for name in ("access_key", "secret_key", "session_token"))
    if bool(key) != bool(secret):
        given, missing = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")[:: 1 if key else -1]
        raise UsageError(
            f"{given} is set and {missing} is not",
            because="one without the other signs nothing",
            try_="set both, or neither and use a profile",
        )
    if not region:
        raise UsageError(
            "requests cannot be signed without a region",
            because="neither the endpoint's name nor AWS_REGION says one",
            try_='write region = "eu-central-1" into the environment of the manifest',
        )
    return Cloud(
        region=region,
        account=plain.get("account", ""),
        profile=plain.get("profile", ""),
        access_key=key,
        secret_key=Secret(secret) if secret else None,
        session_token=Secret(token) if token and key else None,
    )

"""Connection settings of a DynamoDB target -> the account and region it is in, and with what credentials. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from seedbed.aws import faults
from seedbed.aws.cloud import Cloud
from seedbed.engines.base import Variable
from seedbed.errors import UsageError
from seedbed.model.secret import Secret

VARIABLES = (
    # AWS_REGION is the newer name and wins: it comes last.
    Variable("AWS_DEFAULT_REGION", "caller_region", shared=True, help="has to be the environment's region"),
    Variable("AWS_REGION", "caller_region", shared=True, help="has to be the environment's region"),
    Variable("AWS_PROFILE", "profile", shared=True),
    Variable("AWS_ACCESS_KEY_ID", "access_key", shared=True),
    Variable("AWS_SECRET_ACCESS_KEY", "secret_key", secret=True, shared=True),
    Variable("AWS_SESSION_TOKEN", "session_token", secret=True, shared=True),
    Variable(
        "AWS_ENDPOINT_URL", "endpoint", shared=True, help="one URL for all of AWS, instead of AWS itself"
    ),
)
_SETTINGS = (*dict.fromkeys(each.setting for each in VARIABLES), "account", "region")
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")
_ACCOUNT = re.compile(r"[0-9]{12}")


class Address(Struct, frozen=True):
    """The account and region that a database's tables are in, and the options that how to work there depends on.

    `copy`: what tables are called that were restored beside the others: "r12" for `courses-lessons.r12-prod`.
    """

    cloud: Cloud
    lease_seconds: float = 20.0
    read_units: float = 0.0
    write_units: float = 0.0
    segments: int = 4
    copy: str = ""

    def __str__(self) -> str:
        return faults.where(self.cloud)

    @property
    def secrets(self) -> tuple[Secret, ...]:
        return self.cloud.secrets


def address(settings: Mapping[str, str | Secret], options: object) -> Address:
    """Return the address that `settings` describe.

    Raises UsageError naming what is missing or wrong, WrongRegion where the caller means another region.
    """
    plain = {key: value.reveal() if isinstance(value, Secret) else value for key, value in settings.items()}
    unknown = sorted(set(plain) - set(_SETTINGS))
    if unknown:
        raise UsageError(
            f"{unknown[0]!r} says nothing about a DynamoDB target",
            because=f"it accepts {', '.join(sorted(_SETTINGS))}",
            try_="correct the key in the environment's targets table",
        )
    key, secret, token = (plain.get(name, "") for name in ("access_key", "secret_key", "session_token"))
    if bool(key) != bool(secret):
        given, missing = _pair(has_key=bool(key))
        raise UsageError(
            f"{given} is set and {missing} is not",
            because="one without the other signs nothing",
            try_="set both, or neither and use a profile",
        )
    cloud = Cloud(
        region=_region(plain.get("region", ""), plain.get("caller_region", "")),
        account=_account(plain.get("account", "")),
        endpoint=_endpoint(plain.get("endpoint", "")),
        profile=plain.get("profile", ""),
        access_key=key,
        secret_key=Secret(secret) if secret else None,
        session_token=Secret(token) if token and key else None,
    )
    return Address(cloud, **_settings(options))


def _settings(options: object) -> dict[str, Any]:
    names = ("lease_seconds", "read_units", "write_units", "segments")
    return {name: getattr(options, name) for name in names if hasattr(options, name)}


def _pair(*, has_key: bool) -> tuple[str, str]:
    both = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    return both if has_key else (both[1], both[0])


def _region(declared: str, callers: str) -> str:
    """Return the region. Raises WrongRegion where two are meant, UsageError where none is, or no region's name."""
    if declared and callers and declared != callers:
        raise faults.WrongRegion(
            f"the region is {callers} where you are, and {declared} where the environment is declared",
            because="AWS_REGION and the manifest disagree, and tables of the same name may be in both",
            try_=f"AWS_REGION={declared}, or unset it",
        )
    found = declared or callers
    if not found:
        raise UsageError(
            "a DynamoDB target needs a region",
            because="neither the environment's `region` nor AWS_REGION is given",
            try_='write region = "eu-central-1" into the environment of the manifest',
        )
    if not _REGION.fullmatch(found):
        raise UsageError(
            f"{found!r} is not a region",
            because="a region's name looks like eu-central-1",
            try_="correct the environment's region, or AWS_REGION",
        )
    return found


def _account(text: str) -> str:
    if text and not _ACCOUNT.fullmatch(text):
        raise UsageError(
            f"{text!r} is not an account",
            because="an account's id has twelve digits",
            try_='"111111111111", quoted',
        )
    return text


def _endpoint(text: str) -> str:
    """Return the URL without its last slash; what it may hide (user, password) is not shown."""
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        is_good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good, parts = False, urlsplit("")
    if not is_good or parts.username or parts.password or parts.query or parts.fragment or _is_odd(text):
        raise UsageError(
            "AWS_ENDPOINT_URL is not an endpoint",
            because="it has to look like http://127.0.0.1:4566, without user, query and fragment",
            try_="correct it, or unset it and talk to AWS itself",
        )
    return text.rstrip("/")


def _is_odd(text: str) -> bool:
    return any(
        character.isspace() or not character.isprintable() or ord(character) > 126 for character in text
    )

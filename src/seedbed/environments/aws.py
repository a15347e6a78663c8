"""Settings from AWS: what CDK wrote into the parameter store for each database, secrets from Secrets Manager."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from seedbed.aws.cloud import Cloud
from seedbed.environments.variables import Wanted, are_silent
from seedbed.errors import Command, Hint, UsageError, call
from seedbed.model.environment import Environment
from seedbed.model.names import parameter_path
from seedbed.model.secret import Secret

Settings = Mapping[str, str | Secret]


def cloud(environment: Environment, environ: Mapping[str, str]) -> Cloud:
    """Return the account and region that `environment` is declared in, with the credentials of `environ`."""
    secret, token = environ.get("AWS_SECRET_ACCESS_KEY"), environ.get("AWS_SESSION_TOKEN")
    return Cloud(
        region=environment.region,
        account=environment.account,
        endpoint=environ.get("AWS_ENDPOINT_URL", ""),
        profile=environ.get("AWS_PROFILE", ""),
        access_key=environ.get("AWS_ACCESS_KEY_ID", "") if secret else "",
        secret_key=Secret(secret) if secret else None,
        session_token=Secret(token) if token and secret else None,
    )


def require_own_server(environ: Mapping[str, str]) -> None:
    """Raise UsageError where AWS_ENDPOINT_URL leads to another machine, and the sandbox's own server is meant."""
    from urllib.parse import urlsplit

    from seedbed.wire.endpoint import endpoint

    url = environ.get("AWS_ENDPOINT_URL", "")
    try:
        host = urlsplit(url).hostname or url
        is_here = not url or endpoint(url).is_loopback
    except ValueError:
        host, is_here = "", False
    if not is_here:
        raise UsageError(
            f"AWS_ENDPOINT_URL leads to {host}, and the sandbox is meant"
            if host
            else "AWS_ENDPOINT_URL is no URL",
            because="the sandbox runs a server of its own on this machine and never asks another one",
            try_="unset AWS_ENDPOINT_URL, or name the environment that it belongs to",
        )


def completed(
    wanted: Sequence[Wanted], environment: Environment, platform: str, environ: Mapping[str, str]
) -> list[Wanted]:
    """Return `wanted` with the settings that AWS knows about those databases that no variable says anything about.

    A database that any variable of its own speaks of is left to the variables: half an address from here and half
    from there would be nobody's. Raises Refused for another account, Unreachable, and UsageError where
    the environment was never deployed.
    """
    alone = len(wanted) == 1
    silent = [each for each in wanted if are_silent(each, environ, alone=alone) and not _is_told(each)]
    if not silent or not (environment.account and environment.region):
        return list(wanted)
    found = _read(silent, environment, platform, environ)
    return [
        replace(each, known={**found[each.database], **each.known}) if each in silent else each
        for each in wanted
    ]


def _is_told(wanted: Wanted) -> bool:
    """Return whether the manifest itself says all that is required."""
    return all(
        each.setting in wanted.known or any(other in wanted.known for other in each.unless)
        for each in wanted.variables
        if each.required
    )


def _deploy(environment: Environment, database: str) -> Command:
    """Return what makes a database that is not there: a protected environment has nothing to plan that by."""
    if environment.protected:
        return call("deploy", "--unreviewed", about=database)
    return call("deploy", about=database)


def _read(
    silent: Sequence[Wanted], environment: Environment, platform: str, environ: Mapping[str, str]
) -> dict[str, Settings]:
    from seedbed.aws import parameters
    from seedbed.aws.identity import require_account

    where = cloud(environment, environ)
    require_account(where)
    found: dict[str, Settings] = {}
    for each in silent:
        engine = each.database.removeprefix(f"{each.service}/")
        path = parameter_path(platform, environment.name, each.service, engine)
        settings = parameters.read(where, path)
        if not settings:
            raise UsageError(
                f"no connection settings for {each.database} in {environment.name}",
                because="no environment variable is set, and the parameter store of account "
                f"{environment.account} has nothing below {path}",
                try_=Hint("set its variables, or deploy it: ", _deploy(environment, each.database)),
            )
        found[each.database] = settings
    return found

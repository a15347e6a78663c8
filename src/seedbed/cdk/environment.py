"""Which environment an app is synthesised for, and what becomes of data there."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from constructs import Construct
from msgspec.structs import replace

from seedbed.errors import Refused, UsageError
from seedbed.manifest.environments import environment as declared
from seedbed.model.environment import Environment, is_ephemeral
from seedbed.model.platform import Platform

SANDBOX_ACCOUNT = "000000000000"
SANDBOX_REGION = "eu-central-1"


def chosen(scope: Construct, platform: Platform) -> Environment:
    """Return the environment that the CDK context names (`-c environment=dev-ana`), with its account and region.

    The sandbox is in account 000000000000, region eu-central-1, unless the context's `account` and `region` say
    otherwise; for any other environment the manifest says it, and nothing may say anything else.
    Raises UsageError for a name that is missing, undeclared or declared without a place, Refused for a dev
    environment in a protected account.
    """
    name = _context(scope, "environment")
    if not name:
        raise UsageError(
            "no environment is named",
            because="everything that is made belongs to one",
            try_="cdk deploy -c environment=dev-ana",
        )
    found = declared(platform, name)
    if found.is_sandbox:
        account = _context(scope, "account") or SANDBOX_ACCOUNT
        return replace(found, account=account, region=_context(scope, "region") or SANDBOX_REGION)
    _require_account_and_region(found)
    require_unprotected_account(platform, found)
    _require_same_account_and_region(scope, found)
    return found


def require_unprotected_account(platform: Platform, environment: Environment) -> None:
    """Raise Refused for what may be deleted, but would lie beside what is protected."""
    if not is_ephemeral(environment):
        return
    account = environment.account
    for other in platform.environments:
        if other.protected and account and other.account == account:
            raise Refused(
                f"{environment.name} would lie in the account of {other.pattern}",
                because=f"{account} is protected, and whatever is in {environment.name} may be deleted",
                try_="give dev environments an account of their own",
            )


def removal(environment: Environment) -> RemovalPolicy:
    """Return what becomes of data when its resource leaves a stack: gone in ephemeral environments, else kept."""
    return RemovalPolicy.DESTROY if is_ephemeral(environment) else RemovalPolicy.RETAIN


def _require_account_and_region(environment: Environment) -> None:
    missing = [key for key in ("account", "region") if not getattr(environment, key)]
    if missing:
        raise UsageError(
            f"{environment.name} has no {' and no '.join(missing)}",
            because="a stack is made for one account and region, so that it cannot land elsewhere",
            try_=f"write {' and '.join(missing)} into the environment in seedbed.toml",
        )


def _require_same_account_and_region(scope: Construct, environment: Environment) -> None:
    for key in ("account", "region"):
        said = _context(scope, key)
        if said and said != getattr(environment, key):
            raise UsageError(
                f"the context says {key}={said}, and {environment.name} is declared with {getattr(environment, key)}",
                because="only the sandbox may be anywhere",
                try_=f"leave out -c {key}=…, or change the environment in seedbed.toml",
            )


def _context(scope: Construct, key: str) -> str:
    value = scope.node.try_get_context(key)
    return value if isinstance(value, str) else ""

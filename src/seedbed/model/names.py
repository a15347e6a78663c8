"""Names that CDK writes and an environment reads back: made in one place, so that they always meet."""

from __future__ import annotations

RESERVED = "seedbed"  # the service that the stacks are of which migrate the others: no platform's own
# Variables by which a run inside the network finds its record
CONTROL_TABLE, CONTROL_BUCKET, CONTROL_ENVIRONMENT = (
    "SEEDBED_CONTROL_TABLE",
    "SEEDBED_CONTROL_BUCKET",
    "SEEDBED_ENV",
)
# ... and whether it may carry out files that its caller uploads: a record alone cannot say that
CONTROL_FILES = "SEEDBED_FILES"


def stack_name(platform: str, environment: str, service: str, engine: str) -> str:
    """Return the name of the stack that holds one database: `edtech-dev-ana-courses-dynamodb`."""
    return f"{platform}-{environment}-{service}-{engine}"


def callers_stack(platform: str, environment: str) -> str:
    """Return the name of the stack that has the policies of an environment's callers, which outlive it."""
    return stack_name(platform, environment, RESERVED, "callers")


def stack_tags(platform: str, environment: str) -> dict[str, str]:
    """Return the tags that every stack of an environment has: by them it is found, and told from another's."""
    return {"platform": platform, "environment": environment, "managed-by": "seedbed"}


def table_name(service: str, table: str, environment: str) -> str:
    """Return the physical name of a table: `courses-lessons-dev-ana`."""
    return f"{service}-{table}-{environment}"


def parameter_path(platform: str, environment: str, service: str, engine: str) -> str:
    """Return the path in the parameter store below which the settings of one database lie, one parameter a setting.

    A value is the setting itself, or `secret:ARN:KEY`: the member KEY of a JSON secret.
    """
    return f"/{platform}/{environment}/{service}/{engine}"


def login_secret(platform: str, environment: str, database: str, login: str) -> str:
    """Return the name of the secret of a login on a shared server: `edtech/dev-ana/user/ENGINE/migrate`.

    The base's task has to find it by names alone, and may read those of what may be deleted: see `login_secrets`.
    """
    return f"{platform}/{environment}/{database}/{login}"


def login_secrets(platform: str) -> str:
    """Return how the names of all secrets are that `login_secret` names, with `*` for the rest."""
    return f"{platform}/dev*"


def stack_of_parameter(name: str) -> str:
    """Return the name of the stack that writes the parameter `name`; "" where no stack of ours does."""
    parts = name.split("/")
    return stack_name(*parts[1:5]) if len(parts) > 5 and not parts[0] else ""

"""The records of a platform's environments: where they lie, and how a command takes note that it uses one."""

from __future__ import annotations

from seedbed.aws.identity import require_account
from seedbed.aws.items import Table
from seedbed.model.environment import Environment
from seedbed.model.lifetime import EnvironmentRecord
from seedbed.project.checkout import checkout
from seedbed.project.targets import Targets
from seedbed.remote.environments import Environments, Use
from seedbed.remote.place import control_of


def environments(targets: Targets, environment: Environment) -> Environments:
    """Return the records that lie where that of `environment` does.

    Raises UsageError where it, or its base, was never deployed, Refused for credentials of another account, and what
    `seedbed.aws` raises.
    """
    cloud = targets.cloud(environment)
    require_account(cloud)
    return Environments(Table(cloud, control_of(cloud, targets.catalog.platform.name, environment)["table"]))


def record(targets: Targets, environment: Environment) -> EnvironmentRecord:
    """Return the record of an environment, an empty one where it has none. Raises what `environments` raises."""
    found = environments(targets, environment).about(environment.name)
    return found or EnvironmentRecord(name=environment.name)


def touch(
    targets: Targets, environment: Environment, command: str, *, ttl: float = 0.0
) -> EnvironmentRecord | None:
    """Write down that `command` uses an environment; return its record, None where that was written just now.

    `ttl`: of this environment alone, in seconds; 0: as it was. Raises what `environments` raises.
    """
    records = environments(targets, environment)
    who = require_account(records.table.cloud).arn
    commit, branch = checkout(targets.catalog.platform.root)
    return records.touch(environment.name, Use(who, command, commit, branch), ttl=ttl)

"""The records of a platform's environments: where they lie, and how a command takes note that it uses one."""

from __future__ import annotations

from msgspec import Struct

from seedbed.aws.identity import require_account
from seedbed.aws.items import Table
from seedbed.aws.objects import Bucket
from seedbed.model.environment import Environment
from seedbed.model.lifetime import EnvironmentRecord
from seedbed.project.checkout import checkout
from seedbed.project.targets import Targets
from seedbed.remote import state
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


class Touched(Struct, frozen=True):
    """A use that is written down. `before`, `now`: the record, None where there was none; `now` never is."""

    before: EnvironmentRecord | None
    now: EnvironmentRecord


def touch(targets: Targets, environment: Environment, command: str, *, ttl: float = 0.0) -> Touched:
    """Write down that `command` uses an environment, unless that was done just now.

    `ttl`: of this environment alone, in seconds; 0: as it was. Raises what `environments` raises.
    """
    records = environments(targets, environment)
    who = require_account(records.table.cloud).arn
    commit, branch = checkout(targets.catalog.platform.root)
    name = environment.name
    known = records.about(name)
    now = records.touch_known(name, known, Use(who, command, commit, branch, environment.ttl), ttl=ttl)
    return Touched(known, now or known or EnvironmentRecord(name=name))


def forget(targets: Targets, environment: Environment, *, token: str = "") -> bool:
    """Remove what its base keeps of an environment that is gone; False where it is not collected by `token` any more.

    The record is last: who is killed before finds the environment left behind. What its runs told stays its time.
    Raises what `environments` raises.
    """
    records = environments(targets, environment)
    cloud = records.table.cloud
    control = control_of(cloud, targets.catalog.platform.name, environment)
    state.remove(Bucket(cloud, control["bucket"]), environment.name)
    return records.remove(environment.name, token=token)


def shown(targets: Targets, environment: Environment) -> EnvironmentRecord | None:
    """Return what is shown of the record of an environment, None where it has none: any caller may read that.

    Raises what `environments` raises.
    """
    return environments(targets, environment).shown(environment.name)

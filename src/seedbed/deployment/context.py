"""Where and with what a deployment works."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from seedbed.aws.cloud import Cloud
from seedbed.deployment.assembly import Assembly
from seedbed.deployment.cdk import Cli
from seedbed.deployment.child import StopSignal
from seedbed.deployment.managed import ManagedStack
from seedbed.deployment.stacks import Stacks
from seedbed.deployment.waiter import Waiter
from seedbed.model.environment import Environment
from seedbed.model.event import Listener


class DeploymentContext(Struct, frozen=True):
    """`account`: whose credentials these are. `room`: a directory for passing files. `tags`: of the stacks that
    belong to the environment.
    """

    environment: Environment
    cloud: Cloud
    account: str
    cli: Cli
    assembly: Assembly
    stacks: Stacks
    room: Path
    listener: Listener
    stop: StopSignal
    timeout: float
    tags: Mapping[str, str]

    def waiter(self, managed: ManagedStack) -> Waiter:
        return Waiter(managed, self.stacks, self.listener, self.stop, self.timeout)

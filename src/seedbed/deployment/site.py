"""Where and with what a deployment works."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from seedbed.aws.cloud import Cloud
from seedbed.deployment.assembly import Assembly
from seedbed.deployment.cdk import Cli
from seedbed.deployment.child import Stopping
from seedbed.deployment.following import Following
from seedbed.deployment.parts import Part
from seedbed.deployment.stacks import Stacks
from seedbed.model.environment import Environment
from seedbed.model.event import Listener


class Site(Struct, frozen=True):
    """`account`: whose credentials these are. `room`: a directory for passing files."""

    environment: Environment
    cloud: Cloud
    account: str
    cli: Cli
    assembly: Assembly
    stacks: Stacks
    room: Path
    listener: Listener
    stop: Stopping
    timeout: float

    def following(self, part: Part) -> Following:
        return Following(part, self.stacks, self.listener, self.stop, self.timeout)

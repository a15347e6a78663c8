"""One index migration as an order: what to change, and what of the lease it may use."""

from __future__ import annotations

from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from seedbed.engines.opensearch.place import Place
from seedbed.engines.opensearch.wire.client import Client
from seedbed.model.history import Revision
from seedbed.model.migration import Direction, Migration, Step


class Holding(Protocol):
    """What an index migration needs of the lease."""

    @property
    def place(self) -> Place: ...

    def check(self) -> None:
        """Raise LeaseLost unless nobody else can have the lease, Interrupted if we were asked to stop; asks nobody."""
        ...

    def confirm(self) -> None:
        """Do as `check` does, and look at the lease itself: one round trip."""
        ...

    def commit(self, revision: Revision, *, anyway: bool = False) -> None:
        """Write `revision`, if the lease is still ours. `anyway`: also after an interruption. Raises LeaseLost."""
        ...


class Job(Struct):
    """One step on its way; `revision` is what the history says about it right now."""

    lease: Holding
    migration: Migration
    direction: Direction
    step: Step
    revision: Revision
    options: Any = None

    @property
    def target(self) -> str:
        return self.lease.place.target

    @property
    def client(self) -> Client:
        return self.lease.place.client

    @property
    def opaque_id(self) -> str:
        """The mark that tasks of this step carry on the server, whichever run starts them."""
        return f"seedbed:{self.target}:{self.migration.version}:{self.direction.value}:{self.step.index}"

    def save(self, checkpoint: str, *, anyway: bool = False) -> None:
        """Record where the step stands. `anyway`: also after an interruption. Raises LeaseLost."""
        wanted = replace(self.revision, checkpoint=checkpoint, in_step=False)
        self.lease.commit(wanted, anyway=anyway)
        self.revision = wanted

"""One index migration: what to change, and the part of the lease that it uses."""

from __future__ import annotations

from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from seedbed.engines.opensearch.cluster import Cluster
from seedbed.engines.opensearch.wire.client import Client
from seedbed.model.history import Revision
from seedbed.model.migration import Direction, Migration, Step


class MigrationLease(Protocol):
    """The part of the lease that an index migration uses."""

    @property
    def cluster(self) -> Cluster: ...

    def check(self) -> None:
        """Raise LeaseLost if the lease may have expired, Interrupted after an interruption. Sends no request."""
        ...

    def confirm(self) -> None:
        """Do as `check`, and read the lease: one round trip."""
        ...

    def commit(self, revision: Revision, *, anyway: bool = False) -> None:
        """Write `revision` while the lease is held. `anyway`: also after an interruption. Raises LeaseLost."""
        ...


class IndexJob(Struct):
    """One step in progress; `revision` is what the history holds now."""

    lease: MigrationLease
    migration: Migration
    direction: Direction
    step: Step
    revision: Revision
    options: Any = None

    @property
    def target(self) -> str:
        return self.lease.cluster.target

    @property
    def client(self) -> Client:
        return self.lease.cluster.client

    @property
    def opaque_id(self) -> str:
        """The X-Opaque-Id of the tasks of this step, equal for every run."""
        return f"seedbed:{self.target}:{self.migration.version}:{self.direction.value}:{self.step.index}"

    def save(self, checkpoint: str, *, anyway: bool = False) -> None:
        """Record the checkpoint. `anyway`: also after an interruption. Raises LeaseLost."""
        revision = replace(self.revision, checkpoint=checkpoint, in_step=False)
        self.lease.commit(revision, anyway=anyway)
        self.revision = revision

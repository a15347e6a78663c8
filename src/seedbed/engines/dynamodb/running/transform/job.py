"""What a transformation works with: the migration, the table, and what it needs of the lease."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from seedbed.engines.dynamodb.database import DynamoDatabase, not_deployed
from seedbed.engines.dynamodb.schema.shape import TableShape
from seedbed.engines.dynamodb.wire.client import Client
from seedbed.engines.dynamodb.wire.errors import NOT_FOUND, ServiceError
from seedbed.model.history import Revision
from seedbed.model.migration import Direction, Migration, Step

T = TypeVar("T")


class TransformLease(Protocol):
    """What a transformation needs of the lease."""

    @property
    def database(self) -> DynamoDatabase: ...

    def check(self) -> None:
        """Raise LeaseLost unless the lease is certainly held, Interrupted after a request to stop. Sends nothing."""
        ...

    def checkpoint(
        self, version: str, segment: int, state: str, actions: Sequence[dict[str, Any]] = ()
    ) -> Mapping[str, Any] | None:
        """Carry out `actions` and write how far the transformation is in `segment`, both or neither.

        Returns what the server answered, if it says what that consumed.
        """
        ...

    def checkpoints(self, version: str) -> dict[int, str]: ...


class TransformLimits(Protocol):
    """How a database may be worked on, from the manifest; units 0: as many as the table gives."""

    @property
    def read_units(self) -> float: ...
    @property
    def write_units(self) -> float: ...
    @property
    def segments(self) -> int: ...


class TransformJob(Struct):
    """One transformation of `table`, which is the physical name; its `shape` has the logical one."""

    client: Client
    lease: TransformLease
    migration: Migration
    direction: Direction
    step: Step
    table: str
    shape: TableShape
    revision: Revision
    options: TransformLimits

    @property
    def target(self) -> str:
        return self.lease.database.target


def found(job: TransformJob, call: Callable[[], T]) -> T:
    """Return what `call` returns. Raises Refused where the table is not there."""
    try:
        return call()
    except ServiceError as error:
        if error.code == NOT_FOUND:
            raise not_deployed(job.lease.database, job.shape.name) from None
        raise


def least(asked: str | None, allowed: float) -> float:
    """Return the smaller of what a migration asks for and what the manifest allows; 0 is no limit."""
    return min((each for each in (float(asked or 0), allowed) if each), default=0.0)

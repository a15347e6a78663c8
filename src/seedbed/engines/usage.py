"""What tells whether something that a contract removes is still used: optional, like `capabilities`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from seedbed.model.migration import Migration
from seedbed.model.platform import Database
from seedbed.model.usage import Removed, Usage


@runtime_checkable
class SupportsRemovals(Protocol):
    """An engine whose migrations show what they remove."""

    def removals(self, migration: Migration, database: Database) -> Sequence[Removed]:
        """Return what the up section of `migration` removes, or takes the name from, by the files of `database` alone.

        What only running it would tell is one of them, of a kind that nothing counts.
        """
        ...


@runtime_checkable
class SupportsDeployedRemovals(Protocol):
    """A session on a database whose schema is deployed: a contract takes what is there and not declared any more."""

    def deployed_removals(self) -> Sequence[Removed]:
        """Return what a deployment through contract takes away. Raises StepFailed, Unreachable."""
        ...


@runtime_checkable
class SupportsUsage(Protocol):
    """A session whose server counts what is used."""

    def usage(self, removed: Sequence[Removed]) -> Usage:
        """Return one counter for each of `removed`, in their order. The look itself uses none of them.

        After a use a later look has a greater number, or its time; after a restart, a reset or a failover that may
        have lost some, another `since`. What is not counted is blind: a look never says less than there was.

        Raises StepFailed, Unreachable; where a login may not see a counter, that counter is blind.
        """
        ...

"""What tells whether something that a contract removes is still used: optional, like `capabilities`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from seedbed.model.migration import Migration
from seedbed.model.usage import Removed, Usage


@runtime_checkable
class SupportsRemovals(Protocol):
    """An engine whose migrations show what they remove."""

    def removals(self, migration: Migration, options: Any) -> Sequence[Removed]:
        """Return what the up section of `migration` removes, or takes the name from; pure.

        What only running it would tell is one of them, of a kind that nothing counts. `options`: of its database.
        """
        ...


@runtime_checkable
class SupportsUsage(Protocol):
    """A session whose server counts what is used."""

    def usage(self, removed: Sequence[Removed]) -> Usage:
        """Return one counter for each of `removed`, in their order. The look itself uses none of them.

        Raises StepFailed, Unreachable; where a login may not see a counter, that counter is blind.
        """
        ...

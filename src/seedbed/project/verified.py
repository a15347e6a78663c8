"""What `verify` kept, and what waits for it: from files and histories."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from seedbed.execution.connecting import ConnectedTarget
from seedbed.planning.verified import pending_at_migrate
from seedbed.project.catalog import Catalog


def pending(catalog: Catalog, connected: Sequence[ConnectedTarget]) -> dict[str, tuple[str, ...]]:
    """Return, by database, the versions that wait there at the gate `migrate`."""
    return {
        each.id: pending_at_migrate(
            catalog.files(each.database), each.history, partial(catalog.phase, each.database)
        )
        for each in connected
    }

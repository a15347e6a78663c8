"""What a contract of a protected environment waits for: a passing `verify` of all that touches its database."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from seedbed.model.history import History
from seedbed.model.migration import MigrationFile, Phase
from seedbed.planning.pending import order


def pending_at_migrate(
    files: Sequence[MigrationFile], history: History, phase: Callable[[MigrationFile], str]
) -> tuple[str, ...]:
    """Return the versions that an apply through `migrate` has still to do on a database, in order.

    `phase` tells the phase of a file, empty where it cannot be read: what is unknown counts as pending.
    """
    applied = {order(each.version) for each in history.applied}
    found: list[str] = [each.version for each in history.unfinished]
    for file in files:
        if order(file.version) in applied or file.version in found:
            continue
        if phase(file) == Phase.CONTRACT:
            break
        found.append(file.version)
    return tuple(found)

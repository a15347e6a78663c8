"""How far each database may go: the gate, what stands behind it, and what waits for another database.

A gate is kept per database in version order: the first migration of a later phase holds back everything after
it, except an expand that says `overtake=` about all that it passes. Other databases are held back only where
they declare themselves `after=` something that is held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from seedbed.errors import GateRefused, Location, UsageError
from seedbed.model.migration import Migration, MigrationRef, Phase
from seedbed.model.plan import Held
from seedbed.planning.pending import order


class Waiting(Struct, frozen=True):
    """One database's pending migrations in version order, and the versions that it has applied."""

    database: str
    pending: tuple[Migration, ...]
    applied: frozenset[str]
    to: str | None = None


class Passed(Struct, frozen=True):
    """What may run on a database now, and what is held, with reasons."""

    database: str
    run: tuple[Migration, ...]
    held: tuple[Held, ...]


def pass_gate(waiting: Sequence[Waiting], gate: Phase) -> tuple[Passed, ...]:
    """Return, for each database, what passes `gate`.

    Raises UsageError for an `after=` that names nothing, GateRefused for one that lies beyond the gate.
    """
    databases = {each.database: each for each in waiting}
    held: dict[MigrationRef, str] = {}
    while True:  # what one database holds may hold another's: repeat until nothing more is held
        before = len(held)
        for each in waiting:
            _hold(each, gate, held, databases)
        if len(held) == before:
            return tuple(_passed(each, held) for each in waiting)


def _hold(
    waiting: Waiting, gate: Phase, held: dict[MigrationRef, str], databases: Mapping[str, Waiting]
) -> None:
    behind: list[Migration] = []
    for migration in waiting.pending:
        ref = MigrationRef(waiting.database, migration.version)
        because = held.get(ref) or _reason(waiting, migration, gate, behind, held, databases)
        if because:
            held[ref] = because
            behind.append(migration)


def _reason(
    waiting: Waiting,
    migration: Migration,
    gate: Phase,
    behind: Sequence[Migration],
    held: Mapping[MigrationRef, str],
    databases: Mapping[str, Waiting],
) -> str:
    """Return why `migration` may not run now, empty if it may."""
    if waiting.to is not None and order(migration.version) > order(waiting.to):
        return f"beyond --to {waiting.to}"
    if migration.phase.rank > gate.rank:
        return f"{migration.phase.value} waits: the gate is at {gate.value}"
    passes = migration.phase is Phase.EXPAND and all(_overtakes(migration, each) for each in behind)
    if behind and not passes:
        return f"stands behind {behind[0].label}"
    for ref in migration.after:
        if because := _dependency(waiting.database, migration, ref, gate, held, databases):
            return because
    return ""


def _overtakes(migration: Migration, other: Migration) -> bool:
    return any(order(each) == order(other.version) for each in migration.overtakes)


def _dependency(
    database: str,
    migration: Migration,
    ref: MigrationRef,
    gate: Phase,
    held: Mapping[MigrationRef, str],
    databases: Mapping[str, Waiting],
) -> str:
    there = databases.get(ref.database)
    if there is None:
        raise _names_nothing(database, migration, ref, f"the platform has no database {ref.database}")
    if ref.version in there.applied:
        return ""
    target = next((each for each in there.pending if each.version == ref.version), None)
    if target is None:
        raise _names_nothing(database, migration, ref, f"{ref.database} has no migration {ref.version}")
    if target.phase.rank > gate.rank:
        raise GateRefused(
            f"{database}:{migration.label} may run, but it comes after {ref}, which may not",
            because=f"that one is {target.phase.value}, and the gate is at {gate.value}",
            try_=f"open the gate (--through {target.phase.value}), or give {migration.label} a later phase",
            at=Location(migration.path),
        )
    return f"comes after {ref}, which is held: {held[ref]}" if ref in held else ""


def _names_nothing(database: str, migration: Migration, ref: MigrationRef, because: str) -> UsageError:
    return UsageError(
        f"{database}:{migration.label} declares itself after {ref}, which does not exist",
        because=because,
        try_="correct the after= directive",
        at=Location(migration.path),
    )


def _passed(waiting: Waiting, held: Mapping[MigrationRef, str]) -> Passed:
    refs = [(MigrationRef(waiting.database, each.version), each) for each in waiting.pending]
    return Passed(
        waiting.database,
        tuple(each for ref, each in refs if ref not in held),
        tuple(Held(ref, each.name, each.phase, held[ref]) for ref, each in refs if ref in held),
    )

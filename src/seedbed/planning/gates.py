"""How far each database may go: the gate, what is deferred behind it, and what is blocked by another database.

A gate applies per database in version order: the first migration of a later phase defers everything after it, except
an expand whose `overtake=` names all that it passes. In another database, only a migration that declares itself
`after=` a deferred one is blocked.

What overtakes runs before what it overtakes, however far the gate is open: a plan through a later gate begins with the
plan through each gate before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from seedbed.errors import GateRefused, Location, UsageError
from seedbed.model.migration import Migration, MigrationRef, Phase
from seedbed.model.plan import Deferred
from seedbed.planning.pending import order
from seedbed.support.guess import guess_path


class PendingDatabase(Struct, frozen=True):
    """One database's pending migrations in version order, and the versions that it has applied."""

    database: str
    pending: tuple[Migration, ...]
    applied: frozenset[str]
    to: str | None = None


class GateResult(Struct, frozen=True):
    """What may run on a database now, and what is deferred or blocked, with reasons."""

    database: str
    run: tuple[Migration, ...]
    deferred: tuple[Deferred, ...]


class _Reason(Struct, frozen=True):
    """Why a migration does not run now; `blocked_by` as in `Deferred`."""

    because: str
    blocked_by: MigrationRef | None = None


def pass_gate(databases: Sequence[PendingDatabase], gate: Phase) -> tuple[GateResult, ...]:
    """Return, for each database, what passes `gate`.

    Raises UsageError for an `after=` that names nothing, GateRefused for one that lies beyond the gate.
    """
    by_id = {database.database: database for database in databases}
    deferred: dict[MigrationRef, _Reason] = {}
    while True:  # what one database defers may block another's: repeat until nothing is added
        before = len(deferred)
        for database in databases:
            _defer(database, gate, deferred, by_id)
        if len(deferred) == before:
            ranks = _ranks(databases)
            return tuple(_result(database, deferred, ranks) for database in databases)


def _defer(
    database: PendingDatabase,
    gate: Phase,
    deferred: dict[MigrationRef, _Reason],
    by_id: Mapping[str, PendingDatabase],
) -> None:
    """Add to `deferred` what of `database` may not run now."""
    passed_over: list[Migration] = []
    for migration in database.pending:
        ref = MigrationRef(database.database, migration.version)
        reason = deferred.get(ref) or _reason(database, migration, gate, passed_over, deferred, by_id)
        if reason:
            deferred[ref] = reason
            passed_over.append(migration)


def _reason(
    database: PendingDatabase,
    migration: Migration,
    gate: Phase,
    passed_over: Sequence[Migration],
    deferred: Mapping[MigrationRef, _Reason],
    by_id: Mapping[str, PendingDatabase],
) -> _Reason | None:
    """Return why `migration` may not run now, None if it may."""
    if database.to is not None and order(migration.version) > order(database.to):
        return _Reason(f"it lies beyond --to {database.to}")
    if migration.phase.rank > gate.rank:
        return _Reason(f"its phase is {migration.phase.value}, the gate is at {gate.value}")
    overtakes = migration.phase is Phase.EXPAND and all(_overtakes(migration, other) for other in passed_over)
    if passed_over and not overtakes:
        return _Reason(f"it comes after {passed_over[0].label}, which is deferred")
    for ref in migration.after:
        if reason := _dependency(database.database, migration, ref, gate, deferred, by_id):
            return reason
    return None


def _overtakes(migration: Migration, other: Migration) -> bool:
    return any(order(version) == order(other.version) for version in migration.overtakes)


def _dependency(
    database: str,
    migration: Migration,
    ref: MigrationRef,
    gate: Phase,
    deferred: Mapping[MigrationRef, _Reason],
    by_id: Mapping[str, PendingDatabase],
) -> _Reason | None:
    """Return why the `after=` that names `ref` blocks `migration`, None if it does not."""
    other = by_id.get(ref.database)
    if other is None:
        likely = guess_path(ref.database, sorted(by_id))
        because = f"the platform has no database {ref.database}"
        raise _names_nothing(database, migration, ref, because, f"{likely}:{ref.version}" if likely else "")
    if ref.version in other.applied:
        return None
    target = next((pending for pending in other.pending if pending.version == ref.version), None)
    if target is None:
        raise _names_nothing(database, migration, ref, f"{ref.database} has no migration {ref.version}")
    if target.phase.rank > gate.rank:
        raise GateRefused(
            f"{database}:{migration.label} may run, but it comes after {ref}, which may not",
            because=f"that one is {target.phase.value}, and the gate is at {gate.value}",
            try_=f"open the gate (--through {target.phase.value}), or give {migration.label} a later phase",
            at=Location(migration.path),
        )
    if ref not in deferred:
        return None
    return _Reason(f"it comes after {ref}, which is deferred: {deferred[ref].because}", ref)


def _names_nothing(
    database: str, migration: Migration, ref: MigrationRef, because: str, likely: str = ""
) -> UsageError:
    return UsageError(
        f"{database}:{migration.label} declares itself after {ref}, which does not exist",
        because=because,
        try_=f"correct the after= directive{f': did you mean {likely}?' if likely else ''}",
        at=Location(migration.path),
    )


def _ranks(databases: Sequence[PendingDatabase]) -> Mapping[MigrationRef, int]:
    """Return the rank of the first gate that lets each migration run; nothing where none overtakes another."""
    if not any(each.overtakes for database in databases for each in database.pending):
        return {}
    ranks = {
        MigrationRef(one.database, each.version): each.phase.rank for one in databases for each in one.pending
    }
    while True:  # one that waits for another database may in turn hold up a third
        before = dict(ranks)
        for database in databases:
            _rank(database, ranks)
        if ranks == before:
            return ranks


def _rank(database: PendingDatabase, ranks: dict[MigrationRef, int]) -> None:
    """Raise the ranks of what waits for something of a higher one, in its own database or in another."""
    highest = 0  # of all that comes before
    for number, migration in enumerate(database.pending):
        ref = MigrationRef(database.database, migration.version)
        before = highest
        if migration.phase is Phase.EXPAND and migration.overtakes:
            stay = [each for each in database.pending[:number] if not _overtakes(migration, each)]
            before = max((ranks[MigrationRef(database.database, each.version)] for each in stay), default=0)
        waits = (ranks[each] for each in migration.after if each in ranks)
        ranks[ref] = max(ranks[ref], before, *waits)
        highest = max(highest, ranks[ref])


def _result(
    database: PendingDatabase, deferred: Mapping[MigrationRef, _Reason], ranks: Mapping[MigrationRef, int]
) -> GateResult:
    pending = [
        (MigrationRef(database.database, migration.version), migration) for migration in database.pending
    ]
    run = [(ref, migration) for ref, migration in pending if ref not in deferred]
    return GateResult(
        database.database,
        tuple(migration for _, migration in sorted(run, key=lambda each: ranks.get(each[0], 0))),
        tuple(
            Deferred(ref, migration.name, migration.phase, reason.because, reason.blocked_by)
            for ref, migration in pending
            if (reason := deferred.get(ref))
        ),
    )

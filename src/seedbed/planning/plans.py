"""Making a plan from files and histories, and telling whether one that was made earlier still fits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from seedbed.errors import (
    Hint,
    HistoryConflict,
    Irreversible,
    Location,
    Refused,
    UsageError,
    call,
    try_each,
)
from seedbed.model.history import History, Revision
from seedbed.model.migration import Direction, Migration, MigrationFile, MigrationRef, Phase
from seedbed.model.plan import Action, DatabasePlan, Plan
from seedbed.planning.gates import GateResult, PendingDatabase, pass_gate
from seedbed.planning.ordering import stages
from seedbed.planning.pending import order, pending

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

Parse = Callable[[str, MigrationFile], Migration]  # database id, file


class DatabaseState(Struct, frozen=True):
    """What is known about one database: its files and its history. `selected`: whether work is wanted there,
    or it is only looked at because another one comes after something in it."""

    database: str
    files: tuple[MigrationFile, ...]
    history: History
    selected: bool = True


class Policy(Struct, frozen=True):
    """How far a run may go; part of what makes a plan stale."""

    environment: str
    protected: bool = False
    gate: Phase = Phase.CONTRACT
    to: str | None = None
    out_of_order: bool = False


def plan_up(known: Sequence[DatabaseState], policy: Policy, parse: Parse) -> Plan:
    """Return what an apply would do. Raises HistoryConflict, GateRefused, UsageError, MigrationFileError."""
    waiting = try_each((each.database, partial(_waiting, each, policy, parse)) for each in known)
    passed = pass_gate(waiting, policy.gate)
    by_database = {each.database: each for each in known}
    planned = [each for each in passed if by_database[each.database].selected]
    running = {MigrationRef(each.database, one.version) for each in planned for one in each.run}
    _require_selected(passed, by_database, running)
    databases = tuple(_database_plan(each, by_database[each.database], policy, running) for each in planned)
    return Plan(
        policy.environment,
        Direction.UP,
        databases,
        stages([each.actions for each in databases]),
        policy.gate,
        policy.to,
        policy.out_of_order,
    )


def _waiting(known: DatabaseState, policy: Policy, parse: Parse) -> PendingDatabase:
    files = pending(
        known.database,
        known.history,
        known.files,
        out_of_order=policy.out_of_order,
        parse=partial(parse, known.database),
    )
    _require_finished(known, Direction.DOWN)
    if policy.to is not None and known.selected:
        _require_version(known, policy.to)
    return PendingDatabase(
        known.database,
        tuple(_parsed(known.database, files, parse)),
        frozenset(each.version for each in known.history.applied),
        policy.to if known.selected else None,
    )


def _parsed(database: str, files: Iterable[MigrationFile], parse: Parse) -> list[Migration]:
    """Return what `files` hold. Raises what is wrong with any of them, together."""
    return try_each((database, partial(parse, database, file)) for file in files)


def _require_version(known: DatabaseState, version: str) -> None:
    if not any(order(each.version) == order(version) for each in known.files):
        raise UsageError(
            f"{known.database} has no migration {version}",
            because="no file carries that version",
            try_=Hint(call("status", about=known.database), " shows the versions there are"),
        )


def _require_selected(
    passed: Sequence[GateResult], by_database: Mapping[str, DatabaseState], running: set[MigrationRef]
) -> None:
    """Refuse to run what comes after something that is pending where no work is wanted."""
    for each in passed:
        if not by_database[each.database].selected:
            continue
        for migration in each.run:
            for ref in migration.after:
                if ref in running or by_database[ref.database].history.revision(ref.version) is not None:
                    continue
                raise UsageError(
                    f"{each.database}:{migration.label} comes after {ref}, which is pending and not selected",
                    because="the selection leaves its database out",
                    try_=f"select {ref.database} as well, or apply it there first",
                    at=Location(migration.path),
                )


def _database_plan(
    passed: GateResult, known: DatabaseState, policy: Policy, running: set[MigrationRef]
) -> DatabasePlan:
    unfinished = {each.version for each in known.history.unfinished}
    actions = tuple(
        Action(
            passed.database,
            migration,
            Direction.UP,
            tuple(ref for ref in migration.after if ref in running and ref.database != passed.database),
            migration.version in unfinished,
        )
        for migration in passed.run
    )
    return DatabasePlan(passed.database, actions, passed.deferred, _basis(known, actions, policy))


def plan_down(
    known: DatabaseState, policy: Policy, parse: Parse, *, steps: int = 1, to: str | None = None
) -> Plan:
    """Return what a revert of the last `steps` migrations, or of all after version `to`, would do.

    Raises Irreversible for one that cannot be reverted, HistoryConflict, UsageError.
    """
    # Files and history have to agree.
    pending(
        known.database, known.history, known.files, out_of_order=True, parse=partial(parse, known.database)
    )
    _require_finished(known, Direction.UP)
    actions = tuple(
        Action(known.database, migration, Direction.DOWN, (), state is not None)
        for migration, state in _to_revert(known, parse, steps, to)
    )
    database = DatabasePlan(known.database, actions, (), _basis(known, actions, policy))
    return Plan(
        policy.environment,
        Direction.DOWN,
        (database,),
        (tuple(each.ref for each in actions),) if actions else (),
    )


def combined(plans: Sequence[Plan]) -> Plan:
    """Return one plan to revert on several databases: what came after another database's migration goes first."""
    actions = [action for plan in plans for database in plan.databases for action in database.actions]
    dependants: dict[MigrationRef, list[MigrationRef]] = {}
    for action in actions:
        for ref in action.migration.after:
            dependants.setdefault(ref, []).append(action.ref)
    databases = tuple(
        replace(
            database,
            actions=tuple(
                replace(action, waits_for=tuple(dependants.get(action.ref, ())))
                for action in database.actions
            ),
        )
        for plan in plans
        for database in plan.databases
    )
    return replace(plans[0], databases=databases, stages=stages([each.actions for each in databases]))


def require_no_dependants(plan: Plan, database: str, migration: Migration) -> None:
    """Raise Refused if `plan` reverts something that `migration`, applied on another database, came after."""
    reverted = {action.ref for each in plan.databases for action in each.actions}
    own = MigrationRef(database, migration.version)
    for ref in migration.after:
        if ref in reverted and own not in reverted:
            raise Refused(
                f"{ref} cannot be reverted: {own} was applied after it",
                because=f"{migration.label} says after={ref}, so it may rest on what would go",
                try_=Hint("revert what came after it first: ", call("revert", about=database)),
                at=Location(migration.path),
            )


def _to_revert(
    known: DatabaseState, parse: Parse, steps: int, to: str | None
) -> list[tuple[Migration, Revision | None]]:
    files = {order(each.version): each for each in known.files}
    revisions = sorted(known.history.revisions, key=lambda each: order(each.version), reverse=True)
    if to is not None:
        if order(to) != 0 and not any(order(each.version) == order(to) for each in revisions):
            raise UsageError(
                f"{known.database} has not applied {to}",
                because="--to names the version that stays the last one",
                try_=Hint(
                    call("status", about=known.database),
                    " shows what is applied; --to 0 reverts everything",
                ),
            )
        revisions = [each for each in revisions if order(each.version) > order(to)]
    else:
        revisions = revisions[:steps]
    chosen = _parsed(known.database, [files[order(each.version)] for each in revisions], parse)
    try_each((known.database, partial(_require_reversible, known.database, each)) for each in chosen)
    return [
        (migration, each if each.state.value == "started" else None)
        for migration, each in zip(chosen, revisions, strict=True)
    ]


def _require_reversible(database: str, migration: Migration) -> None:
    if migration.down:
        return
    is_program = migration.path.endswith(".py")
    because = f"its file has no {'function `down`' if is_program else 'down section'}"
    try_ = "restore a backup, or write a migration that goes forward to where you want to be"
    if migration.irreversible:
        because = migration.irreversible.because
    elif migration.down_line:
        because = f"its down section on line {migration.down_line} is empty"
        try_ = Hint(
            "write there what undoes it, if only a statement that does nothing, and accept the file: ",
            call("repair", migration.version, "--checksum", about=database),
        )
    raise Irreversible(
        f"{migration.label} cannot be reverted on {database}",
        because=because,
        try_=try_,
        at=Location(migration.path, 0 if migration.irreversible else migration.down_line),
    )


def _require_finished(known: DatabaseState, direction: Direction) -> None:
    for revision in known.history.unfinished:
        if revision.direction is not direction:
            continue
        verb = "revert" if direction is Direction.DOWN else "apply"
        raise HistoryConflict(
            f"{known.database} is in the middle of {'reverting' if verb == 'revert' else 'applying'} "
            f"{revision.label}",
            because="a former run ended before it was done",
            try_=Hint("finish it first: ", call(verb, about=known.database)),
        )


def _basis(known: DatabaseState, actions: Sequence[Action], policy: Policy) -> tuple[str, ...]:
    """Return a digest for every state that the plan passes through, from before the first action on."""
    applied = {each.version: each.checksum for each in known.history.applied}
    last = max(map(order, applied), default=-1)
    digest = _digest(known, applied, policy)
    states = [digest.hexdigest()]
    for action in actions:
        version, checksum = action.migration.version, action.migration.checksum
        if action.direction is Direction.UP and order(version) > last:  # the usual way: one line more
            applied[version], last = checksum, order(version)
            digest.update(_applied_line(version, checksum))
        else:
            applied = {key: value for key, value in applied.items() if key != version}
            applied |= {version: checksum} if action.direction is Direction.UP else {}
            last = max(map(order, applied), default=-1)
            digest = _digest(known, applied, policy)
        states.append(digest.hexdigest())
    return tuple(states)


def basis(known: DatabaseState, policy: Policy) -> str:
    """Return the digest of the state that a database is in now; unfinished work counts as not done."""
    applied = {each.version: each.checksum for each in known.history.applied}
    return _digest(known, applied, policy).hexdigest()


def _digest(known: DatabaseState, applied: Mapping[str, str], policy: Policy) -> Hash:
    """Return the digest so far: what is applied comes last, so that a plan's states share all but that."""
    lines = [
        f"database {known.database} environment {policy.environment} protected {policy.protected}",
        f"gate {policy.gate.value} to {policy.to} out of order {policy.out_of_order}",
        *(f"file {each.version} {each.checksum}" for each in known.files),
    ]
    digest = sha256("\n".join(lines).encode())
    for version in sorted(applied, key=order):
        digest.update(_applied_line(version, applied[version]))
    return digest


def _applied_line(version: str, checksum: str) -> bytes:
    return f"\napplied {version} {checksum}".encode()

"""What a contract of a protected environment waits for: a passing `verify` of all that touches its database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from seedbed.errors import Hint, Refused, call
from seedbed.model.history import History
from seedbed.model.migration import Direction, MigrationFile, Phase
from seedbed.model.plan import Action, DatabasePlan, Plan, Unverified
from seedbed.model.verification import Verdict
from seedbed.model.verified import Claim, Finding, Verified, VerifyRecord, history_digest
from seedbed.planning.pending import order
from seedbed.support.phrases import listed, moment, number, whole_hours

_VERIFY = Hint(call("verify", about_all=True))
_CORRECT = Hint(
    "correct what ", _VERIFY, " shows, in the data or in what is declared, and run it again until it passes"
)
_MIGRATE = Hint(
    call("plan", "--through", "migrate", "--out", "plan.json", about_all=True),
    "; ",
    call("apply", "plan.json", about_all=True),
    "; ",
    call("verify", about_all=True),
)


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


class Gate(Struct, frozen=True):
    """What is asked of a contract: by database, the claims that touch it, and what it keeps of `verify`.

    `histories`: of every database that is known; `max_age`: seconds.
    """

    claims: Mapping[str, Sequence[Claim]]
    kept: Mapping[str, Verified]
    histories: Mapping[str, History]
    max_age: float


def contracts(plan: DatabasePlan) -> list[Action]:
    """Return the contracts that `plan` begins; one that was begun before goes on, whatever is known by now."""
    return [
        each
        for each in plan.actions
        if each.migration.phase is Phase.CONTRACT and each.direction is Direction.UP and not each.resumes
    ]


def gated(plan: Plan, gate: Gate) -> Plan:
    """Return `plan` with what its contracts still wait for, by their databases."""
    databases = [
        replace(each, unverified=tuple(_unverified(plan, each, gate)))
        if contracts(each) and gate.claims.get(each.database)
        else each
        for each in plan.databases
    ]
    return replace(plan, databases=tuple(databases))


def require_verified(plan: Plan) -> None:
    """Raise Refused, naming all of it, if contracts of `plan` wait for `verify`."""
    missing = [(each.database, one) for each in plan.databases for one in each.unverified]
    if missing:
        databases = sorted({database for database, _ in missing})
        raise Refused(
            f"{plan.environment} is protected: contracts of {listed(databases)} wait for verify",
            because="\n           ".join(f"{database}: {one.what}" for database, one in missing),
            try_=missing[0][1].try_,
        )


def _unverified(plan: Plan, database: DatabasePlan, gate: Gate) -> Iterator[Unverified]:
    own = contracts(database)
    first, last = own[0].migration.version, own[-1].migration
    after = {ref.database: each for each in own for ref in each.migration.after}
    after.pop(database.database, None)
    if between := _between(database, own):
        try_ = Hint(call("plan", "--to", first, "--out", "plan.json", about=database.database))
        what = f"{_pending(between)}, after {own[0].migration.label} and before {last.label}"
        yield Unverified(last.version, what, try_)
        return
    if waiting := list(_waiting(plan, database, own[0], after)):
        yield from (Unverified(first, what, _MIGRATE) for what in waiting)
        return
    kept = gate.kept[database.database]
    latest = {each: _latest(kept, each.name) for each in gate.claims[database.database]}
    yield from (Unverified(first, what, try_) for what, try_ in _of_claims(latest))
    records = {record.id: record for record, _ in filter(None, latest.values())}
    for record in records.values():
        for what in _of_record(record, database.database, after, kept.now, gate):
            yield Unverified(first, what, _VERIFY)


def _between(database: DatabasePlan, own: Sequence[Action]) -> list[Action]:
    """Return what goes through migrate after the first contract and before the last: the last needs a `verify` then."""
    begin, end = database.actions.index(own[0]), database.actions.index(own[-1])
    return [each for each in database.actions[begin:end] if each.migration.phase is Phase.MIGRATE]


def _waiting(
    plan: Plan, database: DatabasePlan, contract: Action, after: Mapping[str, Action]
) -> Iterator[str]:
    """Yield what runs in the same plan before the contract, and would be newer than anything verified."""
    before = database.actions[: database.actions.index(contract)]
    if pending := [each for each in before if each.migration.phase is not Phase.CONTRACT]:
        yield _pending(pending)
    for each in plan.databases:
        fill = [one for one in each.actions if one.migration.phase is Phase.MIGRATE]
        if each.database in after and fill:
            label = after[each.database].migration.label
            yield f"{_pending(fill)} in {each.database}, which {label} comes after"


def _pending(actions: Sequence[Action]) -> str:
    labels = listed([each.migration.label for each in actions])
    return f"{labels} {'is' if len(actions) == 1 else 'are'} pending at the gate migrate"


def _latest(kept: Verified, name: str) -> tuple[VerifyRecord, Finding] | None:
    """Return what was found of a claim last; a run that read new rows alone counts where it found something wrong."""
    for each in kept.records:
        found = each.finding(name)
        if found and (found.is_full or not found.is_passed):
            return each, found
    return None


def _of_claims(latest: Mapping[Claim, tuple[VerifyRecord, Finding] | None]) -> Iterator[tuple[str, str]]:
    """Yield which claims were never verified as they are declared, or did not pass, and what to try."""
    never = [claim.name for claim, found in latest.items() if found is None]
    if never:
        yield f"never verified: {listed(never, separator='; ')}", _VERIFY
    for claim, found in latest.items():
        if found is None:
            continue
        record, finding = found
        if finding.claim != claim:
            yield f"{claim.name} is declared otherwise since it was verified at {moment(record.at)}", _VERIFY
        elif finding.verdict is Verdict.UNVERIFIED:
            yield f"{claim.name} could not be verified at {moment(record.at)}", _CORRECT
        elif not finding.is_passed:
            wrong = f": {number(finding.wrong)} wrong" if finding.wrong else ""
            yield f"{claim.name} is {finding.verdict}{wrong}, verified at {moment(record.at)}", _CORRECT


def _of_record(
    record: VerifyRecord, database: str, after: Mapping[str, Action], now: datetime | None, gate: Gate
) -> Iterator[str]:
    """Yield why what `record` says is not about the databases as they are now."""
    taken = f"what was verified at {moment(record.at)}"
    history = gate.histories[database]
    if record.identity != str(history.identity):
        yield f"{taken} was {record.identity}"
        return
    if record.histories.get(database) != history_digest(history):
        yield f"{taken} is older than the last migrate step of {database}, or of another history"
    for each, action in after.items():
        if _is_older(record, each, gate.histories):
            yield f"{taken} is older than the last migrate step of {each}, which {action.migration.label} comes after"
    if record.pending:
        were = "was" if len(record.pending) == 1 else "were"
        yield (
            f"{listed(record.pending)} of {database} {were} pending at the gate migrate when it was verified at"
            f" {moment(record.at)}"
        )
    if now and (now - record.since).total_seconds() > gate.max_age:
        yield f"{taken} is older than {whole_hours(gate.max_age)}"


def _is_older(record: VerifyRecord, database: str, histories: Mapping[str, History]) -> bool:
    """Return whether `database` has been through migrate since; by the clocks, where it took no part in `record`."""
    if (history := histories.get(database)) is None:
        return False  # it did not answer: what comes after it is skipped
    if database in record.histories:
        return record.histories[database] != history_digest(history)
    ends = [each.applied_at for each in history.revisions if each.phase is Phase.MIGRATE and each.applied_at]
    return max(ends, default=record.since) > record.since

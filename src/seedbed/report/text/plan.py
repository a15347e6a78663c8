"""A plan as a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from seedbed.documents.deployment import ChangeEntry
from seedbed.documents.plan import (
    ActionEntry,
    DatabasePlanEntry,
    DeferredEntry,
    HazardEntry,
    PlanDocument,
    StepEntry,
)
from seedbed.documents.planned_seeds import SeedEntry
from seedbed.documents.prospects import UnverifiedEntry
from seedbed.errors import Hint, call, hint_text
from seedbed.model.environment import SANDBOX
from seedbed.model.migration import Direction, Phase
from seedbed.report.styles import Line, Lines, Row, Style, Table, line, row
from seedbed.report.text.changes import SIGNS, change_row, note
from seedbed.report.text.seen import seen_text
from seedbed.report.text.stacks import stacks_text
from seedbed.support.phrases import count, flat, number


def plan_text(plan: PlanDocument, *, summary: bool = False) -> Lines:
    """Return what a plan would do, database by database, and in one sentence at the end.

    One line for each statement; with `summary`, one for each database.
    """
    page = seen_text(((each.database, each.seen) for each in plan.databases), "plan", plan.environment)
    if summary:
        return [*page, *_summary(plan), _sum(plan)]
    aged = len(page)
    for each in plan.databases:
        if _is_busy(each):
            page += [_database(each), line()]
    if len(page) > aged and (idle := [each.database for each in plan.databases if not _is_busy(each)]):
        page += [line((f"nothing to do: {', '.join(idle)}", Style.DIM)), line()]
    if len(plan.stages) > 1:
        page += [*_stages(plan), line()]
    page += stacks_text(plan.stacks, plan.stacks_unseen)
    page += [*terms, line()] if (terms := list(_terms(plan))) else []
    return [*page, _sum(plan)]


def _summary(plan: PlanDocument) -> Lines:
    rows = [
        row(
            (each.database, Style.BOLD),
            kinds_words(each.actions)
            or ("nothing to do" if not _is_busy(each) else _if_any(len(each.logins), "{} of logins")),
            _if_any(len(each.changes), "{} to deploy"),
            _if_any(len(each.deferred) + len(each.deferred_changes), "{} deferred"),
            _if_any(len(each.seeds), "{} to seed"),
            (_if_any(sum(not one.allowed for one in each.hazards), "{} hazards"), Style.WARN),
            (_if_any(len({one.version for one in each.hazards if one.fails}), "{} would fail"), Style.BAD),
            ("waits for verify" if each.unverified else "", Style.BAD),
        )
        for each in plan.databases
    ]
    return [Table(tuple(rows), flex=1), line()] if rows else []


def _if_any(value: int, words: str) -> str:
    return words.format(number(value)) if value else ""


def kinds_words(actions: Sequence[ActionEntry]) -> str:
    """Return how many of `actions` are in each phase: `3 expand, 1 contract`."""
    phases = Counter(action.phase for action in actions)
    return ", ".join(f"{number(phases[phase])} {phase.value}" for phase in Phase if phases[phase])


def _is_busy(plan: DatabasePlanEntry) -> bool:
    changes = plan.changes or plan.deferred_changes or plan.logins
    return bool(plan.actions or plan.deferred or changes or plan.seeds)


def _database(plan: DatabasePlanEntry) -> Table:
    rows: list[Row | Line] = [line((plan.database, Style.BOLD))]
    for change in plan.changes:
        rows += _change(change)
    for change in plan.deferred_changes:
        rows += [
            row(("○", Style.DIM), "deploy", change.what, (change.phase.value, Style.DIM)),
            note(f"deferred: it goes at {change.phase.value}", Style.WARN),
        ]
    rows += [row(("+", Style.GOOD), "login", each, "") for each in plan.logins]
    for action in plan.actions:
        rows += _action(action)
        rows += _about(plan, action.version)
    rows += [note(f"not known without asking it: {each}", Style.WARN) for each in plan.unknown]
    for deferred in plan.deferred:
        rows += _deferred(deferred)
    for seed in plan.seeds:
        rows += _seed(seed)
    return Table(tuple(rows), indent=2)


def _about(plan: DatabasePlanEntry, version: str) -> Iterator[Line]:
    """Yield what there is to know of one action besides itself."""
    for unmet in plan.unmet:
        if unmet.version == version:
            yield note(f"cannot run yet: {unmet.needs}", Style.WARN)
    for hazard in plan.hazards:
        if hazard.version == version:
            yield from _hazard(hazard)
    yield from _unverified([each for each in plan.unverified if each.version == version])
    for loss in plan.losses:
        if loss.version == version:
            yield note(f"removes {loss}", Style.BAD)
    for estimate in plan.estimates:
        if estimate.version == version:
            yield from map(note, estimate.lines)


def _unverified(missing: Sequence[UnverifiedEntry]) -> Iterator[Line]:
    for each in missing:
        yield note(f"waits for verify: {each.what}", Style.BAD)
    for try_ in dict.fromkeys(each.try_ for each in missing):
        yield note(f"try: {try_}")


def _hazard(hazard: HazardEntry) -> Iterator[Line]:
    where = f" (line {hazard.line})" if hazard.line else ""
    if hazard.allowed:
        yield note(f"{hazard.code} {hazard.what}{where}: allowed because {hazard.allowed}")
        return
    refused = "; refused where it is protected" if hazard.refused and not hazard.fails else ""
    refused = "; refused where it lies in a base" if hazard.in_base else refused
    style = Style.BAD if hazard.refused or hazard.fails or hazard.in_base else Style.WARN
    yield note(f"{hazard.code} {hazard.what}{where}{refused}", style)
    if hazard.because:
        yield note(f"because {hazard.because}")
    if hazard.try_:
        yield note(f"try: {hazard.try_}")


def _change(change: ChangeEntry) -> Iterator[Row | Line]:
    yield change_row(change, "deploy")
    if change.refused:
        yield note(f"no update can make it: {change.refused}", Style.BAD)
        if change.try_:
            yield note(f"try: {change.try_}")


def _action(action: ActionEntry) -> Iterator[Row | Line]:
    sign, style = SIGNS[action.phase]
    down = action.direction is Direction.DOWN
    words = f"revert {action.phase.value}" if down else action.phase.value
    if down:
        sign, style = "-", Style.WARN
    yield row((sign, style), action.version, action.name, (words, style))
    if action.resumes:
        yield note("resumes an interrupted run", Style.WARN)
    for ref in action.after if not down else ():
        yield note(f"after {ref}")
    if not action.steps:
        yield note("does nothing: its section holds no statement", Style.WARN)
    for step in action.steps:
        yield from _step(step, is_program=action.is_program)
    for each in action.expects:
        yield line(f"expects no rows of: {flat(each.query)}", indent=6, flex=0)
        if each.because:
            yield note(f"because {each.because}")
    if not down:
        yield from _irreversible(action)


def _step(step: StepEntry, *, is_program: bool) -> Iterator[Line]:
    """Yield a line for each statement; a note about the step stands after its last one."""
    notes = ["a program: --sql shows it"] if is_program else []
    if step.backfill:
        along = ".".join(filter(None, (step.backfill.table, step.backfill.key)))
        notes.append(f"in batches of {number(step.backfill.batch)} along {along}")
    elif not step.atomic:
        notes.append("not in a transaction")
    said = f"  ({', '.join(notes)})" if notes else ""
    for statement in step.statements[:-1]:
        yield line(statement, indent=6, flex=0)
    for statement in step.statements[-1:]:
        yield line(statement, (said, Style.DIM), indent=6, flex=0)


def _irreversible(action: ActionEntry) -> Iterator[Line]:
    if action.irreversible_because:
        yield note(f"irreversible because {action.irreversible_because}", Style.WARN)
    elif not action.reversible:
        lacks = "it has no function `down`" if action.is_program else "its down section is missing or empty"
        yield note(f"irreversible: {lacks}", Style.WARN)


def _deferred(deferred: DeferredEntry) -> Iterator[Row | Line]:
    yield row(("○", Style.DIM), deferred.version, deferred.name, (deferred.phase.value, Style.DIM))
    yield note(f"{'blocked' if deferred.blocked_by else 'deferred'}: {deferred.because}", Style.WARN)


def _seed(seed: SeedEntry) -> Iterator[Row | Line]:
    yield row(("+", Style.GOOD), "seed", seed.name, (seed.kind.value, Style.GOOD))
    what = "a script" if not seed.table else f"rows into {seed.table}"
    if seed.rows is not None:
        what = f"{count(seed.rows, 'row')} into {seed.table}"
    yield note(f"{what}{', a program: --sql shows it' if seed.is_program else ''}; sha256 {seed.sha256}")
    for statement in seed.statements:
        yield line(statement, indent=6, flex=0)


def _stages(plan: PlanDocument) -> Iterator[Line]:
    labels = {
        f"{each.database}:{action.version}": action.label
        for each in plan.databases
        for action in each.actions
    }
    for position, stage in enumerate(plan.stages, 1):
        inside: dict[str, list[str]] = {}
        for ref in stage:
            database, _, version = ref.rpartition(":")
            inside.setdefault(database, []).append(labels.get(ref, version))
        parts = [f"{database}: {_range(those)}" for database, those in inside.items()]
        yield line((f"stage {position}: ", Style.BOLD), "\n".join(parts))


def _range(labels: Sequence[str]) -> str:
    if len(labels) < 3:
        return ", ".join(labels)
    return f"{labels[0]} … {labels[-1]} ({len(labels)})"


def _terms(plan: PlanDocument) -> Iterator[Line]:
    """Yield what a release asks for before its phases, and after which of them `revert` does not lead back."""
    if plan.release:
        yield line(f"release {plan.release}: its steps alone may carry it out")
    if plan.approvals_needed:
        needed = [f"{each.step} {each.approvals}" for each in plan.approvals_needed]
        yield line("approvals: ", ", ".join(needed))
    if not (plan.release or plan.approvals_needed):
        return
    if plan.snapshots:
        yield line("snapshots before contract: ", ", ".join(plan.snapshots))
    for each in plan.rollback:
        for said in each.irreversible:
            yield line((f"{each.phase} cannot be reverted: {said}", Style.WARN))


_NOTHING = "nothing to do: every database is up to date"


def _sum(plan: PlanDocument) -> Line:
    said = sum_words(plan)
    return line((said, Style.GOOD if said == _NOTHING else Style.BOLD))


def sum_words(plan: PlanDocument) -> str:
    """Return what a plan would do, in one sentence."""
    actions = [action for each in plan.databases for action in each.actions]
    deferred = sum(len(each.deferred) for each in plan.databases)
    refused = sum(bool(change.refused) for each in plan.databases for change in each.changes)
    changes = sum(len(each.changes) for each in plan.databases) - refused
    seeds = sum(len(each.seeds) for each in plan.databases)
    tail = f"; {number(deferred)} deferred" if deferred else ""
    tail += f"; {count(seeds, 'seed')} to load" if seeds else ""
    logins = sum(len(each.logins) for each in plan.databases)
    tail += f"; {count(logins, 'change')} of logins" if logins else ""
    stacks = sum(bool(each.changes) for each in plan.stacks)
    tail += f"; {count(stacks, 'stack')} to update" if stacks else ""
    never = f"; {count(refused, 'change')} that cannot be made" if refused else ""
    it = "it" if changes == 1 else "them"
    is_direct = plan.environment == SANDBOX
    how = f"apply makes {it}" if is_direct else hint_text(Hint(call("deploy")), plan.environment, "")
    deploy = f"{count(changes, 'change')} to deploy{{}}: {how}" if changes else ""
    down = plan.direction is Direction.DOWN
    if actions:
        databases = count(sum(bool(each.actions) for each in plan.databases), "database")
        first = f"; {deploy.format(' first')}" if changes else ""
        verb = "revert" if down else "apply"
        kinds = kinds_words(actions)
        return f"{number(len(actions))} to {verb} in {databases}: {kinds}{tail}{first}{never}"
    if changes:
        return f"{deploy.format('')}{tail}{never}"
    if down:
        return "nothing to revert"
    if refused:
        return f"nothing to deploy or apply{tail}{never}"
    if deferred:
        return f"nothing to apply now{tail}"
    if logins and not seeds:
        return f"no migration to apply{tail}: apply makes them"
    if seeds or stacks:
        return f"nothing to apply: every database is up to date{tail}"
    return _NOTHING

"""Plans, status, outcomes and errors as pages for people. Pure: what they are told is all they know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from seedbed.errors import ExitCode, SeedbedError
from seedbed.model.deployment import Change
from seedbed.model.event import Event, SeedLoaded
from seedbed.model.hazard import Hazard
from seedbed.model.migration import Direction, Migration, Phase, Step
from seedbed.model.outcome import Outcome, Result, TargetOutcome
from seedbed.model.plan import Action, DatabasePlan, Held, Plan
from seedbed.model.status import DatabaseStatus, MigrationStatus, Standing, Status
from seedbed.report.deployments import SIGNS, change_row
from seedbed.report.styles import Line, Row, Span, Style, Table, line, row
from seedbed.support.phrases import count, duration, listed, number

Lines = list[Line | Table]

_STANDINGS = {
    Standing.APPLIED: ("✓", Style.GOOD),
    Standing.PENDING: ("○", Style.CHANGE),
    Standing.STARTED: ("◐", Style.WARN),
    Standing.UNKNOWN: ("?", Style.BAD),
    Standing.EDITED: ("≠", Style.BAD),
    Standing.MISSING: ("!", Style.BAD),
    Standing.LATE: ("!", Style.BAD),
}
_GRAVE = tuple(each for each in Standing if each not in {Standing.APPLIED, Standing.PENDING})
_RESULTS = {
    Result.CHANGED: ("✓", Style.GOOD),
    Result.UNCHANGED: ("✓", Style.DIM),
    Result.FAILED: ("✗", Style.BAD),
    Result.SKIPPED: ("○", Style.WARN),
    Result.PENDING: ("?", Style.WARN),
}


# plans


def plan_text(plan: Plan) -> Lines:
    """Return what a plan would do, database by database, and in one sentence at the end."""
    page: Lines = []
    for each in plan.databases:
        if _is_busy(each):
            page += [_database_plan(each), line()]
    if page and (idle := [each.database for each in plan.databases if not _is_busy(each)]):
        page += [line((f"nothing to do: {', '.join(idle)}", Style.DIM)), line()]
    if len(plan.stages) > 1:
        page += [*_stages(plan), line()]
    return [*page, _sum(plan)]


def _is_busy(plan: DatabasePlan) -> bool:
    return bool(plan.actions or plan.held or plan.changes or plan.kept)


def _database_plan(plan: DatabasePlan) -> Table:
    rows: list[Row | Line] = [line((plan.database, Style.BOLD))]
    for change in plan.changes:
        rows += _change(change)
    for change in plan.kept:
        rows += [
            row(("○", Style.DIM), "deploy", change.what, (change.phase.value, Style.DIM)),
            _note(f"held: it goes at {change.phase.value}", Style.WARN),
        ]
    for action in plan.actions:
        rows += _action(action)
        version = action.migration.version
        if needs := plan.unmet.get(version):
            rows.append(_note(f"cannot run yet: {needs}", Style.WARN))
        for hazard in plan.hazards.get(version, ()):
            rows += _hazard(action.migration, hazard)
        if estimate := plan.estimate(version):
            rows += [_note(each) for each in estimate.lines]
    for held in plan.held:
        rows += _held(held)
    return Table(tuple(rows), indent=2)


def _hazard(migration: Migration, hazard: Hazard) -> Iterator[Row | Line]:
    taken = next((each.because for each in migration.allows if each.code == hazard.code), "")
    where = f" (line {hazard.line})" if hazard.line else ""
    if taken:
        yield _note(f"{hazard.code} {hazard.what}{where}: allowed because {taken}")
        return
    refused = "; refused where it is protected" if hazard.refused else ""
    style = Style.BAD if hazard.refused else Style.WARN
    yield _note(f"{hazard.code} {hazard.what}{where}{refused}", style)
    if hazard.because:
        yield _note(f"because {hazard.because}")
    if hazard.try_:
        yield _note(f"try: {hazard.try_}")


def _change(change: Change) -> Iterator[Row | Line]:
    yield change_row(change, "deploy")
    if change.refused:
        yield _note(f"no update can make it: {change.refused}", Style.BAD)
        if change.try_:
            yield _note(f"try: {change.try_}")


def _action(action: Action) -> Iterator[Row | Line]:
    migration = action.migration
    sign, style = SIGNS[migration.phase]
    down = action.direction is Direction.DOWN
    words = f"revert {migration.phase.value}" if down else migration.phase.value
    if down:
        sign, style = "-", Style.WARN
    yield row((sign, style), migration.version, migration.name, (words, style))
    if action.resumes:
        yield _note("goes on where a former run stopped", Style.WARN)
    for ref in migration.after if not down else ():
        yield _note(f"after {ref}")
    for step in migration.steps(action.direction):
        yield from _step(step)
    if not down:
        yield from _no_way_back(migration)


def _note(text: str, style: Style = Style.DIM) -> Line:
    return line((text, style), indent=6)


def _step(step: Step) -> Iterator[Line]:
    facts = []
    if step.backfill:
        along = ".".join(filter(None, (step.backfill.table, step.backfill.key)))
        facts.append(f"in batches of {number(step.backfill.batch)} along {along}")
    elif not step.atomic:
        facts.append("not in a transaction")
    summary = " ".join(step.summary.split()) or (f"step {step.index + 1}" if facts else "")
    if summary:
        said = f"  ({', '.join(facts)})" if facts else ""
        yield line(summary, (said, Style.DIM), indent=6, flex=0)


def _no_way_back(migration: Migration) -> Iterator[Line]:
    if migration.irreversible:
        yield _note(f"no way back because {migration.irreversible.because}", Style.WARN)
    elif not migration.down:
        yield _note("no way back: its file has no down section", Style.WARN)


def _held(held: Held) -> Iterator[Row | Line]:
    yield row(("○", Style.DIM), held.ref.version, held.name, (held.phase.value, Style.DIM))
    yield _note(f"held: {held.because}", Style.WARN)


def _stages(plan: Plan) -> Iterator[Line]:
    names = {action.ref: action.migration.label for each in plan.databases for action in each.actions}
    for position, stage in enumerate(plan.stages, 1):
        inside: dict[str, list[str]] = {}
        for ref in stage:
            inside.setdefault(ref.database, []).append(names.get(ref, ref.version))
        parts = [f"{database}: {_range(labels)}" for database, labels in inside.items()]
        yield line((f"stage {position}: ", Style.BOLD), "\n".join(parts))


def _range(labels: Sequence[str]) -> str:
    if len(labels) < 3:
        return ", ".join(labels)
    return f"{labels[0]} … {labels[-1]} ({len(labels)})"


def _sum(plan: Plan) -> Line:
    actions = [action for each in plan.databases for action in each.actions]
    held = sum(len(each.held) for each in plan.databases)
    down = plan.direction is Direction.DOWN
    changes = sum(len(each.changes) for each in plan.databases)
    first = (
        f"; {count(changes, 'change')} to deploy first: seedbed deploy -e {plan.environment}"
        if changes
        else ""
    )
    if not actions and changes:
        held_words = f"; {number(held)} held" if held else ""
        words = f"{count(changes, 'change')} to deploy: seedbed deploy -e {plan.environment}{held_words}"
        return line((words, Style.BOLD))
    if not actions:
        if down:
            return line(("nothing to revert", Style.BOLD))
        if held:
            return line((f"nothing to apply now: {number(held)} held", Style.BOLD))
        return line(("nothing to do: every database is up to date", Style.GOOD))
    databases = count(sum(bool(each.actions) for each in plan.databases), "database")
    phases = Counter(action.migration.phase for action in actions)
    kinds = ", ".join(f"{number(phases[phase])} {phase.value}" for phase in Phase if phases[phase])
    tail = f"; {number(held)} held" if held else ""
    verb = "revert" if down else "apply"
    return line((f"{number(len(actions))} to {verb} in {databases}: {kinds}{tail}{first}", Style.BOLD))


# status


def status_text(status: Status, *, summary: bool = False) -> Lines:
    """Return where every migration stands; with `summary`, one row for each database."""
    page: Lines = []
    if summary:
        page += [Table(tuple(_short(each) for each in status.databases), flex=4), line()]
    else:
        for each in status.databases:
            page += [*_database_status(each), line()]
    return [*page, _standing(status)]


def _short(status: DatabaseStatus) -> Row:
    sign, style = _sign(status)
    return row(
        (sign, style),
        (status.database, Style.BOLD),
        (_counts(status), style),
        (status.server, Style.DIM),
        (status.error or status.address, Style.DIM),
    )


def _sign(status: DatabaseStatus) -> tuple[str, Style]:
    if status.error:
        return "✗", Style.BAD
    if status.deployment and not status.count(*_GRAVE):
        return _STANDINGS[Standing.PENDING]
    worst = [each for each in reversed(Standing) if status.count(each)]
    return _STANDINGS[worst[0]] if worst else _STANDINGS[Standing.APPLIED]


def _counts(status: DatabaseStatus) -> str:
    if status.error:
        return "no answer" if status.exit_code == ExitCode.UNAVAILABLE else "failed"
    pending = ", deployment pending" if status.deployment else ""
    if not status.migrations:
        return f"no migrations{pending}"
    counted = [(status.count(each), each) for each in Standing]
    return ", ".join(f"{number(many)} {standing.value}" for many, standing in counted if many) + pending


def _database_status(status: DatabaseStatus) -> Lines:
    facts = [status.address, status.server, "" if status.error or status.identity else "not stamped yet"]
    said = ", ".join(fact for fact in facts if fact)
    head = line(
        (status.database, Style.BOLD), (f"  {said}" if said else "", Style.DIM), f"  {_counts(status)}"
    )
    if status.error:
        return [head, line("✗ ", status.error, indent=2)]
    changes = [line(("○ to deploy  ", Style.CHANGE), each, indent=2) for each in status.deployment]
    if not status.migrations:
        return [head, *changes]
    titles = ("", "", "version", "name", "phase", "applied at (UTC)", "took")
    rows: list[Row | Line] = [row(*((title, Style.DIM) for title in titles))]
    for each in status.migrations:
        rows.append(_migration(each))
        if each.detail:
            rows.append(line((each.detail, Style.WARN), indent=4))
    return [head, *changes, Table(tuple(rows), right=frozenset({6}), flex=3, indent=2)]


def _migration(each: MigrationStatus) -> Row:
    sign, style = _STANDINGS[each.standing]
    took = duration(each.duration_ms / 1000) if each.duration_ms else ""  # 0: nobody measured
    return row(
        (sign, style),
        (each.standing.value, style),
        each.version,
        each.name,
        each.phase,
        _utc(each.applied_at),
        took,
    )


def _utc(moment: datetime | None) -> str:
    if moment is None:
        return ""
    utc = moment.astimezone(UTC) if moment.tzinfo else moment
    return utc.strftime("%Y-%m-%d %H:%M:%S")


def _standing(status: Status) -> Line:
    totals = {each: sum(one.count(each) for one in status.databases) for each in Standing}
    found = [
        f"{number(many)} {each.value}"
        for each, many in totals.items()
        if many and each is not Standing.APPLIED
    ]
    if changes := sum(len(each.deployment) for each in status.databases):
        found.append(f"{count(changes, 'change')} to deploy")
    if errors := sum(bool(each.error) for each in status.databases):
        found.append(f"{count(errors, 'database')} could not be asked")
    if not found:
        return line((f"{status.environment}: every database is up to date", Style.GOOD))
    return line((f"{status.environment}: {', '.join(found)}", Style.BOLD))


# outcomes

_STOPPED = {ExitCode.INTERRUPTED, ExitCode.TERMINATED}
_DONE = {
    "apply": "applied",
    "revert": "reverted",
    "seed": "seeded",
    "reset": "emptied",
    "repair": "repaired",
    "baseline": "recorded",
    "deploy": "deployed",
    "destroy": "destroyed",
}


def outcome_text(outcome: Outcome, verb: str) -> Lines:
    """Return how it ended for each target, and where it all stands. `verb` is the command's name."""
    rows: list[Row | Line] = []
    for each in outcome.targets:
        rows += _target(each, verb)
    page: Lines = [Table(tuple(rows)), line()] if rows else []
    return [*page, _where_it_stands(outcome, verb)]


def _target(each: TargetOutcome, verb: str) -> Iterator[Row | Line]:
    sign, style = _RESULTS[each.result]
    yield row((sign, style), (each.target, Style.BOLD), (_ended(each, verb), style))
    if each.error:
        failed = each.error
        yield line((f"{failed.at}: {failed.error}" if failed.at else failed.error, Style.BAD), indent=4)
        yield from _reasons(failed.because, failed.try_, indent=4)
    if each.held:
        yield line((f"held: {listed(each.held)}", Style.DIM), indent=4)


def _ended(each: TargetOutcome, verb: str) -> str:
    did = _did(each, verb)
    match each.result:
        case Result.UNCHANGED:
            return "nothing to do"
        case Result.CHANGED:
            return did or _DONE.get(verb, "changed")
        case Result.FAILED:
            after = f", after {did}" if did else ", part of it stayed" if each.touched else ""
            stopped = each.error is not None and each.error.exit_code in _STOPPED
            return f"{'stopped' if stopped else 'failed'}{after}"
        case Result.SKIPPED:
            return f"skipped because {each.because}" + (f", after {did}" if did else "")
        case Result.PENDING:
            return "no word of an end" + (f", after {did}" if did else "")


def _did(each: TargetOutcome, verb: str) -> str:
    parts = []
    if each.finished:
        parts.append(f"{count(len(each.finished), 'migration')} {_DONE.get(verb, 'done')}")
    if each.updates and verb == "deploy":
        parts.append(f"{count(each.updates, 'update')} deployed")
    if each.rows_changed:
        parts.append(f"{count(each.rows_changed, 'row')} inserted or updated")
    return ", ".join(parts)


def _where_it_stands(outcome: Outcome, verb: str) -> Line:
    results = Counter(each.result for each in outcome.targets)
    if results[Result.FAILED] or results[Result.SKIPPED] or results[Result.PENDING]:
        return line((_unfinished(outcome, verb, results), Style.BAD))
    held = sum(len(each.held) for each in outcome.targets)
    tail = f"; {number(held)} held" if held else ""
    if not outcome.changed:
        return line((_unchanged(verb, held) + tail, Style.GOOD))
    idle = results[Result.UNCHANGED]
    if idle:
        tail = f"; {count(idle, 'other')} had nothing to do{tail}"
    databases = count(results[Result.CHANGED], "database")
    did = _did(_all(outcome), verb)
    return line(
        (
            f"done: {did} in {databases}{tail}"
            if did
            else f"done: {databases} {_DONE.get(verb, 'changed')}{tail}",
            Style.GOOD,
        )
    )


def _all(outcome: Outcome) -> TargetOutcome:
    """Return the sum over all targets."""
    finished = tuple(version for each in outcome.targets for version in each.finished)
    return TargetOutcome(
        "",
        finished=finished,
        rows_changed=sum(each.rows_changed for each in outcome.targets),
        updates=sum(each.updates for each in outcome.targets),
    )


def _unchanged(verb: str, held: int) -> str:
    if verb == "seed":
        return "nothing changed: all rows are there already"
    if verb == "deploy":
        return "nothing to deploy: every stack is as it should be"
    if verb == "apply":
        return "nothing to apply now" if held else "nothing to do: every database is up to date"
    return f"nothing to {verb}"


def _unfinished(outcome: Outcome, verb: str, results: Counter[Result]) -> str:
    code = outcome.exit_code
    stopped = code in _STOPPED
    words = {
        Result.FAILED: "stopped" if stopped else "failed",
        Result.SKIPPED: "skipped",
        Result.PENDING: "without an end",
    }
    first, *others = [(results[each], said) for each, said in words.items() if results[each]]
    head = f"{number(first[0])} of {count(len(outcome.targets), 'database')} {first[1]}"
    rest = "".join(f", {number(many)} {said}" for many, said in others)
    return f"{'interrupted: ' if stopped else ''}{head}{rest}; {_what_stays(outcome, verb, code)}"


def _what_stays(outcome: Outcome, verb: str, code: ExitCode) -> str:
    if any(each.error and each.error.exit_code == ExitCode.PARTIAL for each in outcome.targets):
        return "what became of a step has to be looked at before the run goes on"
    if not outcome.changed:
        again = ": trying again may help" if code is ExitCode.UNAVAILABLE else ""
        return f"nothing was changed{again}"
    did = _did(_all(outcome), verb)
    return f"{did or 'what was done'} and recorded: the same {verb} goes on from there"


def seed_text(events: Iterable[Event]) -> Lines:
    """Return what loading seeds did, part by part."""
    parts = sorted((each for each in events if isinstance(each, SeedLoaded)), key=lambda each: each.target)
    if not parts:
        return [line("nothing to load: there are no seeds")]
    titles = ("database", "dataset", "part", "inserted", "updated", "unchanged")
    rows = [row(*((title, Style.DIM) for title in titles))]
    rows += [row((each.target, Style.BOLD), each.dataset, each.part, *_numbers(each)) for each in parts]
    table = Table(tuple(rows), right=frozenset({3, 4, 5}), flex=2)
    return [table, line(), _loaded(parts)]


def _numbers(each: SeedLoaded) -> tuple[Span, Span, Span]:
    return (
        Span(number(each.inserted), Style.GOOD if each.inserted else Style.DIM),
        Span(number(each.updated), Style.CHANGE if each.updated else Style.DIM),
        Span(number(each.unchanged), Style.DIM),
    )


def _loaded(parts: Sequence[SeedLoaded]) -> Line:
    inserted, updated = sum(each.inserted for each in parts), sum(each.updated for each in parts)
    if not inserted and not updated:
        return line(("nothing changed: all rows are there already", Style.GOOD))
    unchanged = sum(each.unchanged for each in parts)
    return line(
        (
            f"{count(inserted, 'row')} inserted, {number(updated)} updated, {number(unchanged)} unchanged",
            Style.BOLD,
        )
    )


# errors and findings


def error_text(error: SeedbedError) -> Lines:
    """Return what happened, because of what, and what to try; where it is in a file, that first."""
    where = (f"{error.at}: ", Style.BOLD) if error.at else ""
    return [line(where, ("error: ", Style.BAD), error.what), *_reasons(error.because, error.try_, indent=2)]


def _reasons(because: str, try_: str, *, indent: int) -> Iterator[Line]:
    if because:
        yield line(("because: ", Style.DIM), because, indent=indent)
    if try_:
        yield line(("try:     ", Style.DIM), try_, indent=indent)


def doctor_text(pairs: Iterable[tuple[str, str]]) -> Lines:
    """Return findings about this machine, one row each."""
    return [Table(tuple(row((what, Style.BOLD), finding) for what, finding in pairs))]

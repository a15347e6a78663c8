"""A plan as a script that people read: what will be sent, whole, in the order in which it is sent."""

from __future__ import annotations

from collections.abc import Iterator

from seedbed.documents.plan import ActionEntry, DatabasePlanEntry, PlanDocument, StepEntry
from seedbed.documents.planned_seeds import SeedEntry
from seedbed.model.migration import Direction
from seedbed.report.styles import Lines, Style, line
from seedbed.support.phrases import ago, count, flat, number


def script_text(plan: PlanDocument) -> Lines:
    """Return what is sent to each database; what is said about it stands in comments of its language."""
    page: Lines = []
    for each in plan.databases:
        page += [line(*one) for one in _seen(each)]
        for position, action in enumerate(each.actions, 1):
            page += [line(*one) for one in _action(each, position, action)]
        comment = _comment(each)
        for position, seed in enumerate(each.seeds, 1):
            page += [line(*one) for one in _seed(each.database, position, len(each.seeds), seed, comment)]
    return page or [line(("# nothing would be sent", Style.DIM))]


def _seen(plan: DatabasePlanEntry) -> Iterator[tuple[tuple[str, Style]]]:
    """Yield how old what the script was made from is, and what it does not know, where there is a script."""
    if plan.seen and plan.actions:
        comment = _comment(plan)
        yield (
            (
                f"{comment} {plan.database} as of {ago(plan.seen.age_seconds)}, run {plan.seen.run}",
                Style.WARN,
            ),
        )
        for each in plan.unknown:
            yield ((f"{comment} not known without asking it: {each}", Style.WARN),)


def _action(
    plan: DatabasePlanEntry, position: int, action: ActionEntry
) -> Iterator[tuple[str | tuple[str, Style], ...]]:
    comment = action.steps[0].comment if action.steps else "#"
    verb = "revert" if action.direction is Direction.DOWN else "apply"
    yield (
        (
            f"{comment} {plan.database}, {position} of {len(plan.actions)}: {verb} {action.label} "
            f"({action.phase.value})",
            Style.BOLD,
        ),
    )
    yield ((f"{comment} {action.path}, sha256 {action.checksum}", Style.DIM),)
    for ref in action.waits_for:
        yield ((f"{comment} after {ref}", Style.DIM),)
    for key, value in sorted(action.settings.items()):
        yield ((f"{comment} {key}={value}", Style.DIM),)
    for one in plan.hazards:
        if one.fails and one.version == action.version:
            yield ((f"{comment} would fail: {one.code} {one.what} (line {one.line})", Style.BAD),)
    for number_, step in enumerate(action.steps, 1):
        yield (
            (f"{comment} step {number_} of {len(action.steps)}, line {step.line}: {_how(step)}", Style.DIM),
        )
        yield (step.text.rstrip("\n"),)
        yield ("",)
    for each in action.expects:
        because = f", because {each.because}" if each.because else ""
        yield ((f"{comment} expects no rows{because}: {flat(each.query)}", Style.DIM),)
    if action.expects:
        yield ("",)


def _seed(
    database: str, position: int, total: int, seed: SeedEntry, comment: str
) -> Iterator[tuple[str | tuple[str, Style], ...]]:
    comment = seed.comment if seed.text else comment
    yield ((f"{comment} {database}, seed {position} of {total}: {seed.name} ({seed.kind})", Style.BOLD),)
    yield ((f"{comment} {seed.path}, sha256 {seed.sha256}", Style.DIM),)
    if seed.table:
        rows = "rows" if seed.rows is None else count(seed.rows, "row")
        yield ((f"{comment} {rows} into {seed.table}", Style.DIM),)
    if seed.text:
        yield (seed.text.rstrip("\n"),)
    yield ("",)


def _comment(plan: DatabasePlanEntry) -> str:
    """Return what begins a comment in the language of a database, as far as the plan shows it."""
    said = [step.comment for action in plan.actions for step in action.steps]
    said += [seed.comment for seed in plan.seeds if seed.statements]
    return next(iter(said), "#")


def _how(step: StepEntry) -> str:
    if step.backfill:
        along = ".".join(filter(None, (step.backfill.table, step.backfill.key)))
        return f"in batches of {number(step.backfill.batch)} along {along}, each with its checkpoint"
    if step.atomic:
        return "in one transaction with its record in the history"
    return "not in a transaction; recorded before and after"

"""What a deployment would do, as a page and as a document. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from seedbed.model.deployment import Change, Deployment, Rollout
from seedbed.model.migration import Phase
from seedbed.report.documents import Document, change_document, head
from seedbed.report.styles import Line, Row, Span, Style, Table, line, row
from seedbed.support.phrases import count

SIGNS = {
    Phase.EXPAND: ("+", Style.GOOD),
    Phase.MIGRATE: ("~", Style.CHANGE),
    Phase.CONTRACT: ("-", Style.REMOVE),
}


def deployment_text(deployment: Deployment) -> list[Line | Table]:
    """Return what a deployment would do, stack by stack and update by update."""
    page: list[Line | Table] = [
        line((f"prepares {where} for the CDK first", Style.WARN)) for where in deployment.bootstrap
    ]
    for each in deployment.rollouts:
        if each.waves or each.notes:
            page += [Table(tuple(_rollout(each)), indent=2), line()]
    return [*page, _sum(deployment)]


def deployment_document(deployment: Deployment) -> Document:
    return {
        **head("deployment"),
        "environment": deployment.environment,
        "gate": deployment.gate.value,
        "bootstrap": list(deployment.bootstrap),
        "stacks": [_stack(each) for each in deployment.rollouts],
    }


def _stack(rollout: Rollout) -> Document:
    return {
        "target": rollout.target,
        "stack": rollout.stack,
        "updates": [
            {
                "changes": [change_document(each) for each in wave.changes],
                "waits_for": list(wave.waits_for),
            }
            for wave in rollout.waves
        ],
        "collisions": list(rollout.collisions),
        "notes": list(rollout.notes),
    }


def _rollout(rollout: Rollout) -> Iterator[Row | Line]:
    yield line((rollout.target, Style.BOLD), (f"  {rollout.stack}", Style.DIM))
    for note in rollout.notes:
        yield line((note, Style.WARN), indent=4)
    if rollout.collisions:
        yield line((f"imported as it is: {', '.join(rollout.collisions)}", Style.WARN), indent=4)
    for number, wave in enumerate(rollout.waves, 1):
        which = f"update {number}" if len(rollout.waves) > 1 else "update"
        for change in wave.changes:
            yield change_row(change, which)
        if not wave.changes:
            yield row(("~", Style.CHANGE), which, "other resources", "")
        if wave.waits_for:
            yield line((f"then waits for {', '.join(wave.waits_for)}", Style.DIM), indent=6)


def change_row(change: Change, which: str) -> Row:
    """Return one change as a row of a table with a sign first and the phase last."""
    sign = Span(*SIGNS[change.phase])
    return row(sign, which, change.what, (change.phase.value, SIGNS[change.phase][1]))


def _sum(deployment: Deployment) -> Line:
    if deployment.is_empty:
        return line(("nothing to deploy: every stack is as it should be", Style.GOOD))
    updates = sum(len(each.waves) for each in deployment.rollouts)
    stacks = sum(bool(each.waves) for each in deployment.rollouts)
    return line((f"{count(updates, 'update')} of {count(stacks, 'stack')}", Style.BOLD))

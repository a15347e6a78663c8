"""What a deployment would do, as a page."""

from __future__ import annotations

from collections.abc import Iterator

from seedbed.documents.deployment import DeploymentDocument, StackEntry
from seedbed.report.styles import Line, Lines, Row, Style, Table, line, row
from seedbed.report.text.changes import change_row
from seedbed.support.phrases import count


def deployment_text(deployment: DeploymentDocument) -> Lines:
    """Return what a deployment would do, stack by stack and update by update."""
    page: Lines = [
        line((f"prepares {where} for the CDK first", Style.WARN)) for where in deployment.bootstrap
    ]
    for each in deployment.stacks:
        if each.updates or each.notes:
            page += [Table(tuple(_stack(each)), indent=2), line()]
    return [*page, _sum(deployment)]


def _stack(stack: StackEntry) -> Iterator[Row | Line]:
    name = (
        "" if stack.stack == stack.target else f"  {stack.stack}"
    )  # a stack without a database is its own target
    yield line((stack.target, Style.BOLD), (name, Style.DIM))
    for note in stack.notes:
        yield line((note, Style.WARN), indent=4)
    if stack.collisions:
        yield line((f"imported as it is: {', '.join(stack.collisions)}", Style.WARN), indent=4)
    for number, update in enumerate(stack.updates, 1):
        which = f"update {number}" if len(stack.updates) > 1 else "update"
        for change in update.changes:
            yield change_row(change, which)
        if not update.changes:
            yield row(("~", Style.CHANGE), which, "other resources", "")
        if update.waits_for:
            yield line((f"then waits for {', '.join(update.waits_for)}", Style.DIM), indent=6)


def _sum(deployment: DeploymentDocument) -> Line:
    updates = sum(len(each.updates) for each in deployment.stacks)
    if not updates:
        return line(("nothing to deploy: every stack is up to date", Style.GOOD))
    stacks = sum(bool(each.updates) for each in deployment.stacks)
    return line((f"{count(updates, 'update')} of {count(stacks, 'stack')}", Style.BOLD))

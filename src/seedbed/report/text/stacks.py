"""The stacks of a plan, as a part of its page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seedbed.documents.stacks import ResourceChangeEntry, StackPlanEntry
from seedbed.model.resource import Replacement, ResourceAction
from seedbed.report.styles import Line, Lines, Row, Style, Table, line, row
from seedbed.report.text.changes import note
from seedbed.support.phrases import count, listed

_SIGNS = {ResourceAction.MODIFY: ("~", Style.CHANGE), ResourceAction.REMOVE: ("-", Style.REMOVE)}
_ANEW = {Replacement.YES: "made anew", Replacement.PERHAPS: "perhaps made anew"}
_LISTED = 3  # resources that are added, by name


def stacks_text(stacks: Sequence[StackPlanEntry], unseen: str) -> Lines:
    """Return what a deployment would change in `stacks`, one after the other, and why none was looked at."""
    page: Lines = []
    for each in stacks:
        if is_busy(each):
            page += [Table(tuple(_stack(each)), indent=2), line()]
    if unseen:
        page += [line((f"stacks were not looked at: {unseen}", Style.WARN)), line()]
    return page


def is_busy(stack: StackPlanEntry) -> bool:
    return bool(stack.changes or stack.refusals or stack.notes or stack.deployed != stack.wanted)


def _stack(stack: StackPlanEntry) -> Iterator[Row | Line]:
    yield line((f"stack {stack.stack}", Style.BOLD), "" if stack.deployed else "  new")
    for each in stack.notes:
        yield note(each, Style.WARN)
    added = [each.id for each in stack.changes if each.action is ResourceAction.ADD]
    if added:
        yield row(("+", Style.GOOD), "add", count(len(added), "resource"), listed(added, _LISTED))
    for change in stack.changes:
        if change.action is not ResourceAction.ADD:
            yield from _change(change)
    if not stack.changes and not stack.refusals and stack.wanted and stack.deployed != stack.wanted:
        yield note("what is not a resource: outputs, for example")
    for refusal in stack.refusals:
        yield note(f"refused: {refusal.what}", Style.BAD)
        yield note(f"because {refusal.because}")
        if refusal.try_:
            yield note(f"try: {refusal.try_}")


def _change(change: ResourceChangeEntry) -> Iterator[Row | Line]:
    anew = _ANEW.get(change.replacement, "")
    label = f"{change.id} ({change.type.removeprefix('AWS::')})"
    scope = ", ".join(each.removeprefix("Properties.") for each in change.scope)
    yield row(_SIGNS[change.action], change.action.lower(), label, scope)
    if anew:
        yield note(
            f"{anew}, and empty: {change.because}" if change.holds else f"{anew}: {change.because}", Style.BAD
        )
    elif change.holds and change.action is ResourceAction.REMOVE:
        yield note("removed with what it holds", Style.BAD)

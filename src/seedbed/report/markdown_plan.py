"""A plan as Markdown: for a comment on a pull request, for the summary of a job.

Source: a comment on GitHub has at most 65 536 characters; two of these fit into one, of two environments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from seedbed.documents.plan import ActionEntry, DatabasePlanEntry, HazardEntry, PlanDocument
from seedbed.documents.stacks import StackPlanEntry
from seedbed.errors import Hint, call, hint_text
from seedbed.model.migration import Direction, Phase
from seedbed.model.resource import Replacement
from seedbed.report.markdown import code, fenced, table_row
from seedbed.report.styles import Lines, harmless, line
from seedbed.report.text.plan import kinds_words, sum_words
from seedbed.report.text.script import script_text
from seedbed.report.text.stacks import is_busy
from seedbed.support.phrases import ago, count, flat

LIMIT = 32_000  # characters
_ANEW = {
    Replacement.YES: "⚠ made anew",
    Replacement.PERHAPS: "⚠ perhaps made anew",
    Replacement.NO: "",
    Replacement.UNKNOWN: "",
}
_SIGNS = {Phase.EXPAND: "+", Phase.MIGRATE: "~", Phase.CONTRACT: "−"}
_KEPT = 1_000  # characters for what is said of what was cut


class _Section(NamedTuple):
    """A part of the page: where its items do not fit, some of them are left out, and how many is said."""

    head: tuple[str, ...]
    items: tuple[str, ...]
    tail: tuple[str, ...] = ()
    of: str = "line"


def plan_markdown(plan: PlanDocument, *, limit: int = LIMIT) -> Lines:
    """Return a plan: what is refused and made anew first, then everything by phase, and scripts as far as they fit."""
    head = (f"### {code(plan.environment)}: {sum_words(plan)}", "")
    sections = [
        _Section(head, ()),
        *(each for each in _sections(plan) if each.items),
    ]
    texts: list[str] = []
    left = limit - _KEPT
    cut = Counter[str]()
    for each in sections:
        fitting = _fitting(each, left)
        if fitting is None:
            cut[each.of] += len(each.items)
            continue
        kept, lost = fitting
        shown = [*each.head, *kept, *each.tail]
        texts += shown
        left -= _length(shown)
        cut[each.of] += lost
    texts += list(_foot(plan, cut))
    return [line(one) for text in texts for one in text.split("\n")]


def _length(texts: Sequence[str]) -> int:
    return sum(len(each) + 1 for each in texts)


def _fitting(section: _Section, left: int) -> tuple[list[str], int] | None:
    """Return the items of `section` that fit, and how many do not; None where nothing of it would be shown."""
    left -= _length((*section.head, *section.tail))
    kept: list[str] = []
    for each in section.items:
        if len(each) + 1 > left:
            break
        kept.append(each)
        left -= len(each) + 1
    if left < 0 or (section.items and not kept):
        return None
    return kept, len(section.items) - len(kept)


def _sections(plan: PlanDocument) -> Iterator[_Section]:
    yield _Section((), tuple(_notices(plan)), ("",), "notice")
    stacks = tuple(row for each in plan.stacks if is_busy(each) for row in _stack(each))
    yield _table(("stack", "change", "resource", "what", ""), stacks, "resource")
    hazards = tuple(_hazard(each, one) for each in plan.databases for one in each.hazards)
    yield _table(("hazard", "database", "migration", "what", "because"), hazards, "hazard")
    rows = tuple(row for phase in Phase for each in plan.databases for row in _phase(plan, each, phase))
    yield _table(("", "phase", "database", "what", ""), rows, "migration")
    seeds = tuple(
        table_row(
            code(each.database), code(one.name), one.kind, "" if one.rows is None else count(one.rows, "row")
        )
        for each in plan.databases
        for one in each.seeds
    )
    yield _table(("database", "seed", "kind", "rows"), seeds, "seed")
    yield _Section((), tuple(_terms(plan)), ("",), "term")
    for each in plan.databases:
        if each.actions or each.seeds:
            yield _script(plan, each)


def _table(columns: Sequence[str], rows: tuple[str, ...], of: str) -> _Section:
    head = (table_row(*columns), f"|{'---|' * len(columns)}")
    return _Section(head, rows, ("",), of)


def _notices(plan: PlanDocument) -> Iterator[str]:
    """Yield what nobody may overlook: what is refused, what would fail, and what is made anew with what it holds."""
    for stack in plan.stacks:
        for refusal in stack.refusals:
            yield f"- ✗ deploy would refuse it: {code(refusal.what)}, because {code(refusal.because)}"
        for change in stack.changes:
            if change.holds and _ANEW[change.replacement]:
                anew = _ANEW[change.replacement]
                yield f"- {anew}, and empty: {code(change.id)} in {code(stack.stack)}: {code(change.because)}"
    for error in plan.rejections:
        yield f"- ✗ {code(error.error)}, because {code(error.because)}"
    for database in plan.databases:
        for missing in database.unverified:
            yield f"- ○ contracts of {code(database.database)} wait for verify: {code(missing.what)}"
        for unmet in database.unmet:
            yield f"- ○ {code(unmet.version)} of {code(database.database)} cannot run yet: {code(unmet.needs)}"
        for unknown in database.unknown:
            yield f"- ○ not known without asking {code(database.database)}: {code(unknown)}"
        if database.seen:
            yield f"- ○ {code(database.database)} as of {ago(database.seen.age_seconds)}"
    if plan.stacks_unseen:
        yield f"- ○ stacks were not looked at: {code(plan.stacks_unseen)}"


def _stack(stack: StackPlanEntry) -> Iterator[str]:
    name = code(stack.stack) + ("" if stack.deployed else " (new)")
    if not stack.changes:
        yield table_row(name, "", "", "outputs" if stack.deployed != stack.wanted else "nothing", "")
    for each in stack.changes:
        yield table_row(
            name,
            each.action.lower(),
            f"{code(each.id)} {code(each.type.removeprefix('AWS::'))}",
            ", ".join(code(one.removeprefix("Properties.")) for one in each.scope),
            _ANEW[each.replacement],
        )


def _hazard(database: DatabasePlanEntry, each: HazardEntry) -> str:
    said = f"allowed because {code(each.allowed)}" if each.allowed else code(each.because)
    refused = "✗ " if (each.refused or each.fails or each.in_base) and not each.allowed else ""
    where = f" line {each.line}" if each.line else ""
    return table_row(
        f"{refused}{code(each.code)}",
        code(database.database),
        f"{code(each.version)}{where}",
        code(each.what),
        said,
    )


def _phase(plan: PlanDocument, database: DatabasePlanEntry, phase: Phase) -> Iterator[str]:
    for change in database.changes:
        if change.phase is phase:
            said = f"no update can make it: {code(change.refused)}" if change.refused else "deploy"
            yield table_row(_SIGNS[phase], phase, code(database.database), code(change.what), said)
    for change in database.deferred_changes:
        if change.phase is phase:
            yield table_row("○", phase, code(database.database), code(change.what), "deferred")
    for each in database.logins if phase is Phase.EXPAND else ():
        yield table_row("+", "", code(database.database), code(each), "login")
    for action in database.actions:
        if action.phase is phase:
            verb = "revert " if plan.direction is Direction.DOWN else ""
            what = f"{verb}{code(action.label)}"
            yield table_row(_SIGNS[phase], phase, code(database.database), what, _about(database, action))
    for later in database.deferred:
        if later.phase is phase:
            label = code(f"{later.version}_{later.name}")
            yield table_row("○", phase, code(database.database), label, code(later.because))


def _about(database: DatabasePlanEntry, action: ActionEntry) -> str:
    said = [f"after {code(each)}" for each in action.after]
    said += ["resumes an interrupted run"] * action.resumes
    for step in action.steps:
        if step.backfill:
            said.append(f"in batches along {code(step.backfill.table)}")
    said += [code(each) for one in database.estimates if one.version == action.version for each in one.lines]
    said += [f"removes {code(str(each))}" for each in database.losses if each.version == action.version]
    return "<br>".join(said)


def _terms(plan: PlanDocument) -> Iterator[str]:
    if plan.release:
        yield f"- a step of release {plan.release} alone may carry it out"
    if plan.approvals_needed:
        needed = ", ".join(f"{each.step} {each.approvals}" for each in plan.approvals_needed)
        yield f"- approvals: {needed}"
    if plan.snapshots:
        yield f"- snapshots before the contract: {', '.join(map(code, plan.snapshots))}"
    for each in plan.rollback:
        if not each.irreversible:
            yield f"- {each.phase} can be reverted"
        else:
            yield f"- {each.phase} cannot be reverted: {'; '.join(map(code, each.irreversible))}"


def _script(plan: PlanDocument, database: DatabasePlanEntry) -> _Section:
    """Return what is sent to a database, folded up: all of it, or none."""
    alone = replace(plan, databases=(replace(database, seen=None),))
    texts = ["".join(span.text for span in each.spans) for each in script_text(alone)]  # type: ignore[union-attr]
    comments = {step.comment for each in database.actions for step in each.steps}
    kinds = kinds_words(database.actions) or count(len(database.seeds), "seed")
    folded = "\n".join(
        (
            "<details>",
            f"<summary>{_html(database.database)}: {kinds}</summary>",
            "",
            fenced("\n".join(texts).rstrip("\n"), "sql" if "--" in comments else ""),
            "",
            "</details>",
            "",
        )
    )
    return _Section((), (folded,), (), "script")


def _html(text: str) -> str:
    """Return `text` as code inside of HTML, on one line."""
    shown = flat(harmless(text)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"<code>{shown}</code>"


def _foot(plan: PlanDocument, cut: Mapping[str, int]) -> Iterator[str]:
    if lost := [count(many, of) for of, many in cut.items() if many]:
        whole = hint_text(Hint(call("plan", "--sql", about_all=True)), plan.environment, "")
        yield f"Left out, for want of room: {', '.join(lost)}. All of it: {code(whole)}"
        yield ""
    said = [f"digest {code(plan.digest)}"]
    said += [f"image {code(plan.image)}"] if plan.image else []
    yield f"<sub>{', '.join(said)}</sub>"

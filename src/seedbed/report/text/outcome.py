"""What a command did, as a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from seedbed.documents.outcome import OutcomeDocument, TargetEntry
from seedbed.errors import ExitCode
from seedbed.model.outcome import Result
from seedbed.report.styles import Line, Lines, Row, Style, Table, line, row
from seedbed.report.text.errors import reasons
from seedbed.support.phrases import count, listed, number

_RESULTS = {
    Result.CHANGED: ("✓", Style.GOOD),
    Result.UNCHANGED: ("✓", Style.DIM),
    Result.FAILED: ("✗", Style.BAD),
    Result.SKIPPED: ("○", Style.WARN),
    Result.PENDING: ("?", Style.WARN),
}
_STOPPED = {ExitCode.INTERRUPTED, ExitCode.TERMINATED}
_DONE = {
    "apply": "applied",
    "revert": "reverted",
    "seed": "seeded",
    "reset": "emptied",
    "repair": "repaired",
    "deploy": "deployed",
    "destroy": "destroyed",
}


def outcome_text(outcome: OutcomeDocument) -> Lines:
    """Return how it ended for each target, and where it all stands."""
    rows: list[Row | Line] = []
    for each in outcome.targets:
        rows += target_rows(each, outcome.command)
    page: Lines = [Table(tuple(rows)), line()] if rows else []
    return [*page, _where_it_stands(outcome)]


def target_rows(each: TargetEntry, verb: str) -> Iterator[Row | Line]:
    """Yield how it ended for one target, what failed there and why."""
    sign, style = _RESULTS[each.result]
    yield row((sign, style), (each.target, Style.BOLD), (_ended(each, verb), style))
    if failed := each.error:
        yield line((f"{failed.at}: {failed.error}" if failed.at else failed.error, Style.BAD), indent=4)
        yield from reasons(failed, indent=4)
    if each.deferred:
        yield line((f"deferred: {listed(each.deferred)}", Style.DIM), indent=4)


def _ended(each: TargetEntry, verb: str) -> str:
    did = done_words([each], verb)
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
            return "no result reported" + (f", after {did}" if did else "")


def done_words(targets: Sequence[TargetEntry], verb: str) -> str:
    """Return what was done to `targets`, in numbers; empty where there is nothing to count."""
    finished = sum(len(each.finished) for each in targets)
    updates = sum(each.updates for each in targets)
    rows = sum(each.rows_changed for each in targets)
    parts = []
    if updates and verb != "destroy":
        parts.append(f"{count(updates, 'update')} deployed")
    if finished:
        parts.append(f"{count(finished, 'migration')} {_DONE.get(verb, 'done')}")
    if rows:
        parts.append(f"{count(rows, 'row')} inserted or updated")
    return ", ".join(parts)


def _where_it_stands(outcome: OutcomeDocument) -> Line:
    verb = outcome.command
    results = Counter(each.result for each in outcome.targets)
    if results[Result.FAILED] or results[Result.SKIPPED] or results[Result.PENDING]:
        return line((_unfinished(outcome, results), Style.BAD))
    deferred = sum(len(each.deferred) for each in outcome.targets)
    tail = f"; {number(deferred)} deferred" if deferred else ""
    if not outcome.changed:
        return line((_unchanged(verb, deferred) + tail, Style.GOOD))
    idle = results[Result.UNCHANGED]
    if idle:
        tail = f"; {count(idle, 'other')} had nothing to do{tail}"
    databases = count(results[Result.CHANGED], _unit(verb))
    did = done_words(outcome.targets, verb)
    words = f"done: {did} in {databases}" if did else f"done: {databases} {_DONE.get(verb, 'changed')}"
    return line((f"{words}{tail}", Style.GOOD))


def _unit(verb: str) -> str:
    """Return what a target of a command is: a deployment has stacks, of which some hold no database."""
    return "stack" if verb in {"deploy", "destroy"} else "database"


def _unchanged(verb: str, deferred: int) -> str:
    if verb == "seed":
        return "nothing changed: all rows are there already"
    if verb == "deploy":
        return "nothing to deploy: every stack is up to date"
    if verb == "apply":
        return "nothing to apply now" if deferred else "nothing to do: every database is up to date"
    return f"nothing to {verb}"


def _unfinished(outcome: OutcomeDocument, results: Counter[Result]) -> str:
    stopped = outcome.exit_code in _STOPPED
    words = {
        Result.FAILED: "stopped" if stopped else "failed",
        Result.SKIPPED: "skipped",
        Result.PENDING: "without a result",
    }
    first, *others = [(results[each], said) for each, said in words.items() if results[each]]
    head = f"{number(first[0])} of {count(len(outcome.targets), _unit(outcome.command))} {first[1]}"
    rest = "".join(f", {number(many)} {said}" for many, said in others)
    return f"{'interrupted: ' if stopped else ''}{head}{rest}; {_what_stays(outcome)}"


def _what_stays(outcome: OutcomeDocument) -> str:
    """Return whether anything stayed, and of what is to be done only what no single failure above says."""
    errors = [each.error for each in outcome.targets if each.error]
    unclear = {each.kind for each in errors if each.exit_code is ExitCode.PARTIAL}
    if unclear == {"LeaseLost"}:  # the history says what was done: nothing is to be recorded by hand
        return f"a lease was lost: the same {outcome.command} goes on from what is recorded"
    if unclear:
        return "what stays of it is said above, and what to do first"
    if not outcome.changed:
        again = ": trying again may help" if outcome.exit_code is ExitCode.UNAVAILABLE else ""
        return f"nothing was changed{again}"
    did = done_words(outcome.targets, outcome.command)
    if any(
        each.error and each.touched and not done_words([each], outcome.command) for each in outcome.targets
    ):
        return f"{did + ', and ' if did else ''}part of what failed stayed"
    if outcome.command == "seed":  # the history knows nothing of rows: they are compared again
        return f"{did or 'what was loaded'}, which stay: the same seed goes on from there"
    return f"{did or 'what was done'} and recorded: the same {outcome.command} goes on from there"

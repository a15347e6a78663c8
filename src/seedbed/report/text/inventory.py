"""Environments that are there, and what was collected, as pages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from seedbed.documents.inventory import CollectedEntry, CollectionDocument, ThereEntry
from seedbed.errors import Hint, call, hint_text
from seedbed.report.styles import Line, Lines, Row, Span, Style, Table, line, row
from seedbed.report.text.errors import error_text
from seedbed.support.phrases import count
from seedbed.support.phrases import moment as moment_text

_STYLES = {
    "kept": Style.DIM,
    "used": Style.GOOD,
    "due": Style.BAD,
    "marked": Style.WARN,
    "unmarked": Style.WARN,
}
_DONE = {
    "counted": ("its time begins now", Style.CHANGE),
    "marked": ("is marked: it goes a day later", Style.WARN),
    "collected": ("is gone", Style.REMOVE),
    "postponed": ("is left to another day", Style.DIM),
    "lost": ("is used, or collected by another", Style.DIM),
    "failed": ("is not gone", Style.BAD),
}


def there_text(there: Sequence[ThereEntry]) -> Lines:
    """Return what is there, one row each, and below it what is unsettled or left."""
    if not there:
        return []
    page: Lines = [Table((_HEAD, *map(_row, there)))]
    for each in there:
        page += [line((f"{each.environment}: {one}", Style.BAD)) for one in each.unsettled]
        page += [line((_moved(each), Style.WARN))] if each.former else []
        page += [line((f"{each.environment}: left behind: {one}", Style.WARN)) for one in each.left]
    return page


def collection_text(document: CollectionDocument) -> Lines:
    """Return the outcome for each environment, then what failed."""
    page: Lines = []
    for each in document.environments:
        page.append(_said(each, is_dry=document.dry_run))
        if each.stays:
            page.append(line((stays_text(each.there.environment, each.stays), Style.DIM), indent=2))
        if each.error:
            page += error_text(each.error)
    for error in (*document.errors, *document.warnings):
        page += error_text(error)
    page += [line((f"told {each}", Style.DIM)) for each in document.told]
    gone = sum(each.done == "collected" for each in document.environments)
    due = sum(each.there.fate == "due" for each in document.environments)
    total = (
        f"{count(due, 'environment')} to be collected"
        if document.dry_run
        else f"{count(gone, 'environment')} collected"
    )
    return [*page, line((total, Style.BOLD))]


def stays_text(environment: str, stack: str) -> str:
    """Return that the policies of callers outlive their environment, and how they are deleted."""
    delete = hint_text(Hint(call("destroy", "--callers")), environment, "")
    return f"{stack} stays, with the policies of its callers; to delete it, too: {delete}"


def _said(each: CollectedEntry, *, is_dry: bool) -> Line:
    name = (each.there.environment, Style.BOLD)
    if each.done:
        words, style = _DONE[each.done]
        return line(name, " ", (words, style), f": {each.there.because}")
    would = {"due": "would go", "unmarked": "would be marked", "uncounted": "would be counted from now"}
    words = would.get(each.there.fate, "stays") if is_dry else "stays"
    until = f" until {_day(each.there.goes)}" if words == "stays" and each.there.goes else ""
    return line(name, f" {words}{until}: {each.there.because}")


_HEAD = row(
    *(
        (each, Style.DIM)
        for each in ("name", "owner", "used", "expires", "stacks", "state", "commit", "account")
    )
)


def _moved(each: ThereEntry) -> str:
    name = each.environment
    again = hint_text(Hint(call("env down", name), ", then ", call("env up", name)), name, "")
    return f"{name}: {each.former} is from before it lay in {each.base}; to be rid of it: {again}"


def _row(each: ThereEntry) -> Row:
    record = each.record
    used = _day(record.used) if record else "not known"
    expires = _day(record.expires) if record and record.expires else "never" if record else "not known"
    return row(
        (each.environment, Style.BOLD),
        _who(record.owner) if record and record.owner else "",
        used,
        expires,
        str(each.stacks),
        _state(each),
        record.commit[:8] if record else "",
        each.account,
    )


def _state(each: ThereEntry) -> Span:
    if not each.stacks:
        return Span("left behind", Style.WARN)
    return Span(each.fate, _STYLES.get(each.fate, Style.PLAIN))


def _day(iso: str) -> str:
    return moment_text(datetime.fromisoformat(iso))


def _who(arn: str) -> str:
    return arn.rpartition("/")[2] or arn

"""How an environment came up, as a page."""

from __future__ import annotations

from collections.abc import Iterator

from seedbed.documents.coming_up import ServiceEntry, UpDocument
from seedbed.errors import Hint, call, hint_text
from seedbed.model.coming_up import Readiness
from seedbed.model.outcome import Result
from seedbed.report.styles import Line, Lines, Row, Style, Table, line, row
from seedbed.report.text.errors import error_text
from seedbed.report.text.outcome import done_words, target_rows
from seedbed.support.phrases import count, duration, number

_SIGNS = {
    Readiness.READY: ("✓", Style.GOOD),
    Readiness.FAILED: ("✗", Style.BAD),
    Readiness.SKIPPED: ("○", Style.WARN),
}
_WELL = frozenset({Result.CHANGED, Result.UNCHANGED})


def up_text(document: UpDocument) -> Lines:
    """Return what went wrong in stacks and databases, then each service, then where it all stands."""
    rows: list[Row | Line] = []
    for each in document.stacks:
        if each.result not in _WELL:
            rows += target_rows(each, "deploy")
    for each in document.databases:
        if each.result not in _WELL:
            rows += target_rows(each, "apply")
    page: Lines = [Table(tuple(rows)), line()] if rows else []
    for error in document.errors:
        page += error_text(error)
    services = tuple(row for each in document.services for row in _service(document, each))
    return [*page, Table(services), line(), *_where_it_stands(document)]


def _service(document: UpDocument, service: ServiceEntry) -> Iterator[Row]:
    sign, style = _SIGNS[service.readiness]
    mine = [each for each in document.databases if each.target in service.databases]
    said = {
        Readiness.READY: done_words(mine, "apply") or "ready",
        Readiness.FAILED: "failed",
        Readiness.SKIPPED: "skipped",
    }[service.readiness]
    because = f" because {service.because}" if service.readiness is Readiness.SKIPPED else ""
    when = (duration(service.seconds), Style.DIM) if service.readiness is Readiness.READY else ""
    yield row((sign, style), (service.service, Style.BOLD), (f"{said}{because}", style), when)


def _where_it_stands(document: UpDocument) -> Iterator[Line]:
    ready = sum(each.readiness is Readiness.READY for each in document.services)
    everything = len(document.services)
    updates = sum(each.updates for each in document.stacks)
    parts = [f"{count(updates, 'update')} of stacks deployed"] if updates else []
    parts += [words] if (words := done_words(document.databases, "apply")) else []
    done = f": {', '.join(parts)}" if parts else "" if document.changed else ": nothing to do"
    took = f" in {duration(document.seconds)}"
    if ready == everything and not document.exit_code:
        yield line((f"{document.environment} is up{done}{took}", Style.GOOD))
        return
    words = f"{number(ready)} of {count(everything, 'service')} ready{took}{done}"
    yield line((f"{document.environment} is not up: {words}", Style.BAD))
    how = hint_text(Hint(call("env up", document.environment)), document.environment, "")
    yield line(f"what is ready can be used; the same command goes on with the rest: {how}")

"""Runs in a task inside the network, as a page."""

from __future__ import annotations

from seedbed.documents.runs import RunEntry, RunsDocument
from seedbed.errors import ExitCode
from seedbed.report.styles import Lines, Row, Span, Style, Table, line, row
from seedbed.support.phrases import duration


def runs_text(document: RunsDocument) -> Lines:
    """Return the runs of an environment, one row each."""
    if not document.runs:
        return [line(f"no run in {document.environment}")]
    return [Table(tuple(_row(each) for each in document.runs), flex=5)]


def _row(run: RunEntry) -> Row:
    state = _state(run)
    seconds = duration(run.seconds) if run.seconds is not None else ""
    moment = run.at.replace("T", " ").removesuffix("+00:00")
    who = run.by.rpartition("/")[2] or run.by
    return row((run.id, Style.BOLD), state, seconds, moment, who, " ".join((run.called, *run.arguments)))


def _state(run: RunEntry) -> Span:
    match run.state:
        case "asked":
            return Span("waits", Style.DIM)
        case "claimed":
            return Span("at work", Style.WARN)
        case "lost":
            return Span("lost", Style.BAD)
    code = run.exit_code
    return Span(f"exit {int(code)}" if code is not None else "done", _STYLES.get(code, Style.BAD))


_STYLES = {ExitCode.DONE: Style.GOOD, ExitCode.FOUND: Style.CHANGE, None: Style.DIM}

"""Where every migration stands, as a page."""

from __future__ import annotations

from datetime import UTC, datetime

from seedbed.documents.status import DatabaseEntry, MigrationEntry, StatusDocument
from seedbed.errors import ExitCode
from seedbed.model.status import MigrationState
from seedbed.report.styles import Line, Lines, Row, Style, Table, line, row
from seedbed.report.text.seen import seen_text
from seedbed.support.phrases import count, duration, number

_SIGNS = {
    MigrationState.APPLIED: ("✓", Style.GOOD),
    MigrationState.PENDING: ("○", Style.CHANGE),
    MigrationState.STARTED: ("◐", Style.WARN),
    MigrationState.UNKNOWN: ("?", Style.BAD),
    MigrationState.EDITED: ("≠", Style.BAD),
    MigrationState.MISSING: ("!", Style.BAD),
    MigrationState.OUT_OF_ORDER: ("!", Style.BAD),
}
_GRAVE = tuple(
    each for each in MigrationState if each not in {MigrationState.APPLIED, MigrationState.PENDING}
)


def status_text(status: StatusDocument, *, summary: bool = False) -> Lines:
    """Return where every migration stands; with `summary`, one row for each database."""
    page = seen_text(((each.database, each.seen) for each in status.databases), "status", status.environment)
    if summary:
        page += [Table(tuple(_short(each) for each in status.databases), flex=4), line()]
    else:
        for each in status.databases:
            page += [*_database(each), line()]
    return [*page, _sum(status)]


def _short(database: DatabaseEntry) -> Row:
    sign, style = _sign(database)
    return row(
        (sign, style),
        (database.database, Style.BOLD),
        (_counts(database), style),
        (database.server, Style.DIM),
        (str(database.error) if database.error else database.address, Style.DIM),
    )


def _sign(database: DatabaseEntry) -> tuple[str, Style]:
    if database.error:
        return "✗", Style.BAD
    if (database.deployment or database.logins) and not database.count(*_GRAVE):
        return _SIGNS[MigrationState.PENDING]
    worst = [each for each in reversed(MigrationState) if database.count(each)]
    return _SIGNS[worst[0]] if worst else _SIGNS[MigrationState.APPLIED]


def _counts(database: DatabaseEntry) -> str:
    if database.error:
        return "no answer" if database.error.exit_code is ExitCode.UNAVAILABLE else "failed"
    holder = ", in use" if database.holder else ""
    pending = ", deployment pending" if database.deployment else ""
    pending += ", logins pending" if database.logins else ""
    if not database.migrations:
        return f"no migrations{pending}{holder}"
    counted = [(database.count(each), each) for each in MigrationState]
    return ", ".join(f"{number(many)} {state.label}" for many, state in counted if many) + pending + holder


def _database(database: DatabaseEntry) -> Lines:
    unknown = not (database.error or database.identity)
    parts = [database.address, database.server, "not bound yet" if unknown else ""]
    said = ", ".join(part for part in parts if part)
    head = line(
        (database.database, Style.BOLD), (f"  {said}" if said else "", Style.DIM), f"  {_counts(database)}"
    )
    if database.error:
        return [head, line("✗ ", str(database.error), indent=2)]
    work = [line(("◐ at work  ", Style.WARN), database.holder, indent=2)] if database.holder else []
    changes = [line(("○ to deploy  ", Style.CHANGE), each, indent=2) for each in database.deployment]
    changes += [line(("○ to apply  ", Style.CHANGE), each, indent=2) for each in database.logins]
    if not database.migrations:
        return [head, *work, *changes]
    titles = ("", "", "version", "name", "phase", "applied at (UTC)", "took")
    rows: list[Row | Line] = [row(*((title, Style.DIM) for title in titles))]
    for each in database.migrations:
        rows.append(_migration(each))
        if each.detail:
            rows.append(line((each.detail, Style.WARN), indent=4))
    return [head, *work, *changes, Table(tuple(rows), right=frozenset({6}), flex=3, indent=2)]


def _migration(each: MigrationEntry) -> Row:
    sign, style = _SIGNS[each.state]
    took = duration(each.duration_ms / 1000) if each.duration_ms else ""  # 0: nobody measured
    return row(
        (sign, style),
        (each.state.label, style),
        each.version,
        each.name,
        each.phase.value if each.phase else "",
        _utc(each.applied_at),
        took,
    )


def _utc(moment: datetime | None) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if moment else ""


def _sum(status: StatusDocument) -> Line:
    totals = {each: sum(one.count(each) for one in status.databases) for each in MigrationState}
    found = [
        f"{number(many)} {each.label}"
        for each, many in totals.items()
        if many and each is not MigrationState.APPLIED
    ]
    if changes := sum(len(each.deployment) for each in status.databases):
        found.append(f"{count(changes, 'change')} to deploy")
    if logins := sum(len(each.logins) for each in status.databases):
        found.append(f"{count(logins, 'change')} of logins")
    if errors := sum(bool(each.error) for each in status.databases):
        found.append(f"{count(errors, 'database')} could not be asked")
    if not found:
        return line((f"{status.environment}: every database is up to date", Style.GOOD))
    return line((f"{status.environment}: {', '.join(found)}", Style.BOLD))

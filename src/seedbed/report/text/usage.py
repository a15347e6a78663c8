"""How often what pending contracts remove was used, as a page."""

from __future__ import annotations

from collections.abc import Iterator

from seedbed.documents.usage import CounterEntry, DatabaseUsageEntry, UsageDocument
from seedbed.report.styles import Lines, Row, Style, Table, line, row
from seedbed.support.phrases import count


def usage_text(found: UsageDocument) -> Lines:
    """Return what goes, in one line each, with how often it was used since its server counts."""
    if not (found.databases or found.unread):
        return [line("no contract is pending")]
    rows = tuple(each for database in found.databases for each in _rows(database))
    return [Table(rows, flex=2), *(line((str(each), Style.BAD)) for each in found.unread)]


def _rows(database: DatabaseUsageEntry) -> Iterator[Row]:
    for each in database.counters:
        yield row(database.database, " ".join(filter(None, (each.kind, ".".join(each.path)))), _said(each))
    if database.clients:
        yield row(database.database, "clients", ", ".join(database.clients))


def _said(each: CounterEntry) -> str:
    unclear = f"{count(each.unclear, 'statement')} unclear" if each.unclear else ""
    return ", ".join(filter(None, (count(each.uses, "use"), unclear, each.now, each.blind)))

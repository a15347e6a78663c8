"""What `verify` would read, as a page."""

from __future__ import annotations

from seedbed.documents.reading import FieldReadingEntry, ReadingDocument
from seedbed.report.styles import Line, Lines, Row, Style, Table, line, row
from seedbed.support.phrases import count, units_words


def reading_text(found: ReadingDocument) -> Lines:
    """Return, by database, every field with the rows and units that reading it takes, and their sum."""
    rows: list[Row | Line] = []
    databases = dict.fromkeys(each.field.partition(":")[0] for each in found.fields)
    for database in databases:
        rows.append(line((database, Style.BOLD)))
        for each in found.fields:
            if each.field.startswith(f"{database}:"):
                rows.append(_row(each))
                rows += [line(("  " + str(each.error), Style.BAD))] * bool(each.error)
    read = [each for each in found.fields if not each.looked_for]
    known = [each.rows for each in read if each.rows is not None]
    more = "more than " if len(known) < len(read) else "about "
    units = f", {units_words(found.units)}" if found.units else ""
    sum_ = (
        f"{found.environment}: {count(len(found.fields), 'field')}, {more}{count(sum(known), 'row')}{units}"
    )
    return [Table(tuple(rows), flex=0), line(), line((sum_, Style.BOLD))]


def _row(each: FieldReadingEntry) -> Row:
    rows = "rows unknown" if each.rows is None else f"about {count(each.rows, 'row')}"
    if each.looked_for:
        rows = "a few ids looked for"
    path = each.field.partition(":")[2]
    index = f"index {each.index}" if each.index else ""
    return row("  " + path, rows, units_words(each.units) if each.units else "", (index, Style.DIM))

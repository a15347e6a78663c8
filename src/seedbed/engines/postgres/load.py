"""Loading a dataset: one transaction, rows upserted by key, what is there and equal left alone.

Rows travel by COPY into a temporary table of the target's own types. One query then says which are missing
and which differ, and only if there are any does an INSERT or an UPDATE run: tables whose triggers refuse
every change take the same seed twice, and neither triggers nor sequences notice rows that are there already.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg
from msgspec import Struct
from psycopg import sql

from seedbed.engines.postgres.messages import CANCELED, ServerError, end_transaction, lost, run, send
from seedbed.engines.postgres.running import statement_offset
from seedbed.engines.postgres.tables import Table, describe
from seedbed.engines.postgres.values import Unfit, text_of
from seedbed.errors import Interrupted, Location, OutcomeUnknown, SeedbedError, StepFailed
from seedbed.model.seed import Dataset, Loaded, Rows, RowSource, Script, in_memory

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.errors import Diagnostic

_STAGE = sql.Identifier("pg_temp", "seedbed_rows")
_MANY = 1000  # rows from which the planner is told how many there are
_ROUNDS = 3  # an upsert that others keep changing under our hands is given up after so many

_CREATE = """
CREATE TEMP TABLE seedbed_rows ON COMMIT DROP AS SELECT 0::int AS {row}, {columns} FROM {table} WITH NO DATA
"""
_COPY = "COPY {stage} ({row}, {columns}) FROM STDIN"
# What has to be done about each row that is not simply there: (row, what, an earlier row with the same key).
# *<> compares the stored bytes: it knows json and point, NULL equals NULL, and 1.0 is not 1.00.
_COMPARE = """
SELECT {row}, what, first FROM (
    SELECT s.{row}, min(s.{row}) OVER (PARTITION BY {keys}) AS first,
           CASE WHEN {null} THEN 'null'
                WHEN s.{row} > min(s.{row}) OVER (PARTITION BY {keys}) THEN 'twice'
                WHEN NOT EXISTS (SELECT FROM {table} AS t WHERE {same}) THEN 'missing'
                WHEN EXISTS (SELECT FROM {table} AS t WHERE {same} AND {fixed}) THEN 'fixed'
                WHEN EXISTS (SELECT FROM {table} AS t WHERE {same} AND {differs}) THEN 'differs' END AS what
    FROM {stage} AS s) AS compared
WHERE what IS NOT NULL ORDER BY {row}
"""
_UPDATE = "UPDATE {table} AS t SET {assignments} FROM {stage} AS s WHERE {same} AND {differs} AND {chosen}"
_INSERT = """
INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE
SELECT {columns} FROM {stage} AS s
WHERE NOT EXISTS (SELECT FROM {table} AS t WHERE {same}) AND {chosen} ORDER BY {row} {guard}
"""

ScriptCheck = Callable[[Script], None]


def load(
    connection: Connection[tuple[Any, ...]], dataset: Dataset, *, check: ScriptCheck | None = None
) -> Iterator[Loaded]:
    """Load all of `dataset` or nothing, and tell what each part did once it is committed.

    The connection is in autocommit mode and holds the lease. Nothing is told before the commit, because what
    is told counts as done. Raises StepFailed, Interrupted, LeaseLost; OutcomeUnknown for a script that ended
    the transaction behind our back.
    """
    loaded: list[Loaded] = []
    part: RowSource | Script | None = None
    try:
        run(connection, "BEGIN")
        for part in dataset.parts:
            loaded.append(_load_part(connection, part, check))  # noqa: PERF401  `part` is asked for
        part = None
        connection.execute("COMMIT")
    except psycopg.Error as error:
        raise _refused(connection, error, _of_table(dataset, error.diag, part)) from error
    finally:
        with suppress(SeedbedError):  # a lost connection rolled back by itself, and its error is on its way
            end_transaction(connection)
    yield from loaded


def _load_part(
    connection: Connection[tuple[Any, ...]], part: RowSource | Script, check: ScriptCheck | None
) -> Loaded:
    if isinstance(part, Script):
        return _run_script(connection, part, check)
    return _load_rows(connection, in_memory(part))


# Rows


def _load_rows(connection: Connection[tuple[Any, ...]], rows: Rows) -> Loaded:
    if not rows.rows:
        return Loaded(rows.path)
    table = describe(connection, rows)
    upsert = _Upsert(connection, rows, table)
    upsert.stage()
    inserted, updated = upsert.run()
    connection.execute(sql.SQL("DROP TABLE {}").format(_STAGE))
    return Loaded(rows.path, inserted, updated, len(rows.rows) - inserted - updated)


class _Todo(Struct, frozen=True):
    """Numbers of rows, from 1, in the order of the file."""

    missing: tuple[int, ...]
    differing: tuple[int, ...]


class _Upsert:
    """Rows on their way into a table."""

    def __init__(self, connection: Connection[tuple[Any, ...]], rows: Rows, table: Table) -> None:
        self._connection = connection
        self._rows = rows
        self._table = table
        self._words = _words(rows, table)

    def _sql(self, template: str, **words: sql.Composable) -> sql.Composed:
        return sql.SQL(template).format(**{**self._words, **words})

    def stage(self) -> None:
        """Copy the rows as they are in the file into a temporary table of the target's types."""
        self._connection.execute(self._sql(_CREATE))
        is_cell = self._rows.path.endswith(".csv")
        shapes = [column.shape for column in self._table.columns]
        try:
            with self._connection.cursor().copy(self._sql(_COPY)) as copy:
                for number, row in enumerate(self._rows.rows, 1):
                    values = (
                        self._text(number, index, value, shapes[index], is_cell=is_cell)
                        for index, value in enumerate(row)
                    )
                    copy.write_row((str(number), *values))
        except psycopg.Error as error:
            raise self._bad_value(error) from error
        if len(self._rows.rows) >= _MANY:
            self._connection.execute(sql.SQL("ANALYZE {}").format(_STAGE))

    def _text(self, number: int, index: int, value: object, shape: Any, *, is_cell: bool) -> str | None:
        try:
            return text_of(value, shape, is_cell=is_cell)
        except Unfit as wrong:
            column = self._rows.columns[index]
            what = f"a value does not fit {self._rows.table}.{column}"
            raise StepFailed(what, because=str(wrong), at=_at(self._rows, number)) from None

    def _bad_value(self, error: psycopg.Error) -> SeedbedError:
        """Name the line: the server tells the row and the column, in whatever language it speaks."""
        found = re.search(
            r"seedbed_rows\W+\w+ (\d+)(?:, \w+ (.+?)(?:: |$))?", error.diag.context or "", re.MULTILINE
        )
        at = _at(self._rows, int(found[1])) if found else Location(self._rows.path)
        column = f".{found[2]}" if found and found[2] else ""
        return _refused(self._connection, error, at, f"a value does not fit {self._rows.table}{column}")

    def run(self) -> tuple[int, int]:
        """Bring the table to what is staged; return how many rows were inserted and updated."""
        inserted = updated = 0
        todo = self._compare()
        for _ in range(_ROUNDS):
            now_updated = self._write(_UPDATE, todo.differing)
            now_inserted = self._write(_INSERT, todo.missing)
            inserted, updated = inserted + now_inserted, updated + now_updated
            if (now_inserted, now_updated) == (len(todo.missing), len(todo.differing)):
                return inserted, updated
            todo = self._compare()
        raise StepFailed(
            f"{self._rows.table} does not take all rows of {self._rows.path}",
            because="the server reports fewer rows written than it was given, without an error",
            try_="look for triggers, rules and row security that hold rows back, and for who else writes there",
            at=_at(self._rows, (*todo.missing, *todo.differing, 0)[0]),
        )

    def _compare(self) -> _Todo:
        found = self._connection.execute(self._sql(_COMPARE)).fetchall()
        for number, what, first in found:
            if what in {"null", "twice", "fixed"}:
                raise self._unfit_row(number, what, first)
        return _Todo(
            tuple(number for number, what, _ in found if what == "missing"),
            tuple(number for number, what, _ in found if what == "differs"),
        )

    def _unfit_row(self, number: int, what: str, first: int) -> StepFailed:
        at, key = _at(self._rows, number), ", ".join(self._table.key.columns)
        if what == "null":
            return StepFailed(
                f"a row of {self._rows.table} has no key",
                because=f"its key is ({key}), and that is null here",
                try_="give it a value, or name another key",
                at=at,
            )
        if what == "twice":
            return StepFailed(
                f"two rows of {self._rows.table} have the same key",
                because=f"({key}) is the same as in line {_at(self._rows, first).line}",
                try_="leave one of them out",
                at=at,
            )
        fixed = ", ".join(column.name for column in self._table.columns if column.is_fixed)
        return StepFailed(
            f"{self._rows.table} has this row with another {fixed}",
            because=f"the row is found by ({key}), and {fixed} is GENERATED ALWAYS: it never changes",
            try_=f"leave {fixed} out of the file, or write what the database has",
            at=at,
        )

    def _write(self, template: str, numbers: Sequence[int]) -> int:
        """Run an INSERT or UPDATE if there is anything for it to do; return how many rows it wrote."""
        if not numbers:
            return 0
        self._connection.execute("SAVEPOINT seedbed_part")
        try:
            written = self._connection.execute(self._sql(template, chosen=sql.SQL("true"))).rowcount
        except psycopg.Error as error:
            raise _refused(self._connection, error, self._culprit(template, numbers, error)) from error
        self._connection.execute("RELEASE SAVEPOINT seedbed_part")
        return written

    def _culprit(self, template: str, numbers: Sequence[int], error: psycopg.Error) -> Location:
        """Find out which row it was by trying again with fewer, and return where it stands."""
        if self._connection.closed or error.sqlstate in {None, CANCELED}:
            return Location(self._rows.path)
        self._connection.execute("ROLLBACK TO SAVEPOINT seedbed_part")
        row = self._words["row"]

        def fails_alike(condition: str, number: int) -> bool:
            chosen = sql.SQL(condition).format(row=row, number=number)
            return self._fails_alike(self._sql(template, chosen=chosen), error)

        # The first row without which the rows before it do not meet this error ...
        first = bisect_left(numbers, True, key=lambda number: fails_alike("s.{row} <= {number}", number))
        if first == len(numbers):
            return Location(self._rows.path)
        # ... but a foreign key is checked at the end, and rows before may wait for this one.
        if error.sqlstate == psycopg.errors.ForeignKeyViolation.sqlstate:
            singles = (n for n in numbers[: min(first, _MANY)] if fails_alike("s.{row} = {number}", n))
            return _at(self._rows, next(singles, numbers[first]))
        return _at(self._rows, numbers[first])

    def _fails_alike(self, statement: sql.Composed, error: psycopg.Error) -> bool:
        """Return whether `statement` meets the very same error; nothing of it stays."""
        self._connection.execute("SAVEPOINT seedbed_row")
        try:
            self._connection.execute(statement)
        except psycopg.Error as again:
            if self._connection.closed or again.sqlstate == CANCELED:
                raise
            return _said(again) == _said(error)
        finally:
            if not self._connection.closed:
                self._connection.execute("ROLLBACK TO SAVEPOINT seedbed_row")
        return False


def _said(error: psycopg.Error) -> tuple[str | None, ...]:
    return error.sqlstate, error.diag.message_primary, error.diag.message_detail


def _words(rows: Rows, table: Table) -> dict[str, sql.Composable]:
    """Return the parts of the statements that depend on the table."""
    key = table.key
    others = [column for column in table.columns if column.name not in key.columns]
    columns = _comma(sql.Identifier(name) for name in rows.columns)
    guard = sql.SQL("ON CONFLICT ({}) DO NOTHING").format(_comma(map(sql.Identifier, key.columns)))
    return {
        "row": sql.Identifier(_free_name(rows.columns)),
        "stage": _STAGE,
        "table": table.name,
        "columns": columns,
        "keys": _comma(sql.Identifier("s", name) for name in key.columns),
        "null": sql.SQL(" OR ").join(
            sql.SQL("{} IS NULL").format(sql.Identifier("s", name)) for name in key.columns
        ),
        "same": sql.SQL(" AND ").join(
            sql.SQL("{} {} {}").format(
                sql.Identifier("t", name), sql.SQL(operator), sql.Identifier("s", name)
            )
            for name, operator in zip(key.columns, key.operators, strict=True)
        ),
        "differs": _differ([column.name for column in others]),
        "fixed": _differ([column.name for column in others if column.is_fixed]),
        "assignments": _comma(
            sql.SQL("{} = {}").format(sql.Identifier(column.name), sql.Identifier("s", column.name))
            for column in others
            if not column.is_fixed
        ),
        "guard": guard if key.guards else sql.SQL(""),
    }


def _differ(names: Sequence[str]) -> sql.Composable:
    if not names:
        return sql.SQL("false")
    ours, theirs = (_comma(sql.Identifier(side, name) for name in names) for side in ("t", "s"))
    return sql.SQL("ROW({})::record OPERATOR(pg_catalog.*<>) ROW({})::record").format(ours, theirs)


def _comma(words: Iterable[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(words)


def _free_name(taken: Sequence[str]) -> str:
    name = "seedbed_row"
    while name in taken:
        name += "_"
    return name


# Scripts


def _run_script(connection: Connection[tuple[Any, ...]], script: Script, check: ScriptCheck | None) -> Loaded:
    """Run a script inside the dataset's transaction, its session settings undone when it is through."""
    text = script.source.data.decode("utf-8-sig")
    if check:
        check(script)
    mark = connection.info.parameter_status("application_name") or ""
    transaction = _transaction(connection)
    try:
        tags = list(_send(connection, text))
    except ServerError as error:
        raise _script_failed(script, text, error) from None
    if _transaction(connection) != transaction:
        raise OutcomeUnknown(
            f"{script.path} ended the transaction that it was run in",
            because="what came before that stayed, the rest of the dataset did not",
            try_="take BEGIN, COMMIT and ROLLBACK out of the script, look at the data, and seed again",
            at=Location(script.path),
        )
    forget = "RESET SESSION AUTHORIZATION; RESET ALL; SET application_name = {}"
    connection.execute(sql.SQL(forget).format(sql.Literal(mark)))
    return Loaded(script.path, *_affected(tags))


def _send(connection: Connection[tuple[Any, ...]], text: str) -> Iterator[str]:
    """Yield the command tags of a script's statements, without those that only read."""
    was_read = False
    for tag, _ in send(connection, text):
        if tag and not was_read:
            yield tag
        # No tag: an empty statement, or a COPY that waits for us or talks to us and has its tag to come.
        was_read = not tag and _ends_copy_out(connection)


def _ends_copy_out(connection: Connection[tuple[Any, ...]]) -> bool:
    """End a COPY that a script has begun with us, FROM STDIN by failing it; return whether it was TO STDOUT."""
    try:
        connection.pgconn.put_copy_end(b"a seed has no STDIN; put the rows into a .csv file")
    except psycopg.Error:  # it is no COPY FROM STDIN
        try:
            while connection.pgconn.get_copy_data(0)[0] >= 0:
                pass
        except psycopg.Error:  # nor any other
            return False
        return True
    return False


def _transaction(connection: Connection[tuple[Any, ...]]) -> object:
    """Return the number of the open transaction; None outside of one."""
    if connection.info.transaction_status != psycopg.pq.TransactionStatus.INTRANS:
        return None
    return connection.execute("SELECT pg_current_xact_id()::text").fetchone()


def _affected(tags: Sequence[str]) -> tuple[int, int]:
    """Return (inserted, updated) rows by command tags; a DELETE or a MERGE counts as an update.

    `INSERT … ON CONFLICT DO UPDATE` says `INSERT 0 n` for rows that it rewrote, so these count as inserted.
    """
    inserted = updated = 0
    for tag in tags:
        match tag.split():
            case ["INSERT", _, count] | ["COPY", count]:
                inserted += int(count)
            case ["UPDATE" | "DELETE" | "MERGE", count]:
                updated += int(count)
    return inserted, updated


def _script_failed(script: Script, text: str, error: ServerError) -> SeedbedError:
    offset = statement_offset(text, error.finished) if error.position is None else error.position
    at = Location(script.path, text.count("\n", 0, offset) + 1)
    if error.was_canceled:
        return _interrupted(script.path)
    return StepFailed(
        f"the seed failed: {error}", because=error.because(), try_="nothing of the dataset stayed", at=at
    )


# Errors


def _at(rows: Rows, number: int) -> Location:
    """Return where row `number`, counted from 1, stands."""
    return Location(rows.path, rows.lines[number - 1] if 0 < number <= len(rows.lines) else 0)


def _of_table(dataset: Dataset, diag: Diagnostic, part: RowSource | Script | None) -> Location:
    """Return the part at fault: the one in hand, or at the commit the last that wrote the table named."""
    if part is not None:
        return Location(part.path)
    parts = [each for each in dataset.parts if not isinstance(each, Script)]
    named = [each.path for each in parts if each.table.split(".")[-1] == diag.table_name]
    return Location(named[-1] if named else dataset.parts[-1].path)


def _refused(
    connection: Connection[tuple[Any, ...]], error: psycopg.Error, at: Location, what: str = ""
) -> SeedbedError:
    """Return the error that a person reads about something that the server refused."""
    diag = error.diag
    if connection.closed or diag.severity_nonlocalized in {"FATAL", "PANIC"}:
        return lost(error)
    if error.sqlstate == CANCELED and "user request" in str(error):
        return _interrupted(at.path)
    said = diag.message_primary or " ".join(str(error).split())
    more = [diag.message_detail, diag.message_hint and f"hint: {diag.message_hint}"]
    because = "; ".join(each for each in ((said, *more) if what else more) if each)
    return StepFailed(
        what or f"the seed failed: {said}",
        because=because or f"SQLSTATE {error.sqlstate}",
        try_="mend the seed and run the same command again; nothing of the dataset stayed",
        at=at,
    )


def _interrupted(path: str) -> Interrupted:
    return Interrupted(
        f"loading {path} was interrupted",
        because="it was asked to stop; nothing of the dataset stayed",
        try_="run the same command again",
    )

"""Rows on their way into a table: staged batch by batch, compared on the server, written where they differ.

Rows travel by COPY into a temporary table of the target's own types. One query then says how many are missing and how
many differ, and only if there are any does an INSERT or an UPDATE run: tables whose triggers refuse every change take
the same seed twice, and triggers do not notice rows that are there already. Sequences are moved on past the rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import psycopg
from msgspec import Struct
from psycopg import sql

from seedbed.engines.postgres.seeds import upsert_sql
from seedbed.engines.postgres.seeds.culprit import culprit
from seedbed.engines.postgres.seeds.errors import refused
from seedbed.engines.postgres.seeds.sequences import move_sequences
from seedbed.engines.postgres.seeds.tables import SeedTable
from seedbed.engines.postgres.seeds.upsert_sql import UpsertStatements
from seedbed.engines.postgres.seeds.values import InvalidValue, invalid_at, text_of
from seedbed.errors import Location, SeedbedError, StepFailed
from seedbed.model.seed import Batch, Loaded, Loading, OnLoading, RowSource, location

if TYPE_CHECKING:
    from psycopg import Connection

_BATCH = 1_000  # rows in memory; also the number from which on ANALYZE is run
_ROUNDS = 3  # an upsert that others keep changing under our hands is given up after so many


class _Todo(Struct, frozen=True):
    """How many rows are to be written, and the number of the first of them, from 1; 0 where there is none."""

    missing: int = 0
    differing: int = 0
    first: int = 0


class Upsert:
    """The rows of one part, on their way into `table` within the open transaction of `connection`."""

    def __init__(self, connection: Connection[tuple[Any, ...]], source: RowSource, table: SeedTable) -> None:
        self._connection = connection
        self._source = source
        self._table = table
        self._statements = UpsertStatements(source.columns, table)
        self._count = 0  # rows that are staged

    def load(self, on_loading: OnLoading) -> Loaded:
        """Stage the rows, and bring the table to them. Raises StepFailed with file and line, SeedFileError."""
        self._execute(upsert_sql.CREATE)
        self._stage(on_loading)
        if self._count >= _BATCH:
            self._execute(upsert_sql.ANALYZE)
        inserted, updated = self._write_all()
        move_sequences(self._connection, self._table, self._statements)
        self._execute(upsert_sql.DROP)
        return Loaded(self._source.path, inserted, updated, self._count - inserted - updated)

    def _execute(self, template: str, **words: sql.Composable) -> psycopg.Cursor[tuple[Any, ...]]:
        return self._connection.execute(self._statements.sql(template, **words))

    # staging

    def _stage(self, on_loading: OnLoading) -> None:
        """Copy the rows as they are in the file into a temporary table of the target's types."""
        try:
            with self._connection.cursor().copy(self._statements.sql(upsert_sql.COPY)) as copy:
                for batch in self._source.batches(_BATCH):
                    for row in self._texts(batch):
                        copy.write_row(row)
                    self._count += len(batch.rows)
                    on_loading(Loading(self._source.path, self._count))
        except psycopg.Error as error:
            raise self._bad_value(error) from error

    def _texts(self, batch: Batch) -> Iterator[Sequence[str | None]]:
        """Yield the rows as COPY takes them, their numbers first. Raises StepFailed."""
        shapes = [column.shape for column in self._table.columns]
        is_cell = self._source.path.endswith(".csv")
        for at, row in enumerate(batch.rows):
            try:
                texts = [
                    text_of(value, shape, is_cell=is_cell) for value, shape in zip(row, shapes, strict=True)
                ]
            except InvalidValue as wrong:
                column = self._source.columns[invalid_at(row, shapes, is_cell=is_cell)]
                at_line = Location(self._source.path, batch.lines[at])
                what = f"a value does not fit {self._source.table}.{column}"
                raise StepFailed(what, because=str(wrong), at=at_line) from None
            yield (str(batch.first + at + 1), *texts)

    def _bad_value(self, error: psycopg.Error) -> SeedbedError:
        """Return the error with its line: the server's context names the row and the column, in its own language."""
        found = re.search(
            r"seedbed_rows\W+\w+ (\d+)(?:, \w+ (.+?)(?:: |$))?", error.diag.context or "", re.MULTILINE
        )
        at = self._at(int(found[1])) if found else Location(self._source.path)
        column = f".{found[2]}" if found and found[2] else ""
        return refused(self._connection, error, at, f"a value does not fit {self._source.table}{column}")

    # comparing and writing

    def _write_all(self) -> tuple[int, int]:
        """Bring the table to what is staged; return how many rows were inserted and updated."""
        inserted = updated = 0
        todo = self._compare()
        for _ in range(_ROUNDS):
            now_updated = self._write(upsert_sql.UPDATE, todo.differing)
            now_inserted = self._write(upsert_sql.INSERT, todo.missing)
            inserted, updated = inserted + now_inserted, updated + now_updated
            if (now_inserted, now_updated) == (todo.missing, todo.differing):
                return inserted, updated
            todo = self._compare()
        raise StepFailed(
            f"{self._source.table} rejects rows of {self._source.path}",
            because="the server reports fewer rows written than it was given, without an error",
            try_="look for triggers, rules and row security that hold rows back, and for who else writes there",
            at=self._at(todo.first),
        )

    def _compare(self) -> _Todo:
        found = {what: (count, first) for what, count, first in self._execute(upsert_sql.COMPARE)}
        if bad := [(first, what) for what, (_, first) in found.items() if what in {"null", "twice", "fixed"}]:
            raise self._unfit_row(*min(bad))
        missing, differing = found.get("missing", (0, 0)), found.get("differs", (0, 0))
        return _Todo(missing[0], differing[0], min((first for _, first in found.values()), default=0))

    def _unfit_row(self, number: int, what: str) -> StepFailed:
        table, at, key = self._source.table, self._at(number), ", ".join(self._table.key.columns)
        if what == "null":
            return StepFailed(
                f"a row of {table} has no key",
                because=f"its key is ({key}), and that is null here",
                try_="give it a value, or name another key",
                at=at,
            )
        if what == "twice":
            ((first,),) = self._execute(upsert_sql.SAME_KEY, number=sql.Literal(number))
            line = self._at(first).line
            is_apart = bool(line) and line != at.line  # a program yields many rows from one line
            return StepFailed(
                f"two rows of {table} have the same key",
                because=f"({key}) is the same "
                + (f"as in line {line}" if is_apart else f"in rows {first} and {number}"),
                try_="leave one of them out",
                at=at,
            )
        fixed = ", ".join(column.name for column in self._table.columns if column.is_fixed)
        return StepFailed(
            f"{table} has this row with another {fixed}",
            because=f"the row is found by ({key}), and {fixed} is GENERATED ALWAYS: it never changes",
            try_=f"leave {fixed} out of the file, or write what the database has",
            at=at,
        )

    def _write(self, template: str, count: int) -> int:
        """Run an INSERT or UPDATE if there is anything for it to do; return how many rows it wrote."""
        if not count:
            return 0
        self._connection.execute("SAVEPOINT seedbed_part")
        try:
            written = self._execute(template, chosen=sql.SQL("true")).rowcount
        except psycopg.Error as error:
            number = culprit(self._connection, self._statements, template, self._count, error)
            raise refused(self._connection, error, self._at(number)) from error
        self._connection.execute("RELEASE SAVEPOINT seedbed_part")
        return written

    def _at(self, number: int) -> Location:
        """Return where row `number`, counted from 1, stands; 0 is unknown."""
        return location(self._source, number - 1)

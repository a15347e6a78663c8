"""Data migrations that walk a table: keyset batches along a key, each committed with its checkpoint.

The checkpoint is the last key of the last committed batch, as text. Batch and checkpoint commit together, so a
row is converted exactly once by us however often the runner is killed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import psycopg
from msgspec import Struct
from psycopg import sql
from psycopg.raw_cursor import RawCursor
from psycopg.rows import dict_row, tuple_row
from psycopg.types.json import Json, Jsonb

from seedbed.engines.base import Progress
from seedbed.engines.kit.python_program import compiled, line_in
from seedbed.engines.postgres.running.run import Run, is_untouched, settings
from seedbed.engines.postgres.wire.messages import CANCELED, ServerError, end_transaction, lost, refusal, run
from seedbed.errors import Interrupted, Location, SeedbedError, StepFailed
from seedbed.model.event import Retrying, WorkFinished, WorkProgressed
from seedbed.model.history import Revision
from seedbed.model.migration import Backfill, Migration, Step, Work
from seedbed.support.backoff import backoff

if TYPE_CHECKING:
    from psycopg import Cursor

Row = Mapping[str, Any]
Convert = Callable[[dict[str, Any]], Row | None]

# The batch's first and last key and its size. Text both ways: any type that sorts may be a key.
_BOUNDS = """
WITH batch AS (SELECT {key} AS k FROM {table} {beyond} ORDER BY {key} LIMIT {limit})
SELECT (SELECT batch.k::text FROM batch ORDER BY batch.k LIMIT 1),
       (SELECT batch.k::text FROM batch ORDER BY batch.k DESC LIMIT 1),
       (SELECT count(*) FROM batch)
"""
# How many rows there may be, and whether the key may be empty in some of them.
_TABLE = """
SELECT greatest(c.reltuples, 0)::bigint, NOT a.attnotnull
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = $2
WHERE c.oid = to_regclass($1)
"""
_JSON, _JSONB, _JSONS, _JSONBS = 114, 3802, 199, 3807


class _Batch(Struct, frozen=True):
    first: str
    last: str
    size: int


def apply(running: Run, work: Work, revision: Revision | None) -> Iterator[Progress]:
    """Carry out the backfill `work` from its checkpoint. Raises StepFailed, LeaseLost, Interrupted."""
    try:
        yield from _carry_out(running, work, revision)
    except ServerError as error:  # between two batches: a record was refused, or an interruption came in
        raise running.failed(work.migration, error, Location(work.migration.path)) from None


def _carry_out(running: Run, work: Work, revision: Revision | None) -> Iterator[Progress]:
    migration, (step,) = work.migration, work.migration.steps(work.direction)
    began = time.monotonic()
    walk = _Walk(running, migration, step, _converter(migration, step, work))
    if is_untouched(revision):
        run(running.connection, running.table.started(work, running.owner))
    if declared := settings(migration, local=False):
        run(running.connection, declared)
    yield from walk.batches(revision.checkpoint if revision else None)
    run(
        running.connection,
        f"BEGIN; {running.table.finished(work, running.owner)}; COMMIT; {running.forget_session()}",
    )
    yield WorkFinished(
        running.target, migration.version, migration.name, work.direction.value, time.monotonic() - began
    )


def _converter(migration: Migration, step: Step, work: Work) -> Convert | None:
    """Return the migration's own function over rows, None where its body is a statement."""
    if not migration.path.endswith(".py"):
        return None
    return compiled(step.body, migration.path).function(work.direction.value)


class _Walk:
    """One backfill on its way through a table."""

    def __init__(self, running: Run, migration: Migration, step: Step, convert: Convert | None) -> None:
        assert step.backfill is not None
        self._running = running
        self._migration = migration
        self._step = step
        self._convert = convert
        self._backfill: Backfill = step.backfill
        self._table = sql.Identifier(*step.backfill.table.split("."))
        self._key = sql.Identifier(step.backfill.key)

    def batches(self, checkpoint: str | None) -> Iterator[Progress]:
        done, total, attempt = 0, self._look(), 0
        while True:
            try:
                batch = self._next(checkpoint)
                if batch is None:
                    return
                self._commit(batch)
            except psycopg.Error as error:
                attempt += 1
                yield from self._again(error, attempt)
                continue
            checkpoint, attempt, done = batch.last, 0, done + batch.size
            yield from self._running.notices(self._migration.version)
            yield WorkProgressed(
                self._running.target,
                self._migration.version,
                done,
                total if done <= total else 0,  # the statistics may know less than we do
                "rows",
                f"up to {self._backfill.key} {batch.last}",
            )

    def _cursor(self) -> Cursor[tuple[Any, ...]]:
        return RawCursor(self._running.connection, row_factory=tuple_row)

    def _look(self) -> int:
        """Return about how many rows there are. Raises StepFailed for rows that no key leads to."""
        empty = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {} IS NULL)").format(self._table, self._key)
        try:
            with self._cursor() as cursor:
                row = cursor.execute(_TABLE, [self._table.as_string(), self._backfill.key]).fetchone()
                rows, is_nullable = row or (0, False)
                found = cursor.execute(empty).fetchone() if is_nullable else None
        except psycopg.Error as error:
            raise refusal(self._running.connection, error) from None
        if found and found[0]:
            raise self._refused(
                f"{self._backfill.table} has rows without a {self._backfill.key}",
                "a backfill walks along its key, and would never come to them",
            )
        return int(rows)

    def _next(self, checkpoint: str | None) -> _Batch | None:
        query = sql.SQL(_BOUNDS).format(
            key=self._key,
            table=self._table,
            beyond=sql.SQL("WHERE {} > $1").format(self._key) if checkpoint is not None else sql.SQL(""),
            limit=sql.Literal(self._backfill.batch),
        )
        with self._cursor() as cursor:
            row = cursor.execute(query, [checkpoint] if checkpoint is not None else []).fetchone()
        return _Batch(*row) if row and row[2] else None

    def _commit(self, batch: _Batch) -> None:
        """Convert one batch and move the checkpoint, in one transaction."""
        with self._running.connection.transaction():
            if self._convert is None:
                with self._cursor() as cursor:
                    cursor.execute(self._step.body.encode(), [batch.first, batch.last])
            else:
                self._convert_rows(self._convert, batch)
            self._running.connection.execute(
                self._running.table.checkpointed(self._migration.version, batch.last).encode()
            )

    def _convert_rows(self, convert: Convert, batch: _Batch) -> None:
        query = sql.SQL("SELECT * FROM {} WHERE {} BETWEEN $1 AND $2 ORDER BY {} FOR UPDATE")
        with RawCursor(self._running.connection, row_factory=dict_row) as cursor:
            cursor.execute(query.format(self._table, self._key, self._key), [batch.first, batch.last])
            types = {each.name: each.type_code for each in cursor.description or ()}
            rows = cursor.fetchall()
        self._require_unambiguous(rows)
        writes: dict[tuple[str, ...], list[list[Any]]] = {}
        for row in rows:
            if changes := self._changes(convert, row, types):
                writes.setdefault(tuple(changes), []).append([*changes.values(), row[self._backfill.key]])
        with self._running.connection.cursor() as plain:
            for columns, parameters in writes.items():
                plain.executemany(self._update(columns), parameters)

    def _require_unambiguous(self, rows: Sequence[Row]) -> None:
        for key, following in pairwise(row[self._backfill.key] for row in rows):
            if key == following:
                raise self._refused(
                    f"{key} is the {self._backfill.key} of more than one row",
                    "a function over rows writes each one back by its key",
                )

    def _update(self, columns: tuple[str, ...]) -> sql.Composed:
        pairs = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in columns)
        return sql.SQL("UPDATE {} SET {} WHERE {} = %s").format(self._table, pairs, self._key)

    def _changes(self, convert: Convert, row: dict[str, Any], types: Mapping[str, int]) -> Row:
        """Return what `convert` changes in `row`, as parameters. Raises StepFailed, naming the row."""
        key, before = row[self._backfill.key], deepcopy(row)  # it may change lists and documents in place
        try:
            changes = convert(row) or {}
            if not isinstance(changes, Mapping):
                raise TypeError(f"it returns a {type(changes).__name__}, not a dict of columns")
            unknown = sorted(set(changes) - set(before))
            moved = changes.get(self._backfill.key, key) != key
            if unknown or moved:
                raise ValueError(
                    f"column {unknown[0] if unknown else self._backfill.key!r} is not one it may change"
                )
            return {
                name: self._parameter(value, types[name])
                for name, value in changes.items()
                if not _is_same(before[name], value)
            }
        except Exception as error:
            line = line_in(self._migration.path, error) or self._step.line
            raise self._refused(f"row {key} fails: {error!r}", line=line) from error

    def _parameter(self, value: Any, type_code: int) -> Any:
        """Return `value` as psycopg takes it. Raises whatever says that it cannot be written."""
        if value is not None and type_code in {_JSON, _JSONB}:
            value = (Jsonb if type_code == _JSONB else Json)(value)
        elif isinstance(value, list) and type_code in {_JSONS, _JSONBS}:
            wrap = Jsonb if type_code == _JSONBS else Json
            value = [each if each is None else wrap(each) for each in value]
        sql.Literal(value).as_string(self._running.connection)  # what cannot be written is found row by row
        return value

    def _refused(self, what: str, because: str = "", line: int = 0) -> SeedbedError:
        return _refused(self._migration, self._step, what, because, line)

    def _again(self, error: psycopg.Error, attempt: int) -> Iterator[Progress]:
        """Wait before a batch that gave way is tried again; raises for anything else."""
        running = self._running
        if running.connection.closed:
            raise lost(error) from None
        end_transaction(running.connection)
        if error.sqlstate == CANCELED and "user request" in str(error):
            raise Interrupted(
                f"{self._migration.label} was interrupted on {running.target}",
                because="its last batch was rolled back, those before it are kept",
                try_="run the same command again: it resumes from its checkpoint",
            ) from None
        if error.sqlstate not in {"55P03", "40P01", "40001"} or attempt > running.address.lock_retries:
            said = error.diag.message_primary or str(error)
            raise self._refused(said, error.diag.message_detail or "") from None
        delay = 0.05 + backoff(attempt, base=0.1, cap=10.0, rng=running.rng)
        yield Retrying(running.target, self._migration.version, str(error), attempt, round(delay, 2))
        time.sleep(delay)


def _is_same(before: Any, value: Any) -> bool:
    """Return whether writing `value` would change nothing. To Python, 1 is 1.0 and True; to a document it is not."""
    if isinstance(value, dict | list):
        return bool(_typed(before) == _typed(value))
    return bool(before == value) and isinstance(before, bool) == isinstance(value, bool)


def _typed(value: Any) -> Any:
    match value:
        case dict():
            return {name: _typed(each) for name, each in value.items()}
        case list():
            return [_typed(each) for each in value]
    return type(value), value


def _refused(migration: Migration, step: Step, what: str, because: str = "", line: int = 0) -> SeedbedError:
    return StepFailed(
        f"{migration.label} failed: {what}",
        because=because or "the batch was rolled back, those before it are kept with their checkpoint",
        try_="fix the migration or the row, and run the same command again: it resumes from its checkpoint",
        at=Location(migration.path, line or step.line),
    )

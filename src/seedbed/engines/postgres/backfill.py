"""Data migrations that walk a table: keyset batches along a key, each committed with its checkpoint.

The checkpoint is the last key of the last committed batch, as text. Batch and checkpoint commit together, so a
row is converted exactly once by us however often the runner is killed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.raw_cursor import RawCursor
from psycopg.rows import dict_row, tuple_row

from seedbed.engines.base import Progress
from seedbed.engines.postgres.messages import CANCELED, end_transaction, lost, run
from seedbed.engines.postgres.running import Run, settings
from seedbed.errors import Interrupted, Location, SeedbedError, StepFailed
from seedbed.model.backoff import backoff
from seedbed.model.event import Retrying, WorkFinished, WorkProgressed
from seedbed.model.history import Revision
from seedbed.model.migration import Backfill, Migration, Step, Work

if TYPE_CHECKING:
    from psycopg import Cursor

Row = Mapping[str, Any]
Convert = Callable[[dict[str, Any]], Row | None]

# The batch's first and last key and its size. Text both ways: any type that sorts may be a key.
_BOUNDS = """
WITH batch AS (SELECT {key} AS k FROM {table} {beyond} ORDER BY {key} LIMIT {limit})
SELECT (SELECT k::text FROM batch ORDER BY k LIMIT 1),
       (SELECT k::text FROM batch ORDER BY k DESC LIMIT 1),
       (SELECT count(*) FROM batch)
"""
_ESTIMATE = "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = to_regclass($1)"
_JSON_TYPES = {114, 3802}  # json, jsonb


@dataclass(frozen=True, slots=True)
class _Batch:
    first: str
    last: str
    size: int


def apply(running: Run, work: Work, revision: Revision | None) -> Iterator[Progress]:
    """Carry out the backfill `work` from its checkpoint. Raises StepFailed, LeaseLost, Interrupted."""
    migration, (step,) = work.migration, work.migration.steps(work.direction)
    began = time.monotonic()
    if revision is None:
        run(running.connection, running.table.started(work, running.owner))
    if declared := settings(migration, local=False):
        run(running.connection, declared)
    walk = _Walk(running, migration, step, _converter(migration, step, work))
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
    names: dict[str, Any] = {"__name__": f"migration_{migration.version}"}
    try:
        exec(compile(step.body, migration.path, "exec"), names)  # noqa: S102  reviewed code, like any migration
    except Exception as error:
        raise _refused(migration, step, f"its code fails when it is loaded: {error!r}") from error
    convert: Convert = names[work.direction.value]
    return convert


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
        done, total, attempt = 0, self._estimate(), 0
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
                max(total, done),
                "rows",
                f"up to {self._backfill.key} {batch.last}",
            )

    def _cursor(self) -> Cursor[tuple[Any, ...]]:
        return RawCursor(self._running.connection, row_factory=tuple_row)

    def _estimate(self) -> int:
        with self._cursor() as cursor:
            row = cursor.execute(_ESTIMATE, [self._table.as_string()]).fetchone()
        return int(row[0]) if row else 0

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
            json = {each.name for each in cursor.description or () if each.type_code in _JSON_TYPES}
            rows = cursor.fetchall()
        writes: dict[tuple[str, ...], list[list[Any]]] = {}
        for row in rows:
            changes = self._changes(convert, row)
            if changes:
                values = [_adapted(value, name in json) for name, value in changes.items()]
                writes.setdefault(tuple(changes), []).append([*values, row[self._backfill.key]])
        with self._running.connection.cursor() as plain:
            for columns, parameters in writes.items():
                plain.executemany(self._update(columns), parameters)

    def _update(self, columns: tuple[str, ...]) -> sql.Composed:
        pairs = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in columns)
        return sql.SQL("UPDATE {} SET {} WHERE {} = %s").format(self._table, pairs, self._key)

    def _changes(self, convert: Convert, row: dict[str, Any]) -> Row:
        key, before = row[self._backfill.key], dict(row)
        try:
            changes = convert(row) or {}
        except Exception as error:
            raise _refused(self._migration, self._step, f"row {key} fails: {error!r}") from error
        unknown = sorted(set(changes) - set(before))
        if unknown or self._backfill.key in changes:
            name = unknown[0] if unknown else self._backfill.key
            raise _refused(
                self._migration, self._step, f"row {key}: column {name!r} is not one it may change"
            )
        return {name: value for name, value in changes.items() if before[name] != value}

    def _again(self, error: psycopg.Error, attempt: int) -> Iterator[Progress]:
        """Wait before a batch that gave way is tried again; raises for anything else."""
        running = self._running
        if running.connection.closed or error.sqlstate is None:
            raise lost(error) from None
        end_transaction(running.connection)
        if error.sqlstate == CANCELED and "user request" in str(error):
            raise Interrupted(
                f"{self._migration.label} was interrupted on {running.target}",
                because="its last batch was rolled back, those before it are kept",
                try_="run the same command again: it goes on at its checkpoint",
            ) from None
        if error.sqlstate not in {"55P03", "40P01", "40001"} or attempt > running.address.lock_retries:
            said = error.diag.message_primary or str(error)
            raise _refused(self._migration, self._step, said, error.diag.message_detail or "") from None
        delay = 0.05 + backoff(attempt, base=0.1, cap=10.0, rng=running.rng)
        yield Retrying(running.target, self._migration.version, str(error), attempt, round(delay, 2))
        time.sleep(delay)


def _adapted(value: Any, is_json: bool) -> Any:
    if is_json and value is not None:
        from psycopg.types.json import Jsonb

        return Jsonb(value)
    return value


def _refused(migration: Migration, step: Step, what: str, because: str = "") -> SeedbedError:
    return StepFailed(
        f"{migration.label} failed: {what}",
        because=because or "the batch was rolled back, those before it are kept with their checkpoint",
        try_="mend the migration or the row, and run the same command again: it goes on at its checkpoint",
        at=Location(migration.path, step.line),
    )

"""Data migrations that walk a table: keyset batches along a key, each committed with its checkpoint.

The checkpoint is the last key of the last committed batch, as text. Batch and checkpoint commit together, so each row
is converted exactly once however often the runner is killed. A batch of a statement is one round trip, one of a
function over rows is two: the bounds of the next batch travel with the commit of the one before it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import psycopg
from msgspec import Struct

from seedbed.engines.base import Progress
from seedbed.engines.kit.postconditions import postconditions, require_postconditions
from seedbed.engines.kit.python_program import compiled, line_in
from seedbed.engines.postgres.files.quoting import quoted_name, quoted_text
from seedbed.engines.postgres.running.queries import rows
from seedbed.engines.postgres.running.rows import TYPE_NAMES, AmbiguousKey, Convert, RowConverter, RowFailed
from seedbed.engines.postgres.running.steps import is_untouched, settings
from seedbed.engines.postgres.running.stepwise import take_back_start
from seedbed.engines.postgres.store.fenced_writer import FencedWriter
from seedbed.engines.postgres.wire.driver import own_rows, relation
from seedbed.engines.postgres.wire.messages import ServerError, end_transaction, run
from seedbed.engines.postgres.wire.pipeline import Statement, send_pipeline
from seedbed.errors import Interrupted, Location, SeedbedError, StepFailed
from seedbed.model.event import Retrying, WorkFinished, WorkProgressed
from seedbed.model.history import Revision
from seedbed.model.migration import Backfill, Migration, Step, Work
from seedbed.wire.retrying import Attempt

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

# A batch's first and last key and its size. Text both ways: any type that sorts may be a key. Where fewer rows are
# left than a batch may have, they are the last one. These are sent beside the migration's own statement and find
# tables by its search_path, so that every function and operator names its schema.
_BOUNDS = """
WITH seedbed_last AS MATERIALIZED (SELECT {key} AS k FROM {table} {beyond} ORDER BY {key} OFFSET {before_last} LIMIT 1)
SELECT (SELECT k::pg_catalog.text FROM (SELECT {key} AS k FROM {table} {beyond} ORDER BY {key} LIMIT 1) AS first),
       coalesce((SELECT k::pg_catalog.text FROM seedbed_last), (
           SELECT k::pg_catalog.text
           FROM (SELECT {key} AS k FROM {table} {beyond} ORDER BY {key} DESC LIMIT 1) AS rest)),
       CASE WHEN EXISTS (SELECT FROM seedbed_last) THEN {limit}
            ELSE (SELECT pg_catalog.count(*) FROM {table} {beyond}) END
"""
_COUNTED = 10_000  # rows that are counted rather than estimated
# Whether the key may be empty in some rows, and the schema of the operators that its order is made of: of the default
# operator class of its type, which for a type from an extension may be anywhere.
_TABLE = """
WITH RECURSIVE base (type) AS (
    SELECT atttypid FROM pg_attribute WHERE attrelid = {table} AND attname = {key}
    UNION ALL
    SELECT t.typbasetype FROM base JOIN pg_type AS t ON t.oid = base.type WHERE t.typtype = 'd'
)
SELECT NOT a.attnotnull, (
    SELECT n.nspname FROM base JOIN pg_opclass AS o ON o.opcintype = base.type AND o.opcdefault
    JOIN pg_am AS m ON m.oid = o.opcmethod AND m.amname = 'btree'
    JOIN pg_amop AS p ON p.amopfamily = o.opcfamily AND p.amopstrategy = 5
                     AND p.amoplefttype = o.opcintype AND p.amoprighttype = o.opcintype
    JOIN pg_operator AS q ON q.oid = p.amopopr JOIN pg_namespace AS n ON n.oid = q.oprnamespace LIMIT 1
)
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = {key}
WHERE c.oid = {table}
"""


class _Batch(Struct, frozen=True):
    first: str
    last: str
    size: int


def apply(writer: FencedWriter, work: Work, revision: Revision | None) -> Iterator[Progress]:
    """Carry out the backfill `work` from its checkpoint. Raises StepFailed, LeaseLost, Interrupted."""
    try:
        try:
            yield from _carry_out(writer, work, revision)
        except ServerError as error:  # between two batches: a record was refused, or an interruption came in
            raise writer.failed(work.migration, error, Location(work.migration.path)) from None
    except (StepFailed, Interrupted):
        take_back_start(writer, work)
        raise


def _carry_out(writer: FencedWriter, work: Work, revision: Revision | None) -> Iterator[Progress]:
    migration, (step,) = work.migration, work.migration.steps(work.direction)
    began = time.monotonic()
    walk = _Walk(writer, migration, step, _function(migration, step, work))
    if is_untouched(revision):
        run(writer.connection, writer.table.started(work, writer.owner))
    if declared := settings(migration, local=False):
        run(writer.connection, declared)
    yield from walk.batches(revision.checkpoint if revision else None)
    if postconditions(work):
        require_postconditions(work, partial(rows, writer.connection))
    run(
        writer.connection,
        f"BEGIN; {writer.table.finished(work, writer.owner)}; COMMIT; {writer.forget_session()}",
    )
    yield WorkFinished(
        writer.target, migration.version, migration.name, work.direction.value, time.monotonic() - began
    )


def _function(migration: Migration, step: Step, work: Work) -> Convert | None:
    """Return the migration's own function over rows, None where its body is a statement."""
    if not migration.path.endswith(".py"):
        return None
    return compiled(step.body, migration.path).function(work.direction.value)


class _Walk:
    """One backfill on its way through a table."""

    def __init__(
        self, writer: FencedWriter, migration: Migration, step: Step, convert: Convert | None
    ) -> None:
        assert step.backfill is not None
        self._writer = writer
        self._migration = migration
        self._step = step
        self._backfill: Backfill = step.backfill
        self._table = quoted_name(*step.backfill.table.split("."))
        self._key = quoted_name(step.backfill.key)
        self._operators = "pg_catalog"  # the schema of those that order the key
        self._converter = convert and RowConverter(
            writer.connection, convert, self._table, step.backfill.key, self._type_names
        )

    def batches(self, checkpoint: str | None) -> Iterator[Progress]:
        self._require_keys()
        done, total = 0, self._estimate(checkpoint)
        batch: _Batch | None = None
        for attempt in self._writer.attempts():
            try:
                batch = batch or self._next(checkpoint)
                if batch is None:
                    return
                following = self._commit(batch)
            except ServerError as error:
                yield from self._again(error, attempt)
                batch = None  # other rows may have come in meanwhile
                continue
            attempt.progressed()
            checkpoint, done = batch.last, done + batch.size
            yield from self._writer.notices(self._migration.version)
            yield WorkProgressed(
                self._writer.target,
                self._migration.version,
                done,
                total if done <= total else 0,  # the statistics may know less than we do
                "rows",
                f"up to {self._backfill.key} {batch.last}",
            )
            batch = following  # where there is none, one more look is taken after the commit

    def _estimate(self, checkpoint: str | None) -> int:
        """Return how many rows are left: few are counted, many as the planner has it, by statistics or by size."""
        beyond = (
            "" if checkpoint is None else f"WHERE {self._key} {self._operator('>')} {quoted_text(checkpoint)}"
        )
        rows = f"SELECT FROM {self._table} {beyond}"
        few = f"SELECT pg_catalog.count(*) FROM ({rows} LIMIT {_COUNTED}) AS counted"
        many = f"EXPLAIN (FORMAT JSON) {rows}"
        try:
            counted, planned = send_pipeline(self._writer.connection, [(few, []), (many, [])])
        except ServerError:
            return 0  # what is wrong is said by the walk itself, with its line
        found = int(_values(counted)[0])
        return found if found < _COUNTED else int(json.loads(_values(planned)[0])[0]["Plan"]["Plan Rows"])

    def _require_keys(self) -> None:
        """Raise StepFailed if there are rows that no key leads to."""
        empty = f"SELECT EXISTS (SELECT FROM {self._table} WHERE {self._key} IS NULL)"
        connection = self._writer.connection
        table = relation(connection, self._table)
        facts = own_rows(connection, _TABLE.format(table=table, key=quoted_text(self._backfill.key)))
        is_nullable, operators = facts[0] if facts else (False, None)
        self._operators = operators or "pg_catalog"
        if is_nullable:
            (found,) = send_pipeline(connection, [(empty, [])])
            if _values(found) == ["t"]:
                raise self._refused(
                    f"{self._backfill.table} has rows without a {self._backfill.key}",
                    "a backfill walks along its key, and would never come to them",
                )

    def _type_names(self, oids: Sequence[int]) -> list[str]:
        array = "{" + ",".join(map(str, oids)) + "}"
        (names,) = send_pipeline(self._writer.connection, [(TYPE_NAMES, [array])])
        return [_values(names, row)[0] for row in range(names.ntuples)]

    def _bounds(self, checkpoint: str | None) -> Statement:
        """Return the query for the bounds of the batch that follows `checkpoint`."""
        query = _BOUNDS.format(
            key=self._key,
            table=self._table,
            beyond="" if checkpoint is None else f"WHERE {self._key} {self._operator('>')} $1",
            limit=self._backfill.batch,
            before_last=self._backfill.batch - 1,
        )
        return query, [] if checkpoint is None else [checkpoint]

    def _operator(self, name: str) -> str:
        return f"OPERATOR({quoted_name(self._operators)}.{name})"

    def _next(self, checkpoint: str | None) -> _Batch | None:
        (bounds,) = send_pipeline(self._writer.connection, [self._bounds(checkpoint)])
        return _batch(bounds)

    def _commit(self, batch: _Batch) -> _Batch | None:
        """Convert one batch and move the checkpoint, in one transaction; return the batch that follows."""
        connection = self._writer.connection
        record = self._writer.table.checkpointed(self._migration.version, batch.last)
        # The bounds of the next batch are asked for before the commit: what fails, fails with the batch as a whole.
        end: list[Statement] = [(record, []), self._bounds(batch.last), ("COMMIT", [])]
        if self._converter is None:
            work: Sequence[Statement] = [("BEGIN", []), (self._step.body, [batch.first, batch.last])]
        else:
            work = self._converted(self._converter, batch)
        with self._writer.touched.unless(ServerError):
            return _batch(send_pipeline(connection, [*work, *end])[-2])

    def _converted(self, converter: RowConverter, batch: _Batch) -> Sequence[Statement]:
        """Begin a transaction, lock the rows of a batch, and return the statements that write them back."""
        connection = self._writer.connection
        bounds = f"{self._key} {self._operator('>=')} $1 AND {self._key} {self._operator('<=')} $2"
        query = f"SELECT * FROM {self._table} WHERE {bounds} ORDER BY {self._key} FOR UPDATE"
        _, rows = send_pipeline(connection, [("BEGIN", []), (query, [batch.first, batch.last])])
        try:
            return converter.statements(rows, (batch.first, batch.last), self._operator)
        except AmbiguousKey as error:
            end_transaction(connection)
            raise self._refused(str(error), "a function over rows writes each one back by its key") from None
        except RowFailed as error:
            end_transaction(connection)
            line = line_in(self._migration.path, error.cause) or self._step.line
            raise self._refused(str(error), line=line) from error.cause
        except psycopg.Error as error:
            end_transaction(connection)
            raise self._refused(str(error)) from None

    def _refused(self, what: str, because: str = "", line: int = 0) -> SeedbedError:
        return _refused(self._migration, self._step, what, because, line)

    def _again(self, error: ServerError, attempt: Attempt) -> Iterator[Progress]:
        """Emit that a batch that gave way is tried again; raises for anything else."""
        writer = self._writer
        if error.was_canceled:
            raise Interrupted(
                f"{self._migration.label} was interrupted on {writer.target}",
                because="its last batch was rolled back, those before it are kept",
                try_="run the same command again: it resumes from its checkpoint",
            ) from None
        refused = self._refused(str(error), error.diag.message_detail or "")
        if not error.is_transient:
            raise refused from None
        delay = attempt.failed(refused)
        yield Retrying(writer.target, self._migration.version, str(error), attempt.number, round(delay, 2))


def _values(result: PGresult, row: int = 0) -> list[str]:
    """Return the values in a row of an answer, as the server writes them; an empty text for NULL."""
    return [(result.get_value(row, column) or b"").decode() for column in range(result.nfields)]


def _batch(bounds: PGresult) -> _Batch | None:
    """Return the batch that the answer to `_BOUNDS` describes, None where no rows are left."""
    first, last, size = _values(bounds)
    return _Batch(first, last, int(size)) if int(size) else None


def _refused(migration: Migration, step: Step, what: str, because: str = "", line: int = 0) -> SeedbedError:
    return StepFailed(
        f"{migration.label} failed: {what}",
        because=because or "the batch was rolled back, those before it are kept with their checkpoint",
        try_="fix the migration or the row, and run the same command again: it resumes from its checkpoint",
        at=Location(migration.path, line or step.line),
    )

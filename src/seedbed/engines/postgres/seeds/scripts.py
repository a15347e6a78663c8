"""Running SQL scripts among the seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from seedbed.engines.postgres.running.steps import statement_offset
from seedbed.engines.postgres.seeds.errors import interrupted
from seedbed.engines.postgres.wire.messages import ServerError, send
from seedbed.errors import Location, OutcomeUnknown, SeedbedError, StepFailed
from seedbed.model.seed import Loaded, Script

if TYPE_CHECKING:
    from psycopg import Connection


def run_script(connection: Connection[tuple[Any, ...]], script: Script) -> Loaded:
    """Run a script inside the dataset's transaction, its session settings undone when it is through.

    Raises StepFailed, Interrupted; OutcomeUnknown for one that ended the transaction.
    """
    text = script.source.data.decode("utf-8-sig")
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
    return connection.execute("SELECT pg_catalog.pg_current_xact_id()::pg_catalog.text").fetchone()


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
        return interrupted(script.path)
    return StepFailed(
        f"the seed failed: {error}", because=error.because(), try_="nothing of the dataset stayed", at=at
    )

"""Statements with parameters that travel together: libpq's pipeline mode, over the driver's connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import generators
from psycopg.pq import ExecStatus

from seedbed.engines.postgres.wire.driver import diagnostic
from seedbed.engines.postgres.wire.messages import ServerError, lost, rolled_back

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.pq.abc import PGresult

Statement = tuple[str, Sequence[str]]  # and its parameters, as text


def send_pipeline(connection: Connection[tuple[Any, ...]], statements: Sequence[Statement]) -> list[PGresult]:
    """Send `statements` in one round trip, and return an answer for each.

    The server reads each parameter as the type that the statement implies. Raises ServerError at the first that
    fails, after ending the transaction that it left behind; LeaseLost where the connection breaks.
    """
    wire = connection.pgconn
    answers: list[PGresult] = []
    failed: ServerError | None = None
    try:
        wire.enter_pipeline_mode()
        for text, parameters in statements:
            wire.send_query_params(text.encode(), [each.encode() for each in parameters])
        wire.pipeline_sync()
        connection.wait(generators.send(wire))
        for _ in statements:
            for result in connection.wait(generators.fetch_many(wire)):
                if result.status == ExecStatus.FATAL_ERROR:
                    error = psycopg.errors.error_from_result(result)
                    failed = failed or ServerError(diagnostic(error), len(answers))
                elif result.status != ExecStatus.PIPELINE_ABORTED:
                    answers.append(result)
        connection.wait(generators.fetch_many(wire))  # the end of the pipeline
        wire.exit_pipeline_mode()
    except psycopg.Error as error:
        raise lost(failed or error) from None
    if failed:
        raise rolled_back(connection, failed)
    return answers

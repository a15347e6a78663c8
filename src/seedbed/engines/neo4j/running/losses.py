"""How many nodes reverts would remove, asked with EXPLAIN; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seedbed.engines.neo4j.files.names import quoted
from seedbed.engines.neo4j.files.split import split
from seedbed.engines.neo4j.files.statements import describe
from seedbed.engines.neo4j.files.steps import undone_by
from seedbed.engines.neo4j.rules.plans import deleted
from seedbed.engines.neo4j.wire.client import BoltClient
from seedbed.engines.neo4j.wire.errors import CypherError
from seedbed.model.migration import Backfill, Step, Work
from seedbed.model.plan import Certainty, Loss

_UNIT = "entity"  # a node or a relationship


def losses(server: BoltClient, works: Sequence[Work]) -> list[Loss]:
    """Return what `works` would remove. Raises CypherError, ConnectionLost."""
    return [
        loss
        for work in works
        for step in work.migration.steps(work.direction)
        if undone_by(step.body) is None  # constraints and indexes hold no data
        for loss in _of(server, work.migration.version, step)
    ]


def _of(server: BoltClient, version: str, step: Step) -> Iterator[Loss]:
    for statement in split(step.body):
        if not any(token.says("DELETE") for token in statement.tokens):
            continue
        what = describe(statement)
        if step.backfill is not None:
            yield from _walked(server, version, what, step.backfill)
            continue
        try:
            rows = deleted(server.explain(statement.text).plan or {})
        except CypherError:  # it may rest on what an earlier statement makes
            yield Loss(version, what, None, unit=_UNIT)
            continue
        if rows:
            yield Loss(version, what, rows, Certainty.ABOUT, _UNIT)


def _walked(server: BoltClient, version: str, what: str, walk: Backfill) -> Iterator[Loss]:
    pattern = (
        f"()-[n:{quoted(walk.table[2:-1])}]->()"
        if walk.table.startswith("[")
        else f"(n:{quoted(walk.table)})"
    )
    (row,) = server.read(f"MATCH {pattern} RETURN count(n) AS count", {})
    if row["count"]:
        yield Loss(version, what, int(row["count"]), Certainty.AT_MOST, _UNIT)

"""How many nodes and relationships reverts would remove: counted, or estimated by EXPLAIN; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seedbed.engines.neo4j.files.lexer import TokenKind
from seedbed.engines.neo4j.files.names import quoted
from seedbed.engines.neo4j.files.split import Statement, split
from seedbed.engines.neo4j.files.statements import body_of, describe
from seedbed.engines.neo4j.files.steps import undone_by
from seedbed.engines.neo4j.rules.plans import deleted
from seedbed.engines.neo4j.wire.client import BoltClient
from seedbed.engines.neo4j.wire.errors import CypherError
from seedbed.model.migration import Backfill, Step, Work
from seedbed.model.plan import Certainty, Loss

_UNIT = "entity"  # a node or a relationship
COUNTED = 1_000_000  # rows that are gone through to count; of more, EXPLAIN's estimate is told
_MORE = ("CREATE", "MERGE", "SET", "REMOVE", "DELETE", "FOREACH", "CALL", "LOAD", "DROP", "UNION", "PROFILE")


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
        detaches = any(token.says("DETACH") for token in statement.tokens)
        if step.backfill is not None:
            yield from _walked(server, version, what, step.backfill, detaches=detaches)
            continue
        try:
            rows = deleted(server.explain(statement.text).plan or {})
            query = counting(statement) if rows <= COUNTED else None
            certainty, along = Certainty.ABOUT, None
            if query is not None:
                rows, certainty = int(server.read(query, {})[0]["count"]), Certainty.EXACT
                if rows and detaches and (degrees := counting_along(statement)):
                    along = int(server.read(degrees, {})[0]["count"])
        except CypherError:  # it may rest on what an earlier statement makes
            yield Loss(version, what, None, unit=_UNIT)
            continue
        if rows:
            yield Loss(version, what, rows, certainty, _UNIT)
            if detaches:
                yield from _along(version, what, along)


def _along(version: str, what: str, relationships: int | None) -> Iterator[Loss]:
    """Yield what DETACH takes along: `relationships` of the nodes that go; one between two of them counts twice."""
    if relationships != 0:
        certainty = Certainty.EXACT if relationships is None else Certainty.AT_MOST
        yield Loss(version, f"{what}, by DETACH", relationships, certainty, "relationship")


def counting(statement: Statement) -> str | None:
    """Return the query that counts what `statement` deletes; None where it is more than a search and its DELETE."""
    if (found := _searched(statement)) is None:
        return None
    search, names = found
    return f"{search} RETURN {' + '.join(f'count(DISTINCT {name})' for name in names)} AS count"


def counting_along(statement: Statement) -> str | None:
    """Return the query that adds up the relationships of the nodes that `statement` deletes; None likewise."""
    if (found := _searched(statement)) is None:
        return None
    search, names = found
    tokens = body_of(statement)
    relationships = {
        each.value for at, each in enumerate(tokens[1:], 1) if tokens[at - 1].says("[") and each.is_name
    }
    nodes = [name for name in names if name.strip("`") not in relationships]
    if not nodes:
        return None
    each_node = f"UNWIND [{', '.join(nodes)}] AS gone WITH DISTINCT gone"
    return f"{search} {each_node} RETURN sum(COUNT {{ (gone)--() }}) AS count"


def _searched(statement: Statement) -> tuple[str, list[str]] | None:
    """Return the search of `statement`, and the variables that it then deletes; None where it is more than that."""
    tokens = body_of(statement)
    last = next((i for i, each in enumerate(tokens) if each.says("DELETE") and not each.depth), None)
    if last is None:
        return None
    first = last - 1 if last and tokens[last - 1].says("DETACH", "NODETACH") else last
    names = [each for each in tokens[last + 1 :] if not each.says(",")]
    plain = all(each.kind in {TokenKind.WORD, TokenKind.NAME} and not each.depth for each in names)
    if not plain or len(tokens) != last + 2 * len(names) or any(each.says(*_MORE) for each in tokens[:first]):
        return None
    search = statement.text[: tokens[first].start - statement.start]
    return search, [
        statement.text[each.start - statement.start : each.end - statement.start] for each in names
    ]


def _walked(server: BoltClient, version: str, what: str, walk: Backfill, *, detaches: bool) -> Iterator[Loss]:
    pattern = (
        f"()-[n:{quoted(walk.table[2:-1])}]->()"
        if walk.table.startswith("[")
        else f"(n:{quoted(walk.table)})"
    )
    (row,) = server.read(f"MATCH {pattern} RETURN count(n) AS count", {})
    if row["count"]:
        yield Loss(version, what, int(row["count"]), Certainty.AT_MOST, _UNIT)
        if detaches and not walk.table.startswith("["):
            (row,) = server.read(f"MATCH {pattern} RETURN sum(COUNT {{ (n)--() }}) AS count", {})
            yield from _along(version, what, int(row["count"]))

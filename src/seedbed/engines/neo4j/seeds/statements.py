"""The statements that look at rows and write them. Pure.

Rows travel by column: `$c0` holds all values of column 0, `i` counts rows. That is a third less work for the client
than one map per row, and the server is as fast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from seedbed.engines.neo4j.files.names import quoted
from seedbed.engines.neo4j.seeds.shape import NodeKey, NodeShape, RelationshipShape, SeedColumn, Shape
from seedbed.engines.neo4j.seeds.table import RowChunk

_EACH = "UNWIND range(0, $count - 1) AS i"


def parameters(chunk: RowChunk) -> Mapping[str, object]:
    """Return the parameters that carry `chunk`."""
    return {"count": len(chunk), **{f"c{at}": column for at, column in enumerate(chunk.columns)}}


def look(shape: Shape) -> str:
    """Return the query for rows that are not there as they should be.

    One record for each: `i`; `found`, how many nodes or relationships have its key; `start` and `end`, whether both
    ends of a relationship are there.
    """
    if isinstance(shape, NodeShape):
        other = [f"NOT n:{quoted(each)}" for each in shape.labels]
        return f"""{_EACH}
OPTIONAL MATCH {_node("n", shape.place)}
WITH i, n WHERE n IS NULL{"".join(f" OR {each}" for each in (*_differences("n", shape.others), *other))}
RETURN i, CASE WHEN n IS NULL THEN 0 ELSE 1 END AS found, true AS start, true AS end"""
    differing = "".join(f" OR {each}" for each in _differences("r", shape.others))
    return f"""{_EACH}
OPTIONAL MATCH {_node("a", shape.start)}
OPTIONAL MATCH {_node("b", shape.end)}
OPTIONAL MATCH (a)-{_relationship(shape)}->(b)
WITH i, a IS NOT NULL AS start, b IS NOT NULL AS end, collect(r) AS several
WITH i, start, end, size(several) AS found, head(several) AS r
WHERE found <> 1{differing}
RETURN i, found, start, end"""


def write(shape: Shape) -> str:
    """Return the statement that writes rows; `met` counts those whose nodes exist."""
    if isinstance(shape, NodeShape):
        labels = "".join(f" SET n:{quoted(each)}" for each in shape.labels)
        return f"""{_EACH}
MERGE {_node("n", shape.place)}{_set("n", shape.others)}{labels}
RETURN count(*) AS met"""
    return f"""{_EACH}
MATCH {_node("a", shape.start)}
MATCH {_node("b", shape.end)}
MERGE (a)-{_relationship(shape)}->(b){_set("r", shape.others)}
RETURN count(*) AS met"""


def _node(name: str, place: NodeKey) -> str:
    return f"({name}:{quoted(place.label)} {_map(place.key)})"


def _relationship(shape: RelationshipShape) -> str:
    key = f" {_map(shape.own_key)}" if shape.own_key else ""
    return f"[r:{quoted(shape.kind)}{key}]"


def _set(name: str, columns: Sequence[SeedColumn]) -> str:
    """Return the clause that sets properties; one by one is quicker for the server than a map that it merges."""
    return "\nSET " + ", ".join(f"{name}.{_is(each, ' = ')}" for each in columns) if columns else ""


def _map(columns: Sequence[SeedColumn]) -> str:
    return "{" + ", ".join(_is(each, ": ") for each in columns) + "}"


def _is(column: SeedColumn, sign: str) -> str:
    return f"{quoted(column.name)}{sign}$c{column.at}[i]"


def _differences(name: str, columns: Sequence[SeedColumn]) -> list[str]:
    """Return conditions that hold where a property is another one: 1 is not 1.0, and null equals null."""
    return [_differs(f"{name}.{quoted(each.name)}", f"$c{each.at}[i]") for each in columns]


def _differs(stored: str, wanted: str) -> str:
    same = f"{stored} = {wanted} AND valueType({stored}) = valueType({wanted})"
    return f"NOT coalesce({same} OR ({stored} IS NULL AND {wanted} IS NULL), false)"

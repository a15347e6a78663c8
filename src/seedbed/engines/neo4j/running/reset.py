"""Emptying a database: relationships, nodes, constraints and indexes, and seedbed's own but the lease."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from seedbed.engines.neo4j.files.names import HISTORY_CONSTRAINT, HISTORY_LABEL, quoted
from seedbed.support.phrases import count

if TYPE_CHECKING:
    from seedbed.engines.neo4j.store.fenced_writer import FencedWriter
    from seedbed.engines.neo4j.wire.client import RunQuery

_BATCH = 10_000  # relationships or nodes in one transaction; a few dozen MB of the server's memory
# Relationships first: DETACH DELETE takes all of a node at once, and one node may have millions.
_RELATIONSHIPS = "MATCH ()-[r]->() WITH r LIMIT $batch DELETE r RETURN count(*) AS gone"
_NODES = f"MATCH (n) WHERE NOT n:{HISTORY_LABEL} WITH n LIMIT $batch DETACH DELETE n RETURN count(*) AS gone"
_OURS = f"MATCH (n:{HISTORY_LABEL}) WHERE NOT n.key IN ['lease', 'fence'] DETACH DELETE n"
_CONSTRAINTS = "SHOW CONSTRAINTS YIELD name ORDER BY name"
# Of what serves a constraint, its name is the constraint's. Lookup indexes are the server's own.
_INDEXES = (
    "SHOW INDEXES YIELD name, type, owningConstraint WHERE type <> 'LOOKUP' AND owningConstraint IS NULL "
    "RETURN name ORDER BY name"
)


def reset(lease: FencedWriter) -> str:
    """Remove everything and return what went, in words; the history goes last.

    Names of labels, types and properties stay known to the server: Neo4j forgets none. Raises LeaseLost, Interrupted.
    """
    lease.check()
    relationships = _emptied(lease, _RELATIONSHIPS)
    nodes = _emptied(lease, _NODES)
    constraints, indexes = _dropped(lease, "CONSTRAINT"), _dropped(lease, "INDEX")
    lease.write_record(_forget)
    gone = {"node": nodes, "relationship": relationships, "constraint": constraints, "index": indexes}
    found = [count(many, noun, "indexes" if noun == "index" else "") for noun, many in gone.items() if many]
    return f"{', '.join(found)} and the history" if found else "the history; the graph was empty"


def _emptied(lease: FencedWriter, statement: str) -> int:
    """Run `statement`, each time in a transaction of its own, until nothing is left; return how many went."""

    def work(run: RunQuery) -> int:
        return int(run(statement, {"batch": _BATCH}).rows[0]["gone"])

    total = 0
    while gone := lease.write(work, changes=bool):
        total += gone
    return total


def _dropped(lease: FencedWriter, kind: str) -> int:
    names = list(_names(lease, kind))
    for name in names:
        lease.alter(f"DROP {kind} {quoted(name)} IF EXISTS")
    return len(names)


def _names(lease: FencedWriter, kind: str) -> Iterator[str]:
    records: list[Mapping[str, Any]] = list(lease.read(_CONSTRAINTS if kind == "CONSTRAINT" else _INDEXES))
    yield from (each["name"] for each in records if each["name"] != HISTORY_CONSTRAINT)


def _forget(run: RunQuery) -> None:
    run(_OURS, {})

"""Writing a small graph to a file: what it holds, and the constraints and indexes it has.

Its history only into a snapshot. What was restored beside it, from a snapshot, is in neither.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from seedbed.engines.neo4j.dump_restore import file_format
from seedbed.engines.neo4j.dump_restore.values import encoded
from seedbed.engines.neo4j.files.names import COPY_LABEL, HISTORY_LABEL, OWN_CONSTRAINTS
from seedbed.engines.neo4j.store import history
from seedbed.errors import Refused
from seedbed.model.event import CopyFinished, CopyProgressed, Event

if TYPE_CHECKING:
    from seedbed.engines.neo4j.graph import GraphTarget

MOST = 200_000  # nodes and relationships together; more needs a snapshot
_COUNT = f"""MATCH (n) WHERE NOT n:{HISTORY_LABEL}|{COPY_LABEL} WITH count(n) AS nodes
RETURN nodes, COUNT {{ ()-->() }} - COUNT {{ (:{COPY_LABEL})-->() }} AS relationships"""
_NODES = f"""MATCH (n) WHERE NOT n:{HISTORY_LABEL}|{COPY_LABEL}
RETURN elementId(n) AS id, labels(n) AS labels, properties(n) AS properties"""
# Of the history without the lease, which is for a moment, and in the database itself.
_HISTORY = f"""MATCH (n:{HISTORY_LABEL}) WHERE NOT n.key IN ['lease', 'fence']
RETURN labels(n) AS labels, properties(n) AS properties ORDER BY n.key"""
_RELATIONSHIPS = f"""MATCH (a)-[r]->(b) WHERE NOT a:{HISTORY_LABEL}|{COPY_LABEL} AND NOT b:{HISTORY_LABEL}|{COPY_LABEL}
RETURN type(r) AS kind, elementId(a) AS start, elementId(b) AS end, properties(r) AS properties"""
# Sorted by name; of an index that serves a constraint, the constraint is enough.
SCHEMA = (
    "SHOW CONSTRAINTS YIELD name, createStatement RETURN name, createStatement AS statement ORDER BY name",
    "SHOW INDEXES YIELD name, type, owningConstraint, createStatement "
    "WHERE type <> 'LOOKUP' AND owningConstraint IS NULL "
    "RETURN name, createStatement AS statement ORDER BY name",
)


def dump(graph: GraphTarget, file: Path, *, with_history: bool = False) -> Iterator[Event]:
    """Write everything to `file`, which must not exist; only its owner may read it. The history only if asked for.

    Raises Refused where there is more than a file is for, a value that a file cannot hold, or a change of
    the graph meanwhile; then there is no file.
    """
    if file.exists():
        raise _not_written(file, "it exists already")
    found = read(graph, with_history=with_history)
    for count, unit in ((found.head.nodes, "nodes"), (found.head.relationships, "relationships")):
        yield CopyProgressed(graph.target, "dump", count, count, unit)
    _write(found, file)
    yield CopyFinished(graph.target, "dump", found.head.words, str(file))


def _write(found: file_format.Dump, file: Path) -> None:
    """Write a file that is whole as soon as it has its name. Raises Refused."""
    partial = file.with_name(f".{file.name}.{uuid4().hex[:8]}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.writelines(file_format.written(found))
            out.flush()
            os.fsync(out.fileno())
        os.link(partial, file)  # never over what came in between
    except OSError as wrong:
        raise _not_written(file, wrong.strerror or str(wrong)) from None
    finally:
        partial.unlink(missing_ok=True)


def _not_written(file: Path, because: str) -> Refused:
    return Refused(f"{file} cannot be written", because=because, try_="name a file that is not there yet")


def schema(graph: GraphTarget) -> Sequence[str]:
    """Return the statements that make the constraints and indexes there are, seedbed's own left out."""
    return [
        each["statement"]
        for query in SCHEMA
        for each in graph.read(query, {})
        if each["name"] not in OWN_CONSTRAINTS
    ]


def read(graph: GraphTarget, *, with_history: bool = False) -> file_format.Dump:
    """Return all that the graph holds, its history if asked for. Raises Refused as `dump` does."""
    before = graph.read(_COUNT, {})[0]
    own = graph.read(_HISTORY, {}) if with_history else []
    if before["nodes"] + before["relationships"] > MOST:
        raise Refused(
            f"{graph.target} has {before['nodes']} nodes and {before['relationships']} relationships",
            because=f"a dump is for {MOST} of both together: it is read as a whole, without a snapshot of the graph",
            try_="neo4j-admin database dump of a stopped server, a backup of Enterprise, or a snapshot of its disk",
        )
    nodes, numbers = file_format.numbered(
        (each["id"], each["labels"], _properties(each, graph)) for each in graph.read(_NODES, {})
    )
    relationships = file_format.ordered(
        file_format.DumpRelationship(
            each["kind"], numbers[each["start"]], numbers[each["end"]], _properties(each, graph)
        )
        for each in graph.read(_RELATIONSHIPS, {})
        if each["start"] in numbers and each["end"] in numbers
    )
    statements = schema(graph)
    after = graph.read(_COUNT, {})[0]
    counted = {"nodes": len(nodes), "relationships": len(relationships)}
    own_after = graph.read(_HISTORY, {}) if with_history else []
    if not before == counted == after or own != own_after:
        raise Refused(
            f"{graph.target} changed while it was read",
            because=f"there were {before['nodes']} nodes and {before['relationships']} relationships before, "
            f"{after['nodes']} and {after['relationships']} after"
            + ("" if own == own_after else ", and another history"),
            try_="dump it while nothing writes to it",
        )
    head = file_format.DumpHeader(
        file_format.WITH_HISTORY if with_history else file_format.FORMAT,
        graph.target,
        graph.environment,
        f"Neo4j {graph.client.version}",
        tuple(applied(graph)),
        **counted,
    )
    return file_format.Dump(
        head, tuple(statements), nodes, relationships, tuple(_properties(each, graph) for each in own)
    )


def applied(graph: GraphTarget) -> Sequence[str]:
    """Return the versions that the history calls applied."""
    return [each.version for each in history.read(graph).applied]


def _properties(record: dict[str, Any], graph: GraphTarget) -> dict[str, Any]:
    properties = record["properties"]
    try:
        return {name: encoded(value) for name, value in sorted(properties.items())}
    except TypeError as wrong:
        raise Refused(
            f"{graph.target} has a value that a dump cannot hold",
            because=f"{wrong} among {', '.join(sorted(properties))} of {record.get('labels') or record['kind']}",
        ) from None

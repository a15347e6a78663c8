"""Writing a small graph to a file: what it holds, and the constraints and indexes it has. Not its history."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from seedbed.engines.neo4j.dump_restore import file_format
from seedbed.engines.neo4j.dump_restore.values import encoded
from seedbed.engines.neo4j.files.names import HISTORY_CONSTRAINT, HISTORY_LABEL
from seedbed.engines.neo4j.store import history
from seedbed.errors import Refused
from seedbed.model.event import CopyFinished, CopyProgressed, Event

if TYPE_CHECKING:
    from seedbed.engines.neo4j.graph import GraphTarget

MOST = 200_000  # nodes and relationships together; more needs a snapshot
_COUNT = f"""MATCH (n) WHERE NOT n:{HISTORY_LABEL} WITH count(n) AS nodes
RETURN nodes, COUNT {{ ()-->() }} AS relationships"""
_NODES = f"""MATCH (n) WHERE NOT n:{HISTORY_LABEL}
RETURN elementId(n) AS id, labels(n) AS labels, properties(n) AS properties"""
_RELATIONSHIPS = f"""MATCH (a)-[r]->(b) WHERE NOT a:{HISTORY_LABEL} AND NOT b:{HISTORY_LABEL}
RETURN type(r) AS kind, elementId(a) AS start, elementId(b) AS end, properties(r) AS properties"""
# Sorted by name; of an index that serves a constraint, the constraint is enough.
SCHEMA = (
    "SHOW CONSTRAINTS YIELD name, createStatement RETURN name, createStatement AS statement ORDER BY name",
    "SHOW INDEXES YIELD name, type, owningConstraint, createStatement "
    "WHERE type <> 'LOOKUP' AND owningConstraint IS NULL "
    "RETURN name, createStatement AS statement ORDER BY name",
)


def dump(graph: GraphTarget, file: Path) -> Iterator[Event]:
    """Write everything but the history to `file`, which must not exist; only its owner may read it.

    Raises Refused where there is more than a file is for, a value that a file cannot hold, or a change of
    the graph meanwhile; then there is no file.
    """
    if file.exists():
        raise _not_written(file, "it exists already")
    found = read(graph)
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
        if each["name"] != HISTORY_CONSTRAINT
    ]


def read(graph: GraphTarget) -> file_format.Dump:
    """Return all that the graph holds but the history. Raises Refused as `dump` does."""
    before = graph.read(_COUNT, {})[0]
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
    if not before == counted == after:
        raise Refused(
            f"{graph.target} changed while it was read",
            because=f"there were {before['nodes']} nodes and {before['relationships']} relationships before, "
            f"{after['nodes']} and {after['relationships']} after",
            try_="dump it while nothing writes to it",
        )
    head = file_format.DumpHeader(
        file_format.FORMAT,
        graph.target,
        graph.environment,
        f"Neo4j {graph.client.version}",
        tuple(applied(graph)),
        **counted,
    )
    return file_format.Dump(head, tuple(statements), nodes, relationships)


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

"""Filling an empty graph with what a dump holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedbed.engines.neo4j import history
from seedbed.engines.neo4j.copies import lines
from seedbed.engines.neo4j.copies.values import decoded
from seedbed.engines.neo4j.dump import applied, schema
from seedbed.engines.neo4j.messages import ServerError
from seedbed.engines.neo4j.rows.shape import quoted
from seedbed.errors import Location, Refused, StepFailed, UsageError
from seedbed.model.event import Event, Noticed, WorkProgressed

if TYPE_CHECKING:
    from seedbed.engines.neo4j.connection import Ask
    from seedbed.engines.neo4j.guarded import Guarded

_BATCH = 5_000
_ANY = f"MATCH (n) WHERE NOT n:{history.LABEL} RETURN n LIMIT 1"
_READY = "CALL db.awaitIndexes(600)"
_NODES = """UNWIND range(0, size($rows) - 1) AS i
CREATE (n{labels}) SET n = $rows[i]
RETURN i, elementId(n) AS id"""
_RELATIONSHIPS = """UNWIND range(0, size($rows) - 1) AS i
MATCH (a) WHERE elementId(a) = $starts[i]
MATCH (b) WHERE elementId(b) = $ends[i]
CREATE (a)-[r:{kind}]->(b) SET r = $rows[i]
RETURN count(*) AS made"""


def restore(lease: Guarded, file: Path) -> Iterator[Event]:
    """Bring back what `file` holds: nodes, relationships, then constraints and indexes.

    Raises UsageError for a file that is no whole dump; Refused unless the target is empty, and its history either
    empty or the one that the dump was taken with; StepFailed where the server takes something not back, and then
    part of it may be there.
    """
    dump = _read(file)
    _insist_on_empty(lease, dump.head)
    target = lease.place.target
    try:
        ids: dict[int, str] = {}
        for done in _nodes(lease, dump.nodes, ids):
            yield WorkProgressed(target, "", done, len(dump.nodes), "nodes")
        for done in _relationships(lease, dump.relationships, ids):
            yield WorkProgressed(target, "", done, len(dump.relationships), "relationships")
        for statement in dump.schema:
            lease.alter(statement)
        if dump.schema:
            lease.reading(_READY)
    except ServerError as error:
        raise StepFailed(
            f"{file} could not be restored: {error.message}",
            because=error.code,
            try_="what was made until then is there: empty the target, and restore again",
        ) from None
    if dump.head.applied:
        yield Noticed(
            target,
            dump.head.applied[-1],
            "NOTICE",
            f"the graph is as it was when {dump.head.applied[-1]} was the last that was applied",
        )


def _read(file: Path) -> lines.Dump:
    try:
        return lines.read(file.read_bytes())
    except OSError as wrong:
        raise UsageError(f"{file} cannot be read", because=wrong.strerror or str(wrong)) from None
    except lines.Damaged as wrong:
        raise UsageError(
            f"{file.name} is no dump that could be restored",
            because=str(wrong),
            at=Location(str(file), wrong.line),
        ) from None


def _insist_on_empty(lease: Guarded, head: lines.Head) -> None:
    place = lease.place
    has_data, has_schema = bool(lease.reading(_ANY)), bool(schema(place))
    if has_data or has_schema:
        raise Refused(
            f"{place.target} is not empty",
            because="it holds nodes" if has_data else "it has constraints or indexes",
            try_="restore into a new database; seedbed reset empties one that is ephemeral",
        )
    known = tuple(applied(place))
    if known and known != head.applied:
        raise Refused(
            f"the history of {place.target} is not that of the dump",
            because=f"it ends with {known[-1]}, and the dump was taken after {(head.applied or ('none',))[-1]}",
            try_="restore into a new database, then baseline it to where the dump was taken",
        )


def _nodes(lease: Guarded, nodes: Sequence[lines.Node], ids: dict[int, str]) -> Iterator[int]:
    """Make `nodes`, noting in `ids` what became of each; yield how many are made."""
    by_labels: Mapping[tuple[str, ...], list[lines.Node]] = _grouped(nodes, "labels")
    done = 0
    for labels, members in by_labels.items():
        statement = _NODES.format(labels="".join(f":{quoted(each)}" for each in labels))
        for first in range(0, len(members), _BATCH):
            batch = members[first : first + _BATCH]

            def work(ask: Ask, statement: str = statement, batch: Sequence[Any] = batch) -> dict[int, str]:
                made = ask(statement, {"rows": [_properties(each) for each in batch]}).rows
                return {batch[each["i"]].number: each["id"] for each in made}

            ids.update(lease.writing(work))
            done += len(batch)
            yield done


def _relationships(
    lease: Guarded, relationships: Sequence[lines.Relationship], ids: Mapping[int, str]
) -> Iterator[int]:
    """Make `relationships` between the nodes that `ids` tell; yield how many are made."""
    done = 0
    for kind, members in _grouped(relationships, "kind").items():
        statement = _RELATIONSHIPS.format(kind=quoted(kind))
        for first in range(0, len(members), _BATCH):
            batch = members[first : first + _BATCH]
            parameters = {
                "starts": [ids[each.start] for each in batch],
                "ends": [ids[each.end] for each in batch],
                "rows": [_properties(each) for each in batch],
            }

            def work(ask: Ask, statement: str = statement, parameters: Any = parameters) -> int:
                return int(ask(statement, parameters).rows[0]["made"])

            if lease.writing(work) != len(batch):
                raise Refused(
                    f"{lease.place.target} changes while it is restored",
                    because="nodes that were made a moment ago are gone",
                )
            done += len(batch)
            yield done


def _grouped(things: Sequence[Any], by: str) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = defaultdict(list)
    for each in things:
        found[getattr(each, by)].append(each)
    return found


def _properties(thing: lines.Node | lines.Relationship) -> dict[str, object]:
    return {name: decoded(value) for name, value in thing.properties.items()}

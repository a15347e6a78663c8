"""Filling an empty graph with what a dump holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from seedbed.engines.neo4j.dump_restore import file_format
from seedbed.engines.neo4j.dump_restore.dump import applied, schema
from seedbed.engines.neo4j.dump_restore.values import decoded
from seedbed.engines.neo4j.files.commands import parse_definition
from seedbed.engines.neo4j.files.lexer import LexError
from seedbed.engines.neo4j.files.names import HISTORY_CONSTRAINT, HISTORY_LABEL, quoted
from seedbed.engines.neo4j.wire.errors import CypherError
from seedbed.errors import Hint, Location, Refused, StepFailed, UsageError, call
from seedbed.model.event import CopyFinished, CopyProgressed, Event
from seedbed.support.phrases import shorten

if TYPE_CHECKING:
    from seedbed.engines.neo4j.graph import GraphTarget
    from seedbed.engines.neo4j.store.fenced_writer import FencedWriter
    from seedbed.engines.neo4j.wire.client import RunQuery

T = TypeVar("T")

_BATCH = 5_000
_ANY = f"MATCH (n) WHERE NOT n:{HISTORY_LABEL} RETURN n LIMIT 1"
_READY = "CALL db.awaitIndexes(600)"
_NODES = """UNWIND range(0, size($rows) - 1) AS i
CREATE (n{labels}) SET n = $rows[i]
RETURN i, elementId(n) AS id"""
_RELATIONSHIPS = """UNWIND range(0, size($rows) - 1) AS i
MATCH (a) WHERE elementId(a) = $starts[i]
MATCH (b) WHERE elementId(b) = $ends[i]
CREATE (a)-[r:{kind}]->(b) SET r = $rows[i]
RETURN count(*) AS made"""


def restore(lease: FencedWriter, file: Path) -> Iterator[Event]:
    """Bring back what `file` holds: nodes, relationships, then the constraints and indexes that are not there yet.

    Raises UsageError for a file that is not a whole dump; Refused unless the target is empty and migrated to where the
    dump was taken; StepFailed where the server refuses something, and then part of it may be there.
    """
    dump = _read(file)
    require_harmless(file, dump)
    _require_empty(lease, dump)
    target = lease.graph.target
    there = set(schema(lease.graph))
    try:
        ids: dict[int, str] = {}
        for done in make_nodes(lease, dump.nodes, ids):
            yield CopyProgressed(target, "restore", done, len(dump.nodes), "nodes")
        for done in make_relationships(lease, dump.relationships, ids):
            yield CopyProgressed(target, "restore", done, len(dump.relationships), "relationships")
        for statement in dump.schema:
            if statement not in there:
                lease.alter(statement)
        if dump.schema:
            lease.read(_READY)
        yield CopyFinished(target, "restore", dump.head.words, str(file))
    except CypherError as error:
        raise StepFailed(
            f"{file} could not be restored: {error.message}",
            because=error.code,
            try_="what was made until then is there: empty the target, and restore again",
        ) from None


def _read(file: Path) -> file_format.Dump:
    try:
        return file_format.read(file.read_bytes())
    except OSError as wrong:
        raise UsageError(f"{file} cannot be read", because=wrong.strerror or str(wrong)) from None
    except file_format.InvalidDump as wrong:
        raise UsageError(
            f"{file.name} is not a valid dump",
            because=str(wrong),
            at=Location(str(file), wrong.line),
        ) from None


def require_harmless(file: Path, dump: file_format.Dump) -> None:
    """Raise UsageError for what no dump of ours holds: statements that do more than define, and nodes of seedbed's own.

    Whoever can change the file can make its checksum anew.
    """
    for statement in dump.schema:
        try:
            command = parse_definition(statement)
        except LexError as wrong:
            raise _not_of_a_dump(file, statement, f"{wrong.what} {wrong.because}".strip()) from None
        if command.name == HISTORY_CONSTRAINT or (
            command.subject and HISTORY_LABEL in command.subject.labels
        ):
            raise _not_of_a_dump(
                file, statement, "it is about the history of the target, which a dump leaves out"
            )
    if any(HISTORY_LABEL in node.labels for node in dump.nodes):
        raise _not_of_a_dump(
            file, HISTORY_LABEL, "it is the label of the target's history, which a dump leaves out"
        )


def _not_of_a_dump(file: Path, what: str, because: str) -> UsageError:
    return UsageError(
        f"{file.name} holds what seedbed writes into no dump: {shorten(what, 100)}",
        because=because,
        try_="look where the file comes from; nothing of it was restored",
        at=Location(str(file)),
    )


def _require_empty(lease: FencedWriter, dump: file_format.Dump) -> None:
    """Raise Refused unless nothing is there but what the dump's migrations have made."""
    graph, wanted = lease.graph, dump.head.applied
    if lease.read(_ANY):
        raise Refused(
            f"{graph.target} is not empty",
            because="it holds nodes",
            try_=Hint(
                "restore into a new database, or empty this one if it is ephemeral: ",
                call("reset", about=graph.target),
            ),
        )
    if (known := tuple(applied(graph))) != wanted:
        raise Refused(
            f"{graph.target} is not at the migration where the dump was taken",
            because=f"it has {_position(known)}, and the dump was taken after {_position(wanted)}",
            try_=Hint("migrate it to there first: ", call("apply", "--to", wanted[-1], about=graph.target))
            if wanted
            else "",
        )
    if others := sorted(set(schema(graph)) - set(dump.schema)):
        raise Refused(
            f"{graph.target} has constraints or indexes that the dump has not",
            because=others[0],
            try_="drop them, or restore into a new database",
        )


def _position(versions: Sequence[str]) -> str:
    return f"{len(versions)} migrations, the last {versions[-1]}" if versions else "no migration"


class Writer(Protocol):
    """What commits to `graph`."""

    @property
    def graph(self) -> GraphTarget: ...

    def write(self, work: Callable[[RunQuery], T]) -> T:
        """Do `work` in a transaction, commit, and return its result."""
        ...


class Unleased:
    """Commits without a lease, where no other process has the graph."""

    def __init__(self, graph: GraphTarget) -> None:
        self.graph = graph

    def write(self, work: Callable[[RunQuery], T]) -> T:
        with self.graph.client.transaction({}) as transaction:
            result = work(transaction.run)
            transaction.commit()
            return result


def make_nodes(lease: Writer, nodes: Sequence[file_format.DumpNode], ids: dict[int, str]) -> Iterator[int]:
    """Make `nodes`, noting in `ids` the id of each; yield how many are made."""
    by_labels: Mapping[tuple[str, ...], list[file_format.DumpNode]] = _grouped(nodes, "labels")
    done = 0
    for labels, members in by_labels.items():
        statement = _NODES.format(labels="".join(f":{quoted(each)}" for each in labels))
        for first in range(0, len(members), _BATCH):
            batch = members[first : first + _BATCH]

            def work(
                run: RunQuery, statement: str = statement, batch: Sequence[Any] = batch
            ) -> dict[int, str]:
                made = run(statement, {"rows": [_properties(each) for each in batch]}).rows
                return {batch[each["i"]].number: each["id"] for each in made}

            ids.update(lease.write(work))
            done += len(batch)
            yield done


def make_relationships(
    lease: Writer, relationships: Sequence[file_format.DumpRelationship], ids: Mapping[int, str]
) -> Iterator[int]:
    """Make `relationships` between the nodes in `ids`; yield how many are made."""
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

            def work(run: RunQuery, statement: str = statement, parameters: Any = parameters) -> int:
                return int(run(statement, parameters).rows[0]["made"])

            if lease.write(work) != len(batch):
                raise Refused(
                    f"{lease.graph.target} changes while it is restored",
                    because="nodes that were made a moment ago are gone",
                )
            done += len(batch)
            yield done


def _grouped(things: Sequence[Any], by: str) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = defaultdict(list)
    for each in things:
        found[getattr(each, by)].append(each)
    return found


def _properties(thing: file_format.DumpNode | file_format.DumpRelationship) -> dict[str, object]:
    return {name: decoded(value) for name, value in thing.properties.items()}

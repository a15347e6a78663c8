"""What a dump holds, restored into the same graph below a prefix: labels `r12.Tutor`, relationships `r12.TEACHES`.

Community has one database for each server, so what a migration is to read has to be in that. No node and no
relationship of the graph is touched, and none leads from it to the copy. Every node of a copy has the label
`restored_copy` too, with a key of the same name, which a constraint keeps unique; the one with the key `r12` says how
much of the copy is there. Each batch is one transaction that says so: whoever was killed, or works beside another one,
goes on behind the last batch.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from msgspec import Struct

from seedbed.engines.neo4j.dump_restore.file_format import Dump, DumpNode, DumpRelationship
from seedbed.engines.neo4j.dump_restore.values import decoded
from seedbed.engines.neo4j.files.names import COPY_CONSTRAINT, COPY_LABEL, quoted
from seedbed.engines.neo4j.graph import GraphTarget
from seedbed.errors import Hint, Refused, call
from seedbed.model.snapshot import Snapshot

SECONDS = 5.0  # after which a call returns, so that it is told how far it is, and may be stopped
BATCH = 5_000
_GOES = -1  # of what is being taken away
_KEY = f"{COPY_LABEL} {{{COPY_LABEL}: "
_CONSTRAINT = (
    f"CREATE CONSTRAINT {COPY_CONSTRAINT} IF NOT EXISTS FOR (n:{COPY_LABEL}) REQUIRE n.{COPY_LABEL} IS UNIQUE"
)
_BEGIN = f"""MERGE (c:{_KEY}$name}})
ON CREATE SET c.snapshot = $snapshot, c.done = 0, c.total = $total
RETURN c.snapshot AS snapshot, c.done AS done, c.total AS total"""
_ALL = f"""MATCH (c:{COPY_LABEL}) WHERE c.snapshot IS NOT NULL AND c.total IS NOT NULL
RETURN c.{COPY_LABEL} AS name, c.snapshot AS snapshot, c.done AS done, c.total AS total ORDER BY name"""
# The first SET waits for whoever else is at this copy; only then is it looked at how far that is.
_TURN = f"""MATCH (c:{_KEY}$name}}) SET c.turn = 0
WITH c WHERE c.done = $done SET c.done = $done + size($rows)
WITH c UNWIND $rows AS row
"""
_NODES = f"{_TURN}CREATE (n:{COPY_LABEL}%s) SET n = row.properties, n.{COPY_LABEL} = row.key"
_RELATIONSHIPS = f"""{_TURN}MATCH (a:{_KEY}row.start}}) MATCH (b:{_KEY}row.end}})
CREATE (a)-[r:%s]->(b) SET r = row.properties"""
_GO = f"MATCH (c:{_KEY}$name}}) SET c.done = {_GOES}"
_REMOVE = f"""MATCH (n:{COPY_LABEL}) WHERE n.{COPY_LABEL} STARTS WITH $name + '/'
WITH n LIMIT {BATCH} DETACH DELETE n RETURN count(*) AS gone"""
_GONE = f"MATCH (c:{_KEY}$name}}) DELETE c"
_LEFT = f"MATCH (n:{COPY_LABEL}) RETURN count(n) AS count"
_NO_CONSTRAINT = f"DROP CONSTRAINT {COPY_CONSTRAINT} IF EXISTS"


class Part(Struct, frozen=True):
    """A copy in the graph: how many of its nodes and relationships are there."""

    name: str
    snapshot: str
    done: int
    total: int

    @property
    def doing(self) -> str:
        if self.done == _GOES:
            return "it is taken away"
        return (
            ""
            if self.done == self.total
            else f"{self.done} of {self.total} nodes and relationships are there"
        )


def prefix(name: str) -> str:
    """Return what labels and types of a copy begin with."""
    return f"{name}."


def copies(graph: GraphTarget) -> Sequence[Part]:
    """Return the copies that are in the graph, also half made."""
    return [Part(**each) for each in graph.read(_ALL, {})]


def restore(graph: GraphTarget, dump: Dump, snapshot: Snapshot, name: str) -> Part:
    """Go on with a copy of `dump` for some seconds, and return how far it is. Raises Refused, CypherError."""
    graph.client.run_repeatable(_CONSTRAINT)
    until = time.monotonic() + SECONDS
    while True:
        part = _part(graph, dump, snapshot, name)
        if part.done == part.total or time.monotonic() >= until:
            return part
        statement, rows = _next(dump, name, part.done)
        with graph.client.transaction({}) as transaction:
            transaction.run(statement, {"name": name, "done": part.done, "rows": rows})
            transaction.commit()


def drop(graph: GraphTarget, name: str) -> bool:
    """Take a copy away for some seconds, and return whether nothing is left of it. Raises CypherError."""
    if all(each.name != name for each in copies(graph)):
        return True
    graph.client.run_repeatable(_GO, {"name": name})
    until = time.monotonic() + SECONDS
    while graph.client.run_once(_REMOVE, {"name": name}).rows[0]["gone"]:
        if time.monotonic() >= until:
            return False
    graph.client.run_repeatable(_GONE, {"name": name})
    if not graph.read(_LEFT, {})[0]["count"]:
        graph.client.run_repeatable(_NO_CONSTRAINT)
    return True


def _part(graph: GraphTarget, dump: Dump, snapshot: Snapshot, name: str) -> Part:
    total = len(dump.nodes) + len(dump.relationships)
    asked = {"name": name, "snapshot": snapshot.id, "total": total}
    part = Part(name, **graph.client.run_repeatable(_BEGIN, asked).rows[0])
    if part.done != _GOES and (part.snapshot, part.total) == (snapshot.id, total):
        return part
    what = "is being taken away" if part.done == _GOES else "was restored from another snapshot"
    raise Refused(
        f"the copy {name} in {graph.target} {what}",
        because=f"it has the place, and comes from {part.snapshot}",
        try_=Hint(
            "take it away first: ",
            call("snapshot drop", "--release", str(snapshot.release), about=graph.target),
        ),
    )


def _next(dump: Dump, name: str, done: int) -> tuple[str, list[Mapping[str, Any]]]:
    """Return the statement that makes what comes behind the first `done`, and its rows: those that are alike."""
    beyond = done - len(dump.nodes)
    if beyond < 0:
        labels = dump.nodes[done].labels
        nodes = takewhile(lambda each: each.labels == labels, dump.nodes[done : done + BATCH])
        below = "".join(f":{quoted(prefix(name) + each)}" for each in labels)
        return _NODES % below, [_node(each, name) for each in nodes]
    kind = dump.relationships[beyond].kind
    others = takewhile(lambda each: each.kind == kind, dump.relationships[beyond : beyond + BATCH])
    return _RELATIONSHIPS % quoted(prefix(name) + kind), [_relationship(each, name) for each in others]


def _node(node: DumpNode, name: str) -> Mapping[str, Any]:
    return {"key": f"{name}/{node.number}", "properties": _properties(node)}


def _relationship(each: DumpRelationship, name: str) -> Mapping[str, Any]:
    return {"start": f"{name}/{each.start}", "end": f"{name}/{each.end}", "properties": _properties(each)}


def _properties(thing: DumpNode | DumpRelationship) -> dict[str, object]:
    return {name: decoded(value) for name, value in thing.properties.items()}

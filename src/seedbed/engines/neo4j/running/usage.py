"""When indexes were read, and which statements named a label or a property, as the server tells.

An index says when it was read last, up to ten seconds late. Of statements, the server's collector keeps the last ones,
with their times; a statement of our own marks how far back that reaches. A process that ends takes along the last
seconds of the one, and all of the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from seedbed.engines.neo4j.rules.gone import CONSTRAINT, INDEX, LABEL, PROPERTY
from seedbed.engines.neo4j.rules.mentions import Verdict, mentions_label, mentions_property
from seedbed.engines.neo4j.wire import queries
from seedbed.engines.neo4j.wire.errors import CypherError
from seedbed.model.usage import Counter, Removed, Times, Usage
from seedbed.support.phrases import count

if TYPE_CHECKING:
    from seedbed.engines.neo4j.graph import GraphTarget

_LATE = 10.0  # seconds after which an index tells that it was read
_MOST = 2000  # times that a look has of one thing: more of them say no more
_CLUSTER = "each member of the cluster counts for itself"
_ENFORCES = "who relies on what it enforces is not counted"
_NOT_THERE = "it is not there"
_UNCOUNTED = "nothing counts who uses that"
_NAMES = {False: "names", True: "name"}


class _Statements(Struct, frozen=True):
    """What the collector kept: each text, with the times at which it began. `since`: as far as it reaches back.

    `running`: the texts of what has not ended yet.
    """

    texts: Mapping[str, Sequence[float]]
    since: float
    blind: str = ""
    running: Sequence[str] = ()


def usage(graph: GraphTarget, removed: Sequence[Removed]) -> Usage:
    """Return a counter for each of `removed`. Raises CypherError, ConnectionLost."""
    kinds = {each.kind for each in removed}
    graph.client.run_once(queries.text("usage_mark"))
    statements = _statements(graph) if kinds & {LABEL, PROPERTY} else None
    indexes = _indexes(graph) if kinds & {INDEX, CONSTRAINT} else {}
    (row,) = graph.read(queries.text("usage_now"), {})
    at = row["now"] / 1000
    started, blind = _started(graph)
    made = _Look(at, started, blind, indexes, statements)
    return Usage(tuple(made.counter(each) for each in removed))


class _Look(Struct, frozen=True):
    at: float
    started: str
    blind: str
    indexes: Mapping[str, Mapping[str, Any]]
    statements: _Statements | None

    def counter(self, removed: Removed) -> Counter:
        match removed.kind:
            case kind if kind == INDEX:
                return self._read(removed, self.indexes.get(removed.path[-1]), "")
            case kind if kind == CONSTRAINT:
                own = (each for each in self.indexes.values() if each["owningConstraint"] == removed.path[-1])
                return self._read(removed, next(own, None), _ENFORCES)
            case kind if kind == LABEL:
                return self._named(removed)
            case kind if kind == PROPERTY and removed.path:
                return self._named(removed)
            case _:
                return Counter(removed, blind=_UNCOUNTED)

    def _read(self, removed: Removed, index: Mapping[str, Any] | None, why: str) -> Counter:
        if index is None:
            return Counter(removed, blind=why or _NOT_THERE)
        since, last = index.get("trackedSince"), index.get("lastRead")
        if since is None:
            newer = "" if "trackedSince" in index else ": Neo4j 5.8 does"
            return Counter(removed, blind=why or f"the server does not tell when it was read{newer}")
        uses = (last / 1000,) if last is not None else ()
        times = Times(self.at, since / 1000, self.at, uses)
        counting = f"{index['id']} {since} {self.started}"
        return Counter(removed, int(index["readCount"]), 0, counting, self.blind or why, times=times)

    def _named(self, removed: Removed) -> Counter:
        assert self.statements is not None
        kept = self.statements
        found: dict[Verdict, list[float]] = {"yes": [], "unclear": [], "no": []}
        for text, times in kept.texts.items():
            found[_mentioned(text, removed)] += times
        uses, unclear = (tuple(sorted(found[each])[-_MOST:]) for each in ("yes", "unclear"))
        told = Times(self.at, kept.since, self.at, uses, unclear)
        # How many there are falls as the collector gives some up: it is no sum, and only the times count.
        now = sum(1 for text in kept.running if _mentioned(text, removed) == "yes")
        said = (
            f"{count(now, 'statement')} that {'runs' if now == 1 else 'run'} now {_NAMES[now > 1]} it"
            if now
            else ""
        )
        return Counter(removed, 0, 0, self.started, self.blind or kept.blind, said, told)


def _mentioned(text: str, removed: Removed) -> Verdict:
    if removed.kind == LABEL:
        return mentions_label(text, removed.path[-1])
    owner = removed.path[0] if len(removed.path) > 1 else ""
    return mentions_property(text, owner, removed.path[-1])


def _indexes(graph: GraphTarget) -> Mapping[str, Mapping[str, Any]]:
    try:
        rows = graph.read(queries.text("usage_indexes"), {})
    except CypherError as error:
        if error.is_transient:
            raise
        rows = graph.read("SHOW INDEXES YIELD id, name, owningConstraint", {})
    return {str(row["name"]): row for row in rows}


def _statements(graph: GraphTarget) -> _Statements:
    try:
        (status,) = graph.read(queries.text("usage_collector"), {})
        rows = graph.read(queries.text("usage_statements"), {})
    except CypherError as error:
        if error.is_transient:
            raise
        return _Statements({}, 0.0, f"the statements of others are not told: {error.message}")
    if status["status"] != "collecting":
        return _Statements({}, 0.0, "statements are not collected: CALL db.stats.collect('QUERIES')")
    texts = {str(row["query"]): [each / 1000 for each in row["times"]] for row in rows}
    marks = texts.pop(queries.text("usage_mark"), [])
    if not marks:
        return _Statements({}, 0.0, "the collector of statements does not tell ours")
    running = graph.read(queries.text("usage_running"), {"database": graph.address.database})
    return _Statements(texts, min(marks), running=[str(row["query"]) for row in running])


def _started(graph: GraphTarget) -> tuple[str, str]:
    """Return which process counts, and why its counting is not all; what it had not written down goes with it."""
    try:
        rows = graph.read(queries.text("usage_servers"), {"database": graph.address.database})
        began = graph.read(queries.text("usage_started"), {})
    except CypherError as error:
        if error.is_transient:
            raise
        return "", f"whether it was started anew is not told: {error.message}"
    if len(rows) > 1:
        return "", _CLUSTER
    if not rows or len(began) != 1:
        return "", "whether it was started anew is not told"
    return f"{rows[0]['server']} {began[0]['started']}", ""

"""The lines of a dump. Pure.

::

    {"seedbed_graph": 1, "database": …, "environment": …, "server": …, "applied": [versions], "nodes": 2, …}
    {"schema": "CREATE CONSTRAINT …"}
    {"node": 0, "labels": ["Tutor"], "properties": {"id": "…"}}
    {"relationship": "TEACHES", "start": 0, "end": 1, "properties": {"since": {"date": "2026-01-13"}}}
    {"history": {"key": "identity", …}}
    {"lines": 6, "sha256": "…"}

Only a snapshot has lines of the history, and format 2. Nodes are numbered and sorted by what they hold, so that the
same graph is the same file, unless two nodes hold the same. The last line has the checksum of those before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct, field

from seedbed.engines.neo4j.dump_restore.values import Encoded
from seedbed.support.typed import ready

FORMAT, WITH_HISTORY = 1, 2


class InvalidDump(ValueError):
    """A file is not a dump, or not all of one; `str()` is the reason, `line` where (0: nowhere)."""

    def __init__(self, because: str, line: int = 0) -> None:
        super().__init__(because)
        self.line = line


class DumpHeader(Struct, frozen=True):
    """What a dump is of. `applied`: the versions that its history had."""

    seedbed_graph: int
    database: str
    environment: str
    server: str
    applied: tuple[str, ...]
    nodes: int
    relationships: int

    @property
    def words(self) -> str:
        return f"{self.nodes} nodes, {self.relationships} relationships"


class DumpNode(Struct, frozen=True, rename={"number": "node"}):
    number: int
    labels: tuple[str, ...]
    properties: Mapping[str, Encoded]


class DumpRelationship(Struct, frozen=True, rename={"kind": "relationship"}):
    kind: str
    start: int
    end: int
    properties: Mapping[str, Encoded]


class DumpSchema(Struct, frozen=True, rename={"statement": "schema"}):
    statement: str


class DumpHistory(Struct, frozen=True, rename={"properties": "history"}):
    properties: Mapping[str, Encoded]


class DumpTrailer(Struct, frozen=True):
    lines: int
    sha256: str


class Dump(Struct, frozen=True):
    """All that a file holds."""

    head: DumpHeader
    schema: tuple[str, ...] = ()
    nodes: tuple[DumpNode, ...] = ()
    relationships: tuple[DumpRelationship, ...] = field(default_factory=tuple)
    history: tuple[Mapping[str, Encoded], ...] = ()


def numbered(
    nodes: Iterable[tuple[str, Sequence[str], Mapping[str, Encoded]]],
) -> tuple[tuple[DumpNode, ...], dict[str, int]]:
    """Return nodes, given as (id, labels, properties), sorted and numbered; and the number of each id."""
    ordered = sorted(
        nodes, key=lambda each: (sorted(each[1]), json.dumps(each[2], sort_keys=True, ensure_ascii=False))
    )
    numbers = {id_: number for number, (id_, _, _) in enumerate(ordered)}
    found = tuple(
        DumpNode(number, tuple(sorted(labels)), dict(sorted(properties.items())))
        for number, (_, labels, properties) in enumerate(ordered)
    )
    return found, numbers


def ordered(relationships: Iterable[DumpRelationship]) -> tuple[DumpRelationship, ...]:
    """Return `relationships` in the order of the file."""
    return tuple(
        sorted(
            relationships,
            key=lambda each: (each.kind, each.start, each.end, json.dumps(each.properties, sort_keys=True)),
        )
    )


def written(dump: Dump) -> Iterator[bytes]:
    """Yield the lines of `dump`, each with its end."""
    digest, count = sha256(), 0
    bodies: list[Any] = [dump.head, *map(DumpSchema, dump.schema), *dump.nodes, *dump.relationships]
    bodies += map(DumpHistory, dump.history)
    for each in bodies:
        line = msgspec.json.encode(each) + b"\n"
        digest.update(line)
        count += 1
        yield line
    yield msgspec.json.encode(DumpTrailer(count, digest.hexdigest())) + b"\n"


def read(data: bytes) -> Dump:
    """Return the dump that `data` is, all of it there. Raises InvalidDump."""
    lines = data.splitlines(keepends=True)
    head = header(lines[0] if lines else b"")
    _require_all(lines)
    schema: list[str] = []
    nodes: list[DumpNode] = []
    relationships: list[DumpRelationship] = []
    history: list[Mapping[str, Encoded]] = []
    for number, line in enumerate(lines[1:-1], 2):
        if line.startswith(b'{"schema"'):
            schema.append(_as(line, DumpSchema, number).statement)
        elif line.startswith(b'{"node"'):
            nodes.append(_as(line, DumpNode, number))
        elif line.startswith(b'{"history"'):
            history.append(_as(line, DumpHistory, number).properties)
        else:
            relationships.append(_as(line, DumpRelationship, number))
    if (len(nodes), len(relationships)) != (head.nodes, head.relationships):
        raise InvalidDump(
            "the numbers of nodes and relationships in its first line differ from those that follow", 1
        )
    return Dump(head, tuple(schema), tuple(nodes), tuple(relationships), tuple(history))


def header(line: bytes) -> DumpHeader:
    """Return what the first line of a dump says. Raises InvalidDump."""
    try:
        head = msgspec.json.decode(line, type=ready(DumpHeader))
    except msgspec.MsgspecError:
        raise InvalidDump("its first line is not that of a dump", 1) from None
    if head.seedbed_graph > WITH_HISTORY:
        raise InvalidDump(f"it has format {head.seedbed_graph}, and this seedbed reads {WITH_HISTORY}", 1)
    return head


def _require_all(lines: Sequence[bytes]) -> None:
    try:
        tail = msgspec.json.decode(lines[-1], type=ready(DumpTrailer))
    except msgspec.MsgspecError:
        raise InvalidDump("it is truncated: the dump was interrupted", len(lines)) from None
    if (len(lines) - 1, sha256(b"".join(lines[:-1])).hexdigest()) != (tail.lines, tail.sha256):
        raise InvalidDump("its checksum is wrong: it was changed after it was written", len(lines))


def _as(line: bytes, type_: Any, number: int) -> Any:
    try:
        return msgspec.json.decode(line, type=ready(type_))
    except msgspec.MsgspecError as wrong:
        raise InvalidDump(str(wrong), number) from None

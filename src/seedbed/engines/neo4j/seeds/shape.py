"""What the rows of a seed are: nodes of a label, or relationships between nodes that are there already. Pure.

::

    Tutor                         nodes of the label Tutor, found by the key that a constraint makes unique
    Tutor:Person                  the same; each of them has the second label too
    Tutor-TEACHES-Skill           relationships; `from.id` and `to.slug` are the columns that find their ends
    (:Tutor)-[:TEACHES]->(:Skill) the same, where a file has `table=`

A column may have a type, as in neo4j-admin: `since:date`, `hours:int`, `languages:string[]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from seedbed.engines.neo4j.files.names import HISTORY_LABEL
from seedbed.errors import Location, SeedFileError
from seedbed.model.seed import RowSource, is_empty

FROM, TO = "from.", "to."
_DASHED = re.compile(r"(?P<start>[^-()\[\]>]+)-(?P<kind>[^-()\[\]>]+)-(?P<end>[^-()\[\]>]+)")
_DRAWN = re.compile(r"\(:(?P<start>[^()]+)\)-\[:(?P<kind>[^\[\]]+)\]->\(:(?P<end>[^()]+)\)")


class SeedColumn(Struct, frozen=True):
    """A column of the rows: the property it is for, its place in a row, and its type as written ("" for none)."""

    name: str
    at: int
    type: str = ""


class NodeKey(Struct, frozen=True):
    """Nodes of a label, found by `key`."""

    label: str
    key: tuple[SeedColumn, ...]


class NodeShape(Struct, frozen=True):
    """Rows that are nodes: `place` finds each of them, `others` are the properties besides its key."""

    place: NodeKey
    labels: tuple[str, ...]
    others: tuple[SeedColumn, ...]

    @property
    def key(self) -> tuple[SeedColumn, ...]:
        return self.place.key

    @property
    def places(self) -> tuple[NodeKey, ...]:
        return (self.place,)

    def __str__(self) -> str:
        return self.place.label


class RelationshipShape(Struct, frozen=True):
    """Rows that are relationships of one type; `key` tells those between the same two nodes apart."""

    start: NodeKey
    kind: str
    end: NodeKey
    own_key: tuple[SeedColumn, ...]
    others: tuple[SeedColumn, ...]

    @property
    def key(self) -> tuple[SeedColumn, ...]:
        return (*self.start.key, *self.end.key, *self.own_key)

    @property
    def places(self) -> tuple[NodeKey, ...]:
        return (self.start, self.end)

    def __str__(self) -> str:
        return f"(:{self.start.label})-[:{self.kind}]->(:{self.end.label})"


Shape = NodeShape | RelationshipShape


def shape_of(source: RowSource) -> Shape:
    """Return what the rows of `source` are. A node's key is empty where the file names none. Raises SeedFileError."""
    columns = [_column(source, at, text) for at, text in enumerate(source.columns)]
    named = frozenset(_split(each)[0] for each in source.key)
    if found := _DASHED.fullmatch(source.table) or _DRAWN.fullmatch(source.table):
        return _relationships(source, found, columns, named)
    labels = source.table.split(":")
    _require_labels(source, labels)
    return NodeShape(
        NodeKey(labels[0], tuple(each for each in columns if each.name in named)),
        tuple(labels[1:]),
        tuple(each for each in columns if each.name not in named),
    )


def with_key(shape: NodeShape, names: Sequence[str]) -> NodeShape:
    """Return `shape` with the columns called `names` as its key."""
    columns = (*shape.key, *shape.others)
    return NodeShape(
        NodeKey(shape.place.label, tuple(each for each in columns if each.name in names)),
        shape.labels,
        tuple(each for each in columns if each.name not in names),
    )


def _relationships(
    source: RowSource, found: re.Match[str], columns: Sequence[SeedColumn], named: frozenset[str]
) -> RelationshipShape:
    _require_labels(source, [found["start"], found["end"]])
    start, end = (tuple(_of_end(columns, prefix)) for prefix in (FROM, TO))
    for key, prefix in ((start, FROM), (end, TO)):
        if not key and not is_empty(source):
            raise SeedFileError(
                f"the relationships have no column {prefix}…",
                because="the columns from.KEY and to.KEY name the two nodes of each",
                try_=f"a header like {FROM}id,{TO}id,since",
                at=Location(source.path),
            )
    own = [each for each in columns if not each.name.startswith((FROM, TO))]
    return RelationshipShape(
        NodeKey(found["start"], start),
        found["kind"],
        NodeKey(found["end"], end),
        tuple(each for each in own if each.name in named),
        tuple(each for each in own if each.name not in named),
    )


def _of_end(columns: Sequence[SeedColumn], prefix: str) -> Iterator[SeedColumn]:
    for each in columns:
        if each.name.startswith(prefix):
            yield SeedColumn(each.name.removeprefix(prefix), each.at, each.type)


def _column(source: RowSource, at: int, text: str) -> SeedColumn:
    name, type_ = _split(text)
    if not name.removeprefix(FROM).removeprefix(TO):
        raise SeedFileError(
            f"column {text!r} names no property",
            because="it reads name, or name:type",
            at=Location(source.path),
        )
    return SeedColumn(name, at, type_)


def _split(text: str) -> tuple[str, str]:
    name, _, type_ = text.partition(":")
    return name, type_


def _require_labels(source: RowSource, labels: Sequence[str]) -> None:
    if not all(labels):
        raise SeedFileError(
            f"{source.table!r} names no label",
            because="a table is Label, Label:Other or Label-TYPE-Label",
            at=Location(source.path),
        )
    if HISTORY_LABEL in labels:
        raise SeedFileError(
            f"{HISTORY_LABEL} belongs to seedbed",
            because="seeds do not write to the history",
            at=Location(source.path),
        )

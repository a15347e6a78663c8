"""Ids of a property, for references that cross databases: all of them, or what became of a few. Reads only.

Rows come as the driver reads them, in one transaction: however many nodes there are, a few thousand are in memory. It
is no snapshot, Neo4j has none: what changes meanwhile is seen as it was or as it is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from math import isfinite
from typing import Any

from msgspec import Struct

from seedbed.engines.kit.ids import Tally, held_texts, is_new, moment
from seedbed.engines.neo4j.files.commands import Entity, SchemaKind
from seedbed.engines.neo4j.files.names import quoted
from seedbed.engines.neo4j.graph import GraphTarget
from seedbed.engines.neo4j.running.watched import require_not_interrupted, watched
from seedbed.engines.neo4j.schema.catalogue import read_catalogue
from seedbed.engines.neo4j.schema.walks import leads_along
from seedbed.engines.neo4j.wire.errors import translate_errors
from seedbed.errors import StepFailed
from seedbed.model.ids import Extent, Ids, number, number_text, same_id, spellings, whole
from seedbed.model.migration import Backfill
from seedbed.model.platform import ALL, Where
from seedbed.model.verification import Holders, Suspect

_ROWS = 5000  # in memory
_LABELS = "CALL db.labels() YIELD label RETURN label AS name"
_PROPERTIES = "CALL db.propertyKeys() YIELD propertyKey RETURN propertyKey AS name"
_TYPES = "CALL db.relationshipTypes() YIELD relationshipType RETURN relationshipType AS name"
_EVERY = "true"
_may_be_time = re.compile(r"[-+]?\d{2,9}[-:]\d\d.*").fullmatch
_KEYS = (SchemaKind.KEY, SchemaKind.UNIQUENESS)


class _Property(Struct, frozen=True):
    """A property of nodes or relationships. `keys`: the properties, quoted, that tell them apart, if some do."""

    pattern: str
    name: str  # quoted
    keys: Sequence[str]
    is_indexed: bool

    @property
    def counting(self) -> str:
        """Return the query for how many there are, which the count store answers."""
        return f"MATCH {self.pattern} RETURN count(n)"

    def holding(self, returned: str, meant: str = _EVERY) -> str:
        """Return the query that returns `returned` of each `n` whose property is, or has in a list, `v` of $values.

        `meant`: the condition that `n` counts.
        """
        value = f"n.{self.name}"
        if self.is_indexed:
            return f"MATCH {self.pattern} WHERE {value} IN $values AND {meant} WITH n, {value} AS v RETURN {returned}"
        # [] + x is a list, whether x is one or not.
        return (
            f"MATCH {self.pattern} WHERE {value} IS NOT NULL AND {meant} UNWIND ([] + {value}) AS v "
            f"WITH n, v WHERE v IN $values RETURN {returned}"
        )


def ids(graph: GraphTarget, path: str, where: Where = ALL) -> Generator[Ids, None, None]:
    """Yield the ids of a property in blocks. Raises StepFailed, Unreachable, Interrupted."""
    with _reading(graph, path):
        found = _property(graph, path)
        _require_known(graph, found, [path.rpartition(".")[2], *where.fields])
        meant, values = _meant(where)
        query = f"MATCH {found.pattern} WHERE {meant} RETURN n.{found.name}"
        if since := where.since:  # a time may be text or a number too: it is judged here
            for rows in _rows(graph, f"{query}, n.{quoted(where.time)} AS at", values):
                yield _block(
                    value for value, at in rows if at is None or is_new(since, [moment(_native(at))])
                )
            return
        for rows in _rows(graph, query, values):
            yield _block(value for (value,) in rows)


def extent(graph: GraphTarget, path: str, where: Where = ALL) -> Extent:
    """Return how many nodes, or relationships, there are: Neo4j counts them as they come and go. Raises StepFailed."""
    with _reading(graph, path):
        ((each,),) = (each.values() for each in graph.read(_property(graph, path).counting, {}))
        return Extent(each)


def found(graph: GraphTarget, path: str, ids: Sequence[str]) -> Collection[str]:
    """Return those of `ids` that a property has now. Raises StepFailed, Unreachable, Interrupted."""
    with _reading(graph, path):
        query = _property(graph, path).holding("DISTINCT v")
        values = {"values": _values(spellings(ids))}
        return {same_id(_text(value)) for rows in _rows(graph, query, values) for (value,) in rows}


def holders(
    graph: GraphTarget, path: str, suspects: Sequence[Suspect], *, time: str, most: int, where: Where = ALL
) -> Mapping[str, Holders]:
    """Return the nodes, or relationships, that hold ids now, by id. Raises StepFailed, Unreachable, Interrupted."""
    with _reading(graph, path):
        property_ = _property(graph, path)
        keys = ", ".join(f"n.{each}" for each in property_.keys)
        since = f"n.{quoted(time)}" if time else "NULL"
        meant, values = _meant(where)
        query = property_.holding(f"v, elementId(n), [{keys}], {since}", meant)
        values["values"] = _values(held_texts(suspects))
        tally = Tally(suspects, most)
        for rows in _rows(graph, query, values):
            for value, element, key, at in rows:
                row = ", ".join(map(_text, key)) if key and None not in key else element
                tally.add(same_id(_text(value)), row, moment(_native(at)))
        return tally.holders()


def _property(graph: GraphTarget, path: str) -> _Property:
    """Return the property that `path` names: Label.property, or TYPE.property. Raises StepFailed, CypherError."""
    label, _, name = path.rpartition(".")
    catalogue = read_catalogue(graph.read)
    subjects = [each.subject for each in (*catalogue.constraints.values(), *catalogue.indexes.values())]
    named = {(each.entity, one) for each in subjects for one in each.labels}
    named |= {(Entity.NODE, each["name"]) for each in graph.read(_LABELS, {})}
    named |= {(Entity.RELATIONSHIP, each["name"]) for each in graph.read(_TYPES, {})}
    if (Entity.NODE, label) in named:
        entity, pattern, walk = Entity.NODE, f"(n:{quoted(label)})", label
    elif (Entity.RELATIONSHIP, label) in named:
        entity, pattern, walk = Entity.RELATIONSHIP, f"()-[n:{quoted(label)}]->()", f"[:{label}]"
    else:
        raise StepFailed(
            f"there is no label {label}",
            because=f"of {path}: no node has it, no relationship is of that type, no constraint or index names it",
            try_="correct the reference in seedbed.toml: Label.property, or TYPE.property",
        )
    unique = [
        each.properties
        for each in sorted(subjects, key=lambda each: _KEYS.index(each.kind) if each.kind in _KEYS else 2)
        if each.kind in _KEYS and (each.entity, each.labels) == (entity, (label,))
    ]
    keys = min(unique, key=len, default=())
    return _Property(
        pattern,
        quoted(name),
        [quoted(each) for each in keys],
        leads_along(Backfill(walk, name, batch=0), subjects),
    )


def _meant(where: Where) -> tuple[str, dict[str, Any]]:
    """Return the condition that `n` is one of `where`, and its parameters."""
    values = {f"when{at}": _values(texts) for at, (_, texts) in enumerate(where.equal)}
    conditions = [f"n.{quoted(name)} IN $when{at}" for at, (name, _) in enumerate(where.equal)]
    return " AND ".join(conditions) or _EVERY, values


def _require_known(graph: GraphTarget, property_: _Property, names: Sequence[str]) -> None:
    """Raise StepFailed where one of `names` is no property anywhere, and there are nodes: it is misspelled."""
    known = {each["name"] for each in graph.read(_PROPERTIES, {})}
    for name in names:
        if name not in known and graph.read(f"MATCH {property_.pattern} RETURN 1 AS name LIMIT 1", {}):
            raise StepFailed(
                f"there is no property {name}",
                because="no node and no relationship has it, and no index or constraint is for it",
                try_="correct the reference in seedbed.toml, or create an index for the property",
            )


def _rows(graph: GraphTarget, query: str, values: Mapping[str, Any]) -> Iterator[list[list[Any]]]:
    """Yield rows as they come, from a transaction that an interruption ends."""
    with watched(graph, f"reading ids of {graph.target}") as transaction:
        for rows in transaction.rows(query, values, _ROWS):
            yield rows
            require_not_interrupted(graph, f"reading ids of {graph.target}")


def _block(values: Iterable[Any]) -> Ids:
    texts: list[str] = []
    empty = 0
    for value in values:
        if type(value) is str:
            texts.append(value)
        elif value is None:
            empty += 1
        elif isinstance(value, list):
            texts += map(_text, value)
        else:
            texts.append(_text(value))
    return Ids(texts=texts, empty=empty)


def _text(value: Any) -> str:
    """Return the text of an id. Raises StepFailed for what could not be looked for again."""
    match value:
        case str():
            return value
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case float() if isfinite(value):
            return number_text(repr(value))
    # A date or a time; a duration is none of Python's. With a time zone, equal moments are not equal values.
    if hasattr(value, "to_native") and hasattr(value, "iso_format") and not getattr(value, "tzinfo", None):
        return str(value.iso_format())
    raise StepFailed(
        f"a {type(value).__name__} is not an id",
        because=f"one of the values is {str(value)[:100]}",
        try_="name a property in the reference of seedbed.toml that has texts, numbers or dates",
    )


def _values(texts: Iterable[str]) -> list[Any]:
    """Return the values that a property may have whose text is one of `texts`."""
    found: list[Any] = list(texts)
    for text in filter(number, tuple(found)):
        value = whole(text)  # equal to a float of the same value
        found.append(float(text) if value is None else value)
    found += [text == "true" for text in ("true", "false") if text in found]
    found += [time for text in texts if _may_be_time(text) for time in _times(text)]
    return found


def _times(text: str) -> Iterator[Any]:
    """Yield the date, or time, that `text` is as `_text` writes it."""
    from neo4j.time import Date, DateTime, Time

    for kind in (Date, Time, DateTime):
        with suppress(ValueError, OverflowError):
            if (value := kind.from_iso_format(text)).iso_format() == text:
                yield value


def _native(value: Any) -> Any:
    """Return a time of the driver's as Python has it."""
    return value.to_native() if hasattr(value, "to_native") else value


@contextmanager
def _reading(graph: GraphTarget, path: str) -> Iterator[None]:
    with translate_errors(f"reading the ids of {path} of {graph.target}"):
        yield

"""By what nodes are found: properties that a constraint makes unique. Without one, MERGE reads all of a label."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from seedbed.engines.neo4j.files.names import quoted
from seedbed.engines.neo4j.seeds.shape import NodeShape
from seedbed.engines.neo4j.seeds.table import GraphTable, keyed
from seedbed.errors import Location, StepFailed

UNIQUE = """SHOW CONSTRAINTS YIELD type, entityType, labelsOrTypes, properties
WHERE entityType = 'NODE' AND (type ENDS WITH 'UNIQUENESS' OR type = 'NODE_KEY')
RETURN labelsOrTypes[0] AS label, properties"""

Unique = Mapping[str, Sequence[frozenset[str]]]  # by label, the sets of properties that are unique


def unique_from(records: Iterable[Mapping[str, Any]]) -> Unique:
    """Return the unique properties by label, from the records of `UNIQUE`."""
    found: dict[str, list[frozenset[str]]] = {}
    for each in records:
        found.setdefault(each["label"], []).append(frozenset(each["properties"]))
    return found


def resolved(table: GraphTable, unique: Unique) -> GraphTable:
    """Return `table` with its key, all of it under constraints.

    Raises StepFailed with the statement that would make a constraint that is missing.
    """
    shape = table.shape
    if isinstance(shape, NodeShape) and not shape.key:
        table = keyed(table, _only_key(table, shape, unique.get(shape.place.label, ())))
    for place in table.shape.places:
        names = frozenset(each.name for each in place.key)
        if names not in unique.get(place.label, ()):
            raise _missing(table, place.label, [each.name for each in place.key])
    return table


def _only_key(table: GraphTable, shape: NodeShape, unique: Collection[frozenset[str]]) -> Sequence[str]:
    """Return the one unique key whose properties the rows have."""
    names = [each.name for each in shape.others]
    fitting = [each for each in unique if each <= set(names)]
    if len(fitting) == 1:
        return sorted(fitting[0])
    if fitting:
        raise StepFailed(
            f"{shape} has several keys",
            because=" and ".join(sorted(f"({', '.join(sorted(each))})" for each in fitting)) + " are unique",
            try_="name in the file the one that finds a row: key=…",
            at=Location(table.source.path),
        )
    raise _missing(table, shape.place.label, names[:1])


def constraint(label: str, names: Sequence[str]) -> str:
    """Return the statement that makes `names` unique among nodes of `label`."""
    properties = ", ".join(f"n.{_plain(each)}" for each in names)
    listed = properties if len(names) == 1 else f"({properties})"
    name = "_".join([label.lower(), *names, "unique"])
    return f"CREATE CONSTRAINT {_plain(name)} FOR (n:{_plain(label)}) REQUIRE {listed} IS UNIQUE"


def _plain(name: str) -> str:
    return name if name.isidentifier() else quoted(name)


def _missing(table: GraphTable, label: str, names: Sequence[str]) -> StepFailed:
    key = ", ".join(names)
    return StepFailed(
        f"no constraint makes {key} unique among nodes of {label}",
        because=f"{table.shape} is found by it: each row would read all of them, and two runs could make one twice",
        try_=f"a migration with: {constraint(label, names)}",
        at=Location(table.source.path),
    )

"""The constraints and indexes that a database has, and its canonical schema.

Left out of the schema: what is data (labels, types and properties that merely occur), which index provider an index
got, how far an index is, the index behind a constraint, and seedbed's own constraints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any

from msgspec import Struct

from seedbed.engines.neo4j.files.commands import Entity, Noun, SchemaCommand, SchemaKind, SchemaPattern
from seedbed.engines.neo4j.files.lexer import scan
from seedbed.engines.neo4j.files.names import OWN_CONSTRAINTS, quoted

ONLINE, FAILED = "ONLINE", "FAILED"
_CONSTRAINTS = "SHOW CONSTRAINTS YIELD *"  # which columns there are depends on the version
_INDEXES = (
    "SHOW INDEXES YIELD name, type, entityType, labelsOrTypes, properties, owningConstraint, options,"
    " createStatement, state, populationPercent, failureMessage"
)
_NEWER = "CYPHER 25 "  # the older language has no statement for some of them
_CONSTRAINT_KINDS = (SchemaKind.UNIQUENESS, SchemaKind.KEY, SchemaKind.EXISTENCE, SchemaKind.TYPE)

Read = Callable[[str, Mapping[str, Any]], list[dict[str, Any]]]  # asks a reading statement, returns its rows


class SchemaObject(Struct, frozen=True):
    """A constraint or an index. `owner`: the constraint that an index belongs to, "" of one that stands alone.

    `definition` creates it again, "" where the server returns none. `percent`, `state` and `failure` are an index's.
    """

    noun: Noun
    name: str
    subject: SchemaPattern
    definition: str = ""
    owner: str = ""
    state: str = ONLINE
    percent: float = 100.0
    failure: str = ""


class Catalogue(Struct, frozen=True):
    """All constraints and indexes but seedbed's own, by name; those behind constraints too."""

    constraints: Mapping[str, SchemaObject]
    indexes: Mapping[str, SchemaObject]

    def find(self, noun: Noun, name: str) -> SchemaObject | None:
        return (self.constraints if noun is Noun.CONSTRAINT else self.indexes).get(name)

    def like(self, noun: Noun, subject: SchemaPattern) -> SchemaObject | None:
        """Return what is about the same as `subject`, whatever its name is."""
        things = self.constraints if noun is Noun.CONSTRAINT else self.indexes
        return next((each for each in things.values() if same(each.subject, subject)), None)

    def lines(self) -> tuple[str, ...]:
        """Return the canonical schema: for each, in one line, what would make it; sorted."""
        things = [*self.constraints.values(), *(each for each in self.indexes.values() if not each.owner)]
        return tuple(sorted(_line(each) for each in things))

    def digest(self) -> str:
        """Return the hex SHA-256 of the canonical schema."""
        return sha256("\n".join(self.lines()).encode()).hexdigest()


def read_catalogue(read: Read) -> Catalogue:
    """Return what the database that `read` asks has now."""
    constraints, indexes = _rows(read, _CONSTRAINTS), _rows(read, _INDEXES)
    return Catalogue(
        _by_name(_constraint(each) for each in constraints), _by_name(_index(each) for each in indexes)
    )


def same(one: SchemaPattern, other: SchemaPattern) -> bool:
    """Return whether Neo4j would call the second of them the same as the first."""
    return (one.kind, one.entity, one.labels, one.properties) == (
        other.kind,
        other.entity,
        other.labels,
        other.properties,
    )


def does_nothing(command: SchemaCommand, catalogue: Catalogue) -> bool:
    """Return whether `command` would leave what `catalogue` shows as it is, because of its IF."""
    if not command.is_guarded:
        return False
    there = catalogue.find(command.noun, command.name)
    if command.subject is None:
        return there is None
    return there is not None or catalogue.like(command.noun, command.subject) is not None


def _rows(read: Read, statement: str) -> list[dict[str, Any]]:
    rows = read(statement, {})
    if all(each["createStatement"] for each in rows):
        return rows
    newer = read(_NEWER + statement, {})
    for each in newer:
        each["createStatement"] = _NEWER + (each["createStatement"] or "")
    by_name = {each["name"]: each for each in newer}
    return [each if each["createStatement"] else by_name.get(each["name"], each) for each in rows]


def _by_name(things: Iterable[SchemaObject]) -> dict[str, SchemaObject]:
    return {each.name: each for each in things if each.name not in OWN_CONSTRAINTS}


def _constraint(row: Mapping[str, Any]) -> SchemaObject:
    kind = next(each for each in _CONSTRAINT_KINDS if each.value in row["type"])
    return SchemaObject(
        Noun.CONSTRAINT, row["name"], _subject(row, kind, row.get("propertyType") or ""), _definition(row)
    )


def _index(row: Mapping[str, Any]) -> SchemaObject:
    return SchemaObject(
        Noun.INDEX,
        row["name"],
        _subject(row, SchemaKind(row["type"])),
        _definition(row),
        row["owningConstraint"] or "",
        row["state"],
        float(row["populationPercent"] or 0.0),
        row["failureMessage"] or "",
    )


def _subject(row: Mapping[str, Any], kind: SchemaKind, property_type: str = "") -> SchemaPattern:
    return SchemaPattern(
        kind,
        Entity(row["entityType"]),
        tuple(sorted(row["labelsOrTypes"] or ())),
        tuple(row["properties"] or ()),
        property_type,
    )


def _definition(row: Mapping[str, Any]) -> str:
    """Return the statement that makes it, its configuration in the order of the names."""
    statement = row["createStatement"] or ""
    end = next((each.start for each in scan(statement) if each.says("OPTIONS") and not each.depth), None)
    config = (row["options"] or {}).get("indexConfig") or {}
    if end is None or not config:
        return statement
    settings = ", ".join(f"{quoted(key)}: {_literal(config[key])}" for key in sorted(config))
    return f"{statement[:end]}OPTIONS {{indexConfig: {{{settings}}}}}"


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if isinstance(value, list):
        return "[" + ", ".join(map(_literal, value)) + "]"
    return str(value)


def _line(thing: SchemaObject) -> str:
    statement = thing.definition.removeprefix(_NEWER)
    if not statement:
        statement = f"{thing.noun} {quoted(thing.name)} {thing.subject.kind} {thing.subject}"
    return statement.replace("\n", "\\n")

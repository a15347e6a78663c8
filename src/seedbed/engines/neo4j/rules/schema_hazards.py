"""Hazards that a schema statement, a backfill and the schema of the server show together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from seedbed.engines.neo4j.files.commands import Entity, SchemaCommand, SchemaPattern
from seedbed.engines.neo4j.files.names import quoted
from seedbed.engines.neo4j.rules import registry
from seedbed.engines.neo4j.rules.enterprise import ENTERPRISE, enterprise_only
from seedbed.engines.neo4j.schema.catalogue import Catalogue, SchemaObject, same
from seedbed.engines.neo4j.schema.walks import key_is_indexed, leads_along, walked
from seedbed.model.hazard import Hazard
from seedbed.model.migration import Backfill


def edition_hazard(command: SchemaCommand, edition: str, line: int) -> Hazard | None:
    """Return that a server of this `edition` cannot carry out `command`; None where it can."""
    what = enterprise_only(command)
    if not what or edition == ENTERPRISE:
        return None
    return registry.SERVER_IS_COMMUNITY.hazard(
        f"{command.name} is {what}, and this server is Neo4j {edition.capitalize()}", line=line
    )


def name_hazards(
    command: SchemaCommand, catalogue: Catalogue, line: int, *, dropped: Collection[str] = ()
) -> Iterator[Hazard]:
    """Yield what conflicts with what `command` creates. `dropped`: names that earlier statements free."""
    existing = existing_for(command, catalogue)
    if existing is None or command.subject is None or existing.name in dropped:
        return
    if not command.is_guarded or existing.noun is not command.noun:
        other = "" if existing.name == command.name else f", under the name {existing.name}"
        yield registry.EXISTS_ALREADY.hazard(f"{command.name} is there already{other}", line=line)
    elif existing.name != command.name:
        yield registry.CREATES_NOTHING.hazard(creates_nothing(command, existing), line=line)
    elif not same(existing.subject, command.subject):
        yield registry.NAME_TAKEN.hazard(name_taken(command, existing), line=line)


def creates_nothing(command: SchemaCommand, existing: SchemaObject) -> str:
    return f"{command} creates nothing: {existing.subject} has {existing.name} already"


def name_taken(command: SchemaCommand, existing: SchemaObject) -> str:
    return f"{command.name} is there, and is something else: {existing.subject}"


def existing_for(command: SchemaCommand, catalogue: Catalogue) -> SchemaObject | None:
    """Return what has the name that `command` gives, or is the same under another one."""
    named = catalogue.constraints.get(command.name) or catalogue.indexes.get(command.name)
    if named is not None or command.subject is None:
        return named
    return catalogue.like(command.noun, command.subject)


class DuplicatesQuery:
    """The queries that count the duplicates which a uniqueness constraint on one label or type would meet."""

    def __init__(self, subject: SchemaPattern) -> None:
        name = quoted(subject.labels[0])
        self._subject = subject
        self._match = f"MATCH (n:{name})" if subject.entity is Entity.NODE else f"MATCH ()-[n:{name}]->()"
        values = (f"n.{quoted(key)} AS v{at}" for at, key in enumerate(subject.properties))
        self._groups = f"WITH {', '.join(values)}, count(*) AS c WHERE c > 1"

    @property
    def all(self) -> str:
        """Counts the nodes or relationships: `count`."""
        return f"{self._match} RETURN count(n) AS count"

    @property
    def duplicated(self) -> str:
        """Counts the values that occur more than once: `count`."""
        present = " AND ".join(f"n.{quoted(key)} IS NOT NULL" for key in self._subject.properties)
        return f"{self._match} WHERE {present} {self._groups} RETURN count(*) AS count"

    def hazard(self, command: SchemaCommand, count: int, line: int) -> Hazard:
        """Return that `command` will fail on `count` values."""
        return registry.DUPLICATES.hazard(
            f"{command.name} will fail: {count} values of {self._subject} are there more than once",
            try_=f"{self._match} {self._groups} RETURN * shows them: remove them in an earlier migration",
            line=line,
        )


def backfill_hazard(
    backfill: Backfill, catalogue: Catalogue, line: int, *, ahead: Iterable[SchemaPattern] = ()
) -> Hazard | None:
    """Return that no index leads along the key of `backfill`; None where one does, or `ahead` creates one."""
    if key_is_indexed(backfill, catalogue) or leads_along(backfill, ahead):
        return None
    entity, name = walked(backfill)
    pattern = f"(n:{name})" if entity is Entity.NODE else f"()-[n:{name}]-()"
    return registry.BACKFILL_WITHOUT_INDEX.hazard(
        f"no index leads along {backfill.table}.{backfill.key}",
        try_=f"CREATE INDEX … FOR {pattern} ON (n.{backfill.key}), in a migration before this one",
        line=line,
    )

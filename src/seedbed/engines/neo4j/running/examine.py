"""What migrations would do to this very database, asked with EXPLAIN and from its schema; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct, field

from seedbed.engines.neo4j.files.commands import Command, Entity, Kind, Verb, read_command
from seedbed.engines.neo4j.files.split import Statement, split
from seedbed.engines.neo4j.files.statements import Kind as StatementKind
from seedbed.engines.neo4j.files.statements import describe, kind
from seedbed.engines.neo4j.rules.enterprise import ENTERPRISE, enterprise_only
from seedbed.engines.neo4j.rules.plans import Bounds, Context, Explained, explained, findings
from seedbed.engines.neo4j.schema.catalogue import Thing, does_nothing, quoted, read_catalogue, same
from seedbed.engines.neo4j.schema.walks import key_is_indexed, leads_along, walked
from seedbed.engines.neo4j.store.drift import drift, kept
from seedbed.engines.neo4j.wire.connection import Server
from seedbed.engines.neo4j.wire.messages import ServerError
from seedbed.model.hazard import Hazard
from seedbed.model.migration import Backfill, Migration, Step

_LOOKED_THROUGH = 200_000  # nodes or relationships among which duplicates are looked for


class _Ahead(Struct):
    """What earlier statements will have done to the schema by then."""

    made: list[Command] = field(default_factory=list)
    dropped: set[str] = field(default_factory=set)

    def note(self, command: Command) -> None:
        if command.verb is Verb.CREATE:
            self.made.append(command)
        else:
            self.dropped.add(command.name)

    def labels(self) -> set[str]:
        return {label for each in self.made if each.subject for label in each.subject.labels}


def examine(
    server: Server, migrations: Sequence[Migration], *, bounds: Bounds | None = None
) -> dict[str, tuple[Hazard, ...]]:
    """Return, by version, what the ways up of `migrations` would hurt, in the order in which they would run.

    Raises ServerError, Gone where not even the schema can be read.
    """
    looking = _Look(server, bounds or Bounds())
    found = {each.version: tuple(looking.at(each)) for each in migrations}
    if migrations and (drifted := drift(kept(server.run), looking.catalogue)) is not None:
        first = migrations[0].version
        found[first] = (drifted, *found[first])
    return found


class _Look:
    """One look at a database, over all pending migrations."""

    def __init__(self, server: Server, bounds: Bounds) -> None:
        self.server, self.bounds = server, bounds
        self.catalogue = read_catalogue(server.run)
        self.ahead = _Ahead()

    def at(self, migration: Migration) -> Iterator[Hazard]:
        statements = [(step, each) for step in migration.up for each in split(step.body)]
        for step, statement in statements[: self.bounds.statements]:
            line = step.line + statement.line - 1
            if kind(statement) is StatementKind.SCHEMA:
                command = read_command(statement)
                yield from self._schema(statement, command, line)
                self.ahead.note(command)
            else:
                yield from self._data(step, statement, line)
        if len(statements) > self.bounds.statements:
            yield Hazard(
                "NEO213",
                f"only the first {self.bounds.statements} of its {len(statements)} statements were looked at",
                because="the server is asked about each of them",
                try_="make a seed of it, or one statement with UNWIND",
            )

    def _data(self, step: Step, statement: Statement, line: int) -> Iterator[Hazard]:
        if step.backfill is not None and not self._is_indexed(step.backfill):
            yield _without_index(step.backfill, line)
        compiled = self._compiled(statement, line)
        if isinstance(compiled, Hazard):
            yield compiled
            return
        is_one = step.backfill is None and kind(statement) is StatementKind.DATA
        yield from findings(compiled, Context(line, is_one, self.ahead.labels(), self.bounds))

    def _compiled(self, statement: Statement, line: int) -> Explained | Hazard:
        try:
            return explained(self.server.explain(statement.text))
        except ServerError as error:
            if not error.code.startswith("Neo.ClientError"):
                raise
            return Hazard(
                "NEO200",
                f"the server would refuse it: {describe(statement)}",
                because=_first_sentence(error.message),
                line=line,
                refused=True,
            )

    def _is_indexed(self, backfill: Backfill) -> bool:
        ahead = (each.subject for each in self.ahead.made if each.subject)
        return key_is_indexed(backfill, self.catalogue) or leads_along(backfill, ahead)

    def _schema(self, statement: Statement, command: Command, line: int) -> Iterator[Hazard]:
        what = enterprise_only(command)
        if what and self.server.edition != ENTERPRISE:
            yield Hazard(
                "NEO210",
                f"{command.name} is {what}, and this server is Neo4j {self.server.edition.capitalize()}",
                because="only Enterprise has them; the run is refused before it begins",
                line=line,
                refused=True,
            )
            return
        compiled = self._compiled(statement, line)
        if isinstance(compiled, Hazard):
            yield compiled
            return
        yield from findings(compiled, Context(line, False, bounds=self.bounds))
        yield from self._taken(command, line)
        if command.subject and command.subject.kind in {Kind.UNIQUENESS, Kind.KEY}:
            yield from self._duplicates(command, line)

    def _taken(self, command: Command, line: int) -> Iterator[Hazard]:
        """Yield what stands in the way of something that is to be made."""
        there = self._there(command)
        if there is None or command.subject is None or there.name in self.ahead.dropped:
            return
        if not command.is_guarded:
            is_named = there.name == command.name
            yield Hazard(
                "NEO209",
                f"{command.name} is there already" + ("" if is_named else f", under the name {there.name}"),
                because="the statement will fail, unless it is the one that made it and this run goes on after a crash",
                try_="drop it before, or say IF NOT EXISTS where it is the same",
                line=line,
            )
        elif there.name == command.name and not same(there.subject, command.subject):
            yield Hazard(
                "NEO208",
                f"{command.name} is there, and is something else: {there.subject}",
                because="IF NOT EXISTS asks for the name only, so nothing will be made, and nothing said",
                try_="another name, or drop what is there before",
                line=line,
                refused=True,
            )

    def _there(self, command: Command) -> Thing | None:
        """Return what has the name that `command` would give, or is the same under another one."""
        named = self.catalogue.constraints.get(command.name) or self.catalogue.indexes.get(command.name)
        if named is not None or command.subject is None:
            return named
        return self.catalogue.like(command.noun, command.subject)

    def _duplicates(self, command: Command, line: int) -> Iterator[Hazard]:
        """Yield that a uniqueness constraint will fail on what is there."""
        subject = command.subject
        assert subject is not None
        if does_nothing(command, self.catalogue) or len(subject.labels) != 1:
            return
        pattern = _pattern(subject.entity, subject.labels[0])
        (counted,) = self.server.run(f"MATCH {pattern} RETURN count(n) AS count", {})
        if not 1 < counted["count"] <= _LOOKED_THROUGH:
            return
        values = ", ".join(f"n.{quoted(each)} AS v{index}" for index, each in enumerate(subject.properties))
        present = " AND ".join(f"n.{quoted(each)} IS NOT NULL" for each in subject.properties)
        (twice,) = self.server.run(
            f"MATCH {pattern} WHERE {present} WITH {values}, count(*) AS c WHERE c > 1 RETURN count(*) AS count",
            {},
        )
        if twice["count"]:
            yield Hazard(
                "NEO211",
                f"{command.name} will fail: {twice['count']} values of {subject} are there more than once",
                because="unless an earlier migration changes that",
                try_=f"MATCH {pattern} WITH {values}, count(*) AS c WHERE c > 1 RETURN *",
                line=line,
            )


def _first_sentence(message: str) -> str:
    """Return what the server says, without the statement that it repeats and the place in it: the line is known."""
    return message.split(' "', 1)[0].split(" (line ", 1)[0]


def _pattern(entity: Entity, name: str) -> str:
    return f"(n:{quoted(name)})" if entity is Entity.NODE else f"()-[n:{quoted(name)}]->()"


def _without_index(backfill: Backfill, line: int) -> Hazard:
    entity, name = walked(backfill)
    pattern = f"(n:{name})" if entity is Entity.NODE else f"()-[n:{name}]-()"
    return Hazard(
        "NEO207",
        f"no index leads along {backfill.table}.{backfill.key}",
        because="each batch would sort all that is left, so the run refuses it before it begins",
        try_=f"CREATE INDEX … FOR {pattern} ON (n.{backfill.key}), in a migration before this one",
        line=line,
        refused=True,
    )

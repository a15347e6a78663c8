"""What migrations would do to this very database, asked with EXPLAIN and from its schema; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct, field

from seedbed.engines.neo4j.files.commands import SchemaCommand, SchemaKind, SchemaPattern, Verb, command_in
from seedbed.engines.neo4j.files.split import Statement, split
from seedbed.engines.neo4j.files.statements import StatementKind, describe, kind_of
from seedbed.engines.neo4j.rules import registry
from seedbed.engines.neo4j.rules.drift import schema_drift
from seedbed.engines.neo4j.rules.hazards import merged
from seedbed.engines.neo4j.rules.plans import ExplainResult, PlanLimits, StatementContext, explained, findings
from seedbed.engines.neo4j.rules.schema_hazards import (
    DuplicatesQuery,
    backfill_hazard,
    edition_hazard,
    name_hazards,
)
from seedbed.engines.neo4j.schema.catalogue import does_nothing, read_catalogue
from seedbed.engines.neo4j.store import last_schema
from seedbed.engines.neo4j.wire.client import BoltClient
from seedbed.engines.neo4j.wire.errors import CypherError
from seedbed.model.hazard import Hazard
from seedbed.model.migration import Migration, Step


class _EarlierChanges(Struct):
    """What earlier statements will have done to the schema by then."""

    created: list[SchemaPattern] = field(default_factory=list)
    dropped: set[str] = field(default_factory=set)

    def note(self, command: SchemaCommand) -> None:
        if command.verb is Verb.DROP:
            self.dropped.add(command.name)
        elif command.subject is not None:
            self.created.append(command.subject)

    def labels(self) -> set[str]:
        return {label for subject in self.created for label in subject.labels}


def examine(
    server: BoltClient, migrations: Sequence[Migration], *, bounds: PlanLimits | None = None
) -> dict[str, tuple[Hazard, ...]]:
    """Return, by version, the hazards of the up sections of `migrations`, in the order in which they would run.

    Raises CypherError, ConnectionLost where not even the schema can be read.
    """
    examination = _Examination(server, bounds or PlanLimits())
    hazards = {migration.version: merged(examination.of(migration)) for migration in migrations}
    if (
        migrations
        and (drift := schema_drift(last_schema.read(server.read), examination.catalogue)) is not None
    ):
        first = migrations[0].version
        hazards[first] = (drift, *hazards[first])
    return hazards


class _Examination:
    """One examination of a database, over all pending migrations."""

    def __init__(self, server: BoltClient, bounds: PlanLimits) -> None:
        self.server, self.bounds = server, bounds
        self.catalogue = read_catalogue(server.read)
        self.earlier = _EarlierChanges()

    def of(self, migration: Migration) -> Iterator[Hazard]:
        statements = [(step, statement) for step in migration.up for statement in split(step.body)]
        for step, statement in statements[: self.bounds.statements]:
            line = step.line + statement.line - 1
            if kind_of(statement) is StatementKind.SCHEMA:
                command = command_in(statement)
                yield from self._schema(statement, command, line)
                self.earlier.note(command)
            else:
                yield from self._data(step, statement, line)
        if len(statements) > self.bounds.statements:
            yield registry.TOO_MANY_STATEMENTS.hazard(
                f"only the first {self.bounds.statements} of its {len(statements)} statements were looked at"
            )

    def _data(self, step: Step, statement: Statement, line: int) -> Iterator[Hazard]:
        if step.backfill is not None and (
            hazard := backfill_hazard(step.backfill, self.catalogue, line, ahead=self.earlier.created)
        ):
            yield hazard
        compiled = self._compiled(statement, line)
        if isinstance(compiled, Hazard):
            yield compiled
            return
        is_one = step.backfill is None and kind_of(statement) is StatementKind.DATA
        yield from findings(compiled, StatementContext(line, is_one, self.earlier.labels(), self.bounds))

    def _compiled(self, statement: Statement, line: int) -> ExplainResult | Hazard:
        try:
            return explained(self.server.explain(statement.text))
        except CypherError as error:
            if not error.code.startswith("Neo.ClientError"):
                raise
            return registry.REJECTED.hazard(
                f"the server would refuse it: {describe(statement)}",
                because=_first_sentence(error.message),
                try_=error.try_,
                line=line,
            )

    def _schema(self, statement: Statement, command: SchemaCommand, line: int) -> Iterator[Hazard]:
        if hazard := edition_hazard(command, self.server.edition, line):
            yield hazard
            return
        compiled = self._compiled(statement, line)
        if isinstance(compiled, Hazard):
            yield compiled
            return
        yield from findings(compiled, StatementContext(line, False, bounds=self.bounds))
        yield from name_hazards(command, self.catalogue, line, dropped=self.earlier.dropped)
        if command.subject and command.subject.kind in {SchemaKind.UNIQUENESS, SchemaKind.KEY}:
            yield from self._duplicates(command, command.subject, line)

    def _duplicates(self, command: SchemaCommand, subject: SchemaPattern, line: int) -> Iterator[Hazard]:
        """Yield that a uniqueness constraint will fail on the data that exists."""
        if does_nothing(command, self.catalogue) or len(subject.labels) != 1:
            return
        query = DuplicatesQuery(subject)
        if not 1 < self._count(query.all) <= registry.LOOKED_THROUGH:
            return
        if duplicated := self._count(query.duplicated):
            yield query.hazard(command, duplicated, line)

    def _count(self, query: str) -> int:
        (row,) = self.server.read(query, {})
        return int(row["count"])


def _first_sentence(message: str) -> str:
    """Return the server's message without the statement that it repeats and the position in it: the line is known."""
    return message.split(' "', 1)[0].split(" (line ", 1)[0]

"""What needs Neo4j Enterprise, found in the files and reported before anything runs."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from seedbed.engines.neo4j.files.commands import SchemaCommand, SchemaKind, command_in
from seedbed.engines.neo4j.files.split import split
from seedbed.engines.neo4j.files.statements import StatementKind, kind_of
from seedbed.errors import Location, Refused
from seedbed.model.migration import Step, Work

ENTERPRISE = "enterprise"
_ENTERPRISE_KINDS = {
    SchemaKind.KEY: "a key constraint",
    SchemaKind.EXISTENCE: "a constraint that a property exists",
    SchemaKind.TYPE: "a constraint on a property's type",
}


class EnterpriseNeed(Struct, frozen=True):
    """A statement that needs Enterprise: `what` it creates, its name, and its file."""

    what: str
    name: str
    at: Location

    def __str__(self) -> str:
        return f"{self.what}, {self.name} ({self.at})"


def enterprise_only(command: SchemaCommand) -> str:
    """Return what `command` makes that only Enterprise has: "a key constraint"; "" where every edition does."""
    return _ENTERPRISE_KINDS.get(command.subject.kind, "") if command.subject else ""


def needs_of(steps: Sequence[Step], path: str) -> list[EnterpriseNeed]:
    """Return what `steps` of the file at `path` need Enterprise for."""
    found: list[EnterpriseNeed] = []
    for step in steps:
        for statement in () if step.body.startswith("undo ") else split(step.body):
            if kind_of(statement) is StatementKind.SCHEMA:
                command = command_in(statement)
                if what := enterprise_only(command):
                    found.append(EnterpriseNeed(what, command.name, Location(path, step.line)))
    return found


def require_edition(edition: str, works: Sequence[Work]) -> None:
    """Refuse `works` that a server of this `edition` cannot do, all of them at once, before the first of them.

    Raises Refused.
    """
    if edition.lower() == ENTERPRISE:
        return
    needs = [
        need for work in works for need in needs_of(work.migration.steps(work.direction), work.migration.path)
    ]
    if needs:
        raise Refused(
            f"this server is Neo4j {edition.capitalize()}, and Enterprise is needed for {len(needs)} of its statements",
            because="; ".join(map(str, needs)),
            try_="an Enterprise server, or a uniqueness constraint, which every edition has",
            at=needs[0].at,
        )

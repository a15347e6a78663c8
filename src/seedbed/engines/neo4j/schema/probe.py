"""Whether a schema statement with an unknown outcome took effect, read from the catalogue."""

from __future__ import annotations

from seedbed.engines.neo4j.files.commands import SchemaCommand
from seedbed.engines.neo4j.schema.catalogue import Catalogue, does_nothing, same


def took_effect(command: SchemaCommand, now: Catalogue) -> bool:
    """Return whether the database, as it is `now`, is as `command` leaves it; if not, it may be run again.

    A name that belongs to something else is no effect: run again, the server rejects it. One statement is one
    transaction of Neo4j, so there is nothing between done and not done; an index may still have to be filled.
    """
    there = now.find(command.noun, command.name)
    if command.subject is None:
        return there is None
    if there is not None and same(there.subject, command.subject):
        return True
    return does_nothing(command, now)

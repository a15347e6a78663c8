"""The statement that undoes a schema statement, derived from the schema before it."""

from __future__ import annotations

from seedbed.engines.neo4j.files.commands import SchemaCommand, Verb
from seedbed.engines.neo4j.files.names import quoted
from seedbed.engines.neo4j.schema.catalogue import Catalogue, does_nothing


def reverse_of(command: SchemaCommand, before: Catalogue) -> str:
    """Return the statement that undoes `command` on a database that was as `before`; "" where nothing is to do.

    Of a DROP it makes what there was, from its definition then. Of a CREATE or DROP that did nothing, because of its
    IF, it is nothing.
    """
    if does_nothing(command, before):
        return ""
    if command.verb is Verb.CREATE:
        return f"DROP {command.noun} {quoted(command.name)} IF EXISTS"
    there = before.find(command.noun, command.name)
    return there.definition if there else ""

"""What undoes a schema statement, and what proves that it took effect: both told from the catalogue."""

from __future__ import annotations

import pytest

from seedbed.engines.neo4j.files.commands import Entity, Noun, SchemaKind, SchemaPattern, parse_command
from seedbed.engines.neo4j.schema.catalogue import Catalogue, SchemaObject
from seedbed.engines.neo4j.schema.probe import took_effect
from seedbed.engines.neo4j.schema.reverse import reverse_of
from seedbed.engines.neo4j.schema.walks import key_is_indexed
from seedbed.model.migration import Backfill

LABEL = ("L",)
EMPTY = Catalogue({}, {})
INDEX = "CREATE RANGE INDEX `i` FOR (n:`L`) ON (n.`p`)"
UNIQUE = "CREATE CONSTRAINT `c` FOR (n:`L`) REQUIRE (n.`q`) IS UNIQUE"
THERE = Catalogue(
    {
        "c": SchemaObject(
            Noun.CONSTRAINT, "c", SchemaPattern(SchemaKind.UNIQUENESS, Entity.NODE, LABEL, ("q",)), UNIQUE
        )
    },
    {
        "i": SchemaObject(
            Noun.INDEX, "i", SchemaPattern(SchemaKind.RANGE, Entity.NODE, LABEL, ("p",)), INDEX
        ),
        "c": SchemaObject(
            Noun.INDEX, "c", SchemaPattern(SchemaKind.RANGE, Entity.NODE, LABEL, ("q",)), UNIQUE, owner="c"
        ),
    },
)


@pytest.mark.parametrize(
    ("text", "reverse"),
    [
        ("CREATE INDEX j FOR (n:L) ON (n.r)", "DROP INDEX `j` IF EXISTS"),
        ("CREATE CONSTRAINT `a``b` FOR (n:L) REQUIRE n.r IS UNIQUE", "DROP CONSTRAINT `a``b` IF EXISTS"),
        ("CREATE INDEX j IF NOT EXISTS FOR (n:L) ON (n.r)", "DROP INDEX `j` IF EXISTS"),
        ("CREATE TEXT INDEX j IF NOT EXISTS FOR (n:L) ON (n.p)", "DROP INDEX `j` IF EXISTS"),
        ("DROP INDEX i", INDEX),
        ("DROP INDEX i IF EXISTS", INDEX),
        ("DROP CONSTRAINT c", UNIQUE),
    ],
)
def test_what_did_something_is_undone(text: str, reverse: str) -> None:
    assert reverse_of(parse_command(text), THERE) == reverse


@pytest.mark.parametrize(
    "text",
    [
        "CREATE INDEX i IF NOT EXISTS FOR (n:L) ON (n.p)",
        "CREATE INDEX i IF NOT EXISTS FOR (n:Other) ON (n.other)",  # the name is taken
        "CREATE INDEX other IF NOT EXISTS FOR (n:L) ON (n.p)",  # the same under another name
        "CREATE INDEX c IF NOT EXISTS FOR (n:L) ON (n.other)",  # the name is that of a constraint's index
        "CREATE INDEX other IF NOT EXISTS FOR (n:L) ON (n.q)",  # the constraint's index is the same
        "CREATE CONSTRAINT other IF NOT EXISTS FOR (n:L) REQUIRE n.q IS UNIQUE",
        "DROP INDEX nobody IF EXISTS",
        "DROP CONSTRAINT nobody IF EXISTS",
        "DROP CONSTRAINT nobody",  # which fails
    ],
)
def test_what_did_nothing_is_not_undone(text: str) -> None:
    assert reverse_of(parse_command(text), THERE) == ""


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        (INDEX, EMPTY, THERE),
        (UNIQUE, EMPTY, THERE),
        ("CREATE INDEX i IF NOT EXISTS FOR (n:L) ON (n.p)", EMPTY, THERE),
        ("DROP INDEX i", THERE, EMPTY),
        ("DROP CONSTRAINT c IF EXISTS", THERE, EMPTY),
    ],
)
def test_the_catalogue_proves_whether_a_statement_took_effect(
    text: str, before: Catalogue, after: Catalogue
) -> None:
    command = parse_command(text)
    assert not took_effect(command, before)
    assert took_effect(command, after)


def test_a_name_that_something_else_has_proves_nothing() -> None:
    assert not took_effect(parse_command("CREATE INDEX i FOR (n:Other) ON (n.p)"), THERE)


def test_a_statement_that_would_do_nothing_has_taken_effect() -> None:
    assert took_effect(parse_command("CREATE INDEX i IF NOT EXISTS FOR (n:Other) ON (n.p)"), THERE)
    assert took_effect(parse_command("DROP INDEX nobody IF EXISTS"), THERE)


def test_the_schema_has_a_line_for_each_and_none_for_the_index_behind_a_constraint() -> None:
    assert THERE.lines() == (UNIQUE, INDEX)
    assert THERE.digest() != EMPTY.digest()


def test_a_backfill_goes_along_an_index_on_its_key_alone() -> None:
    assert key_is_indexed(Backfill("L", "p", 10), THERE)
    assert key_is_indexed(Backfill("L", "q", 10), THERE)
    for other in (Backfill("L", "r", 10), Backfill("M", "p", 10), Backfill("[:L]", "p", 10)):
        assert not key_is_indexed(other, THERE)

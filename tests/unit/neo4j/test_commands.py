"""What a constraint or an index is about, read from the statement that makes it."""

from __future__ import annotations

import pytest

from seedbed.engines.neo4j.files.commands import (
    Entity,
    Noun,
    SchemaCommand,
    SchemaKind,
    SchemaPattern,
    Verb,
    parse_command,
    parse_definition,
)
from seedbed.engines.neo4j.files.lexer import LexError

NODE, RELATIONSHIP = Entity.NODE, Entity.RELATIONSHIP


@pytest.mark.parametrize(
    ("text", "noun", "name", "subject"),
    [
        (
            "CREATE CONSTRAINT c FOR (n:L) REQUIRE n.p IS UNIQUE",
            Noun.CONSTRAINT,
            "c",
            SchemaPattern(SchemaKind.UNIQUENESS, NODE, ("L",), ("p",)),
        ),
        (
            "create constraint `a``b` for (`x`:`L``1`) require (x.p, `x`.`q r`) is node unique options {a: 1}",
            Noun.CONSTRAINT,
            "a`b",
            SchemaPattern(SchemaKind.UNIQUENESS, NODE, ("L`1",), ("p", "q r")),
        ),
        (
            "CREATE CONSTRAINT c FOR ()-[r:T]-() REQUIRE (r.p) IS REL UNIQUE",
            Noun.CONSTRAINT,
            "c",
            SchemaPattern(SchemaKind.UNIQUENESS, RELATIONSHIP, ("T",), ("p",)),
        ),
        (
            "CREATE CONSTRAINT c FOR ()<-[r:T]-() REQUIRE r.p IS RELATIONSHIP KEY",
            Noun.CONSTRAINT,
            "c",
            SchemaPattern(SchemaKind.KEY, RELATIONSHIP, ("T",), ("p",)),
        ),
        (
            "CREATE CONSTRAINT c FOR (n:L) REQUIRE n.p IS NOT NULL",
            Noun.CONSTRAINT,
            "c",
            SchemaPattern(SchemaKind.EXISTENCE, NODE, ("L",), ("p",)),
        ),
        (
            "CREATE CONSTRAINT c FOR ()-[r:T]->() REQUIRE r.p IS :: LIST<INTEGER NOT NULL> OPTIONS {}",
            Noun.CONSTRAINT,
            "c",
            SchemaPattern(SchemaKind.TYPE, RELATIONSHIP, ("T",), ("p",), "LIST < INTEGER NOT NULL >"),
        ),
        (
            "CREATE CONSTRAINT c FOR (n:L) REQUIRE n.p IS TYPED STRING",
            Noun.CONSTRAINT,
            "c",
            SchemaPattern(SchemaKind.TYPE, NODE, ("L",), ("p",), "STRING"),
        ),
        (
            "CYPHER 25 CREATE RANGE INDEX i FOR (n:L) ON (n.p, n.q)",
            Noun.INDEX,
            "i",
            SchemaPattern(SchemaKind.RANGE, NODE, ("L",), ("p", "q")),
        ),
        (
            "CREATE INDEX for FOR (n:L) ON (n.p)",
            Noun.INDEX,
            "for",
            SchemaPattern(SchemaKind.RANGE, NODE, ("L",), ("p",)),
        ),
        (
            "CREATE INDEX if IF NOT EXISTS FOR (n:L) ON n.p",
            Noun.INDEX,
            "if",
            SchemaPattern(SchemaKind.RANGE, NODE, ("L",), ("p",)),
        ),
        (
            "CREATE TEXT INDEX i FOR ()-[r:T]-() ON r.p",
            Noun.INDEX,
            "i",
            SchemaPattern(SchemaKind.TEXT, RELATIONSHIP, ("T",), ("p",)),
        ),
        (
            "CREATE POINT INDEX i FOR (n:L) ON (n.p)",
            Noun.INDEX,
            "i",
            SchemaPattern(SchemaKind.POINT, NODE, ("L",), ("p",)),
        ),
        (
            "CREATE FULLTEXT INDEX i FOR (n:B|A) ON EACH [n.p, n.q] OPTIONS {indexConfig: {`fulltext.analyzer`: 'x'}}",
            Noun.INDEX,
            "i",
            SchemaPattern(SchemaKind.FULLTEXT, NODE, ("A", "B"), ("p", "q")),
        ),
        (
            "CREATE VECTOR INDEX i FOR (n:L) ON n.v WITH [n.a, n.b] OPTIONS {}",
            Noun.INDEX,
            "i",
            SchemaPattern(SchemaKind.VECTOR, NODE, ("L",), ("v", "a", "b")),
        ),
        (
            "CREATE LOOKUP INDEX i FOR (n) ON EACH labels(n)",
            Noun.INDEX,
            "i",
            SchemaPattern(SchemaKind.LOOKUP, NODE),
        ),
        (
            "CREATE LOOKUP INDEX i FOR ()-[r]-() ON EACH type(r)",
            Noun.INDEX,
            "i",
            SchemaPattern(SchemaKind.LOOKUP, RELATIONSHIP),
        ),
    ],
)
def test_a_create_says_what_it_is_about(text: str, noun: Noun, name: str, subject: SchemaPattern) -> None:
    assert parse_command(text) == SchemaCommand(Verb.CREATE, noun, name, "IF NOT EXISTS" in text, subject)


def test_a_drop_says_its_name() -> None:
    assert parse_command("DROP CONSTRAINT `c d` IF EXISTS") == SchemaCommand(
        Verb.DROP, Noun.CONSTRAINT, "c d", is_guarded=True
    )
    assert parse_command("drop index i") == SchemaCommand(Verb.DROP, Noun.INDEX, "i")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("CREATE INDEX FOR (n:L) ON (n.p)", "the index has no name"),
        ("CREATE CONSTRAINT IF NOT EXISTS FOR (n:L) REQUIRE n.p IS UNIQUE", "the constraint has no name"),
        ("CREATE INDEX $name FOR (n:L) ON (n.p)", "$name has no value"),
        ("CREATE CONSTRAINT ON (n:L) ASSERT n.p IS UNIQUE", "of Neo4j 4"),
        ("DROP INDEX ON :L(p)", "of Neo4j 4"),
        ("CREATE CONSTRAINT c IF NOT EXISTS ON (n:L) ASSERT n.p IS UNIQUE", "of Neo4j 4"),
        ("CREATE BTREE INDEX i FOR (n:L) ON (n.p)", "BTREE"),
        ("CREATE OR REPLACE INDEX i FOR (n:L) ON (n.p)", "OR REPLACE"),
        ("CREATE INDEX i", "the end is not expected"),
        ("CREATE INDEX i IF EXISTS FOR (n:L) ON (n.p)", "`EXISTS` is not expected"),
        ("CREATE INDEX i FOR n:L ON (n.p)", "`n` is not expected"),
        ("CREATE INDEX i FOR (n:L) ON (n)", "`)` is not expected"),
        ("CREATE CONSTRAINT c FOR (n:L) REQUIRE n.p IS GREAT", "`GREAT` is not expected"),
        ("CREATE CONSTRAINT c FOR (n:L) REQUIRE n.p", "the end is not expected"),
        ("CREATE INDEX i FOR ()-(r:T)-() ON (r.p)", "is not expected"),
        ("DROP INDEX i CASCADE", "`CASCADE` is not expected"),
    ],
)
def test_what_is_no_such_statement_is_refused_with_what_was_expected(text: str, says: str) -> None:
    with pytest.raises(LexError) as caught:
        parse_command(text)
    assert says in caught.value.what


@pytest.mark.parametrize(
    "text",
    [
        "CREATE CONSTRAINT `tutor` FOR (n:`Tutor`) REQUIRE (n.`id`) IS UNIQUE",
        "CREATE CONSTRAINT `a` FOR (n:`L`) REQUIRE (n.`p`) IS UNIQUE OPTIONS {indexConfig: {}, indexProvider: 'range-1.0'}",
        "CREATE VECTOR INDEX `v` FOR (n:`L`) ON (n.`e`) OPTIONS {indexConfig: {`vector.dimensions`: 8, `a`: [-1.5, true]}}",
        "CREATE LOOKUP INDEX `node_label_lookup_index` FOR (n) ON EACH labels(n)",
        "CREATE FULLTEXT INDEX search FOR (s:Skill) ON EACH [s.name]",
        "CREATE CONSTRAINT `t` FOR (n:`L`) REQUIRE (n.`p`) IS :: LIST<STRING NOT NULL>",
    ],
)
def test_a_definition_is_one_create_with_literal_options(text: str) -> None:
    assert parse_definition(text).verb is Verb.CREATE


@pytest.mark.parametrize(
    "text",
    [
        "MATCH (n) DETACH DELETE n",
        "CREATE (n:User {admin: true})",
        "CREATE USER eve SET PASSWORD 'x'",
        "DROP CONSTRAINT tutor",
        "CREATE INDEX i FOR (n:L) ON (n.p); MATCH (n) DETACH DELETE n",
        "CREATE INDEX i FOR (n:L) ON (n.p) OPTIONS {a: apoc.load.json('http://x')}",
        "CREATE INDEX i FOR (n:L) ON (n.p) CALL { MATCH (n) DELETE n }",
        "CREATE INDEX i FOR (n:L) ON (n.p) OPTIONS $options",
        "CREATE",
        "",
        "// nothing",
    ],
)
def test_what_does_more_than_define_is_no_definition(text: str) -> None:
    with pytest.raises(LexError):
        parse_definition(text)

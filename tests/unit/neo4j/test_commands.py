"""What a constraint or an index is about, read from the statement that makes it."""

from __future__ import annotations

import pytest

from seedbed.engines.neo4j.files.commands import Command, Entity, Kind, Noun, Subject, Verb, command_of
from seedbed.engines.neo4j.files.lexer import Misread

NODE, RELATIONSHIP = Entity.NODE, Entity.RELATIONSHIP


@pytest.mark.parametrize(
    ("text", "noun", "name", "subject"),
    [
        (
            "CREATE CONSTRAINT c FOR (n:L) REQUIRE n.p IS UNIQUE",
            Noun.CONSTRAINT,
            "c",
            Subject(Kind.UNIQUENESS, NODE, ("L",), ("p",)),
        ),
        (
            "create constraint `a``b` for (`x`:`L``1`) require (x.p, `x`.`q r`) is node unique options {a: 1}",
            Noun.CONSTRAINT,
            "a`b",
            Subject(Kind.UNIQUENESS, NODE, ("L`1",), ("p", "q r")),
        ),
        (
            "CREATE CONSTRAINT c FOR ()-[r:T]-() REQUIRE (r.p) IS REL UNIQUE",
            Noun.CONSTRAINT,
            "c",
            Subject(Kind.UNIQUENESS, RELATIONSHIP, ("T",), ("p",)),
        ),
        (
            "CREATE CONSTRAINT c FOR ()<-[r:T]-() REQUIRE r.p IS RELATIONSHIP KEY",
            Noun.CONSTRAINT,
            "c",
            Subject(Kind.KEY, RELATIONSHIP, ("T",), ("p",)),
        ),
        (
            "CREATE CONSTRAINT c FOR (n:L) REQUIRE n.p IS NOT NULL",
            Noun.CONSTRAINT,
            "c",
            Subject(Kind.EXISTENCE, NODE, ("L",), ("p",)),
        ),
        (
            "CREATE CONSTRAINT c FOR ()-[r:T]->() REQUIRE r.p IS :: LIST<INTEGER NOT NULL> OPTIONS {}",
            Noun.CONSTRAINT,
            "c",
            Subject(Kind.TYPE, RELATIONSHIP, ("T",), ("p",), "LIST < INTEGER NOT NULL >"),
        ),
        (
            "CREATE CONSTRAINT c FOR (n:L) REQUIRE n.p IS TYPED STRING",
            Noun.CONSTRAINT,
            "c",
            Subject(Kind.TYPE, NODE, ("L",), ("p",), "STRING"),
        ),
        (
            "CYPHER 25 CREATE RANGE INDEX i FOR (n:L) ON (n.p, n.q)",
            Noun.INDEX,
            "i",
            Subject(Kind.RANGE, NODE, ("L",), ("p", "q")),
        ),
        ("CREATE INDEX for FOR (n:L) ON (n.p)", Noun.INDEX, "for", Subject(Kind.RANGE, NODE, ("L",), ("p",))),
        (
            "CREATE INDEX if IF NOT EXISTS FOR (n:L) ON n.p",
            Noun.INDEX,
            "if",
            Subject(Kind.RANGE, NODE, ("L",), ("p",)),
        ),
        (
            "CREATE TEXT INDEX i FOR ()-[r:T]-() ON r.p",
            Noun.INDEX,
            "i",
            Subject(Kind.TEXT, RELATIONSHIP, ("T",), ("p",)),
        ),
        (
            "CREATE POINT INDEX i FOR (n:L) ON (n.p)",
            Noun.INDEX,
            "i",
            Subject(Kind.POINT, NODE, ("L",), ("p",)),
        ),
        (
            "CREATE FULLTEXT INDEX i FOR (n:B|A) ON EACH [n.p, n.q] OPTIONS {indexConfig: {`fulltext.analyzer`: 'x'}}",
            Noun.INDEX,
            "i",
            Subject(Kind.FULLTEXT, NODE, ("A", "B"), ("p", "q")),
        ),
        (
            "CREATE VECTOR INDEX i FOR (n:L) ON n.v WITH [n.a, n.b] OPTIONS {}",
            Noun.INDEX,
            "i",
            Subject(Kind.VECTOR, NODE, ("L",), ("v", "a", "b")),
        ),
        ("CREATE LOOKUP INDEX i FOR (n) ON EACH labels(n)", Noun.INDEX, "i", Subject(Kind.LOOKUP, NODE)),
        (
            "CREATE LOOKUP INDEX i FOR ()-[r]-() ON EACH type(r)",
            Noun.INDEX,
            "i",
            Subject(Kind.LOOKUP, RELATIONSHIP),
        ),
    ],
)
def test_a_create_says_what_it_is_about(text: str, noun: Noun, name: str, subject: Subject) -> None:
    assert command_of(text) == Command(Verb.CREATE, noun, name, "IF NOT EXISTS" in text, subject)


def test_a_drop_says_its_name() -> None:
    assert command_of("DROP CONSTRAINT `c d` IF EXISTS") == Command(
        Verb.DROP, Noun.CONSTRAINT, "c d", is_guarded=True
    )
    assert command_of("drop index i") == Command(Verb.DROP, Noun.INDEX, "i")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("CREATE INDEX FOR (n:L) ON (n.p)", "the index has no name"),
        ("CREATE CONSTRAINT IF NOT EXISTS FOR (n:L) REQUIRE n.p IS UNIQUE", "the constraint has no name"),
        ("CREATE INDEX $name FOR (n:L) ON (n.p)", "$name has no value"),
        ("CREATE CONSTRAINT ON (n:L) ASSERT n.p IS UNIQUE", "before Neo4j 5"),
        ("DROP INDEX ON :L(p)", "before Neo4j 5"),
        ("CREATE BTREE INDEX i FOR (n:L) ON (n.p)", "BTREE"),
        ("CREATE OR REPLACE INDEX i FOR (n:L) ON (n.p)", "OR REPLACE"),
        ("CREATE INDEX i", "its end is not expected"),
        ("CREATE INDEX i IF EXISTS FOR (n:L) ON (n.p)", "`EXISTS` is not expected"),
        ("CREATE INDEX i FOR n:L ON (n.p)", "`n` is not expected"),
        ("CREATE INDEX i FOR (n:L) ON (n)", "`)` is not expected"),
        ("CREATE CONSTRAINT c FOR (n:L) REQUIRE n.p IS GREAT", "`GREAT` is not expected"),
        ("CREATE CONSTRAINT c FOR (n:L) REQUIRE n.p", "its end is not expected"),
        ("CREATE INDEX i FOR ()-(r:T)-() ON (r.p)", "is not expected"),
        ("DROP INDEX i CASCADE", "`CASCADE` is not expected"),
    ],
)
def test_what_is_no_such_statement_is_refused_with_what_was_expected(text: str, says: str) -> None:
    with pytest.raises(Misread) as caught:
        command_of(text)
    assert says in caught.value.what

"""Which statements commit with their record, which alone, and which have no graph in a migration."""

from __future__ import annotations

import pytest

from seedbed.engines.neo4j.files.split import Statement, split
from seedbed.engines.neo4j.files.statements import StatementKind, describe, kind_of, summary
from seedbed.engines.neo4j.rules.refusals import refusal


def only(text: str) -> Statement:
    (statement,) = split(text)
    return statement


@pytest.mark.parametrize(
    "text",
    [
        "CREATE CONSTRAINT c FOR (n:L) REQUIRE n.p IS UNIQUE",
        "create /* x */ constraint c if not exists for (n:L) require n.p is unique",
        "CREATE INDEX i FOR (n:L) ON (n.p)",
        "CREATE FULLTEXT INDEX i FOR (n:L) ON EACH [n.p]",
        "CREATE VECTOR INDEX i FOR (n:L) ON (n.p)",
        "CREATE OR REPLACE INDEX i FOR (n:L) ON (n.p)",
        "CYPHER 25 CREATE INDEX i FOR (n:L) ON (n.p)",
        "CYPHER runtime=slotted planner = cost DROP INDEX i",
        "DROP CONSTRAINT c IF EXISTS",
        "DROP INDEX i",
    ],
)
def test_constraints_and_indexes_are_schema(text: str) -> None:
    assert kind_of(only(text)) is StatementKind.SCHEMA


@pytest.mark.parametrize(
    "text",
    [
        "MATCH (n:L) CALL (n) { SET n.x = 1 } IN TRANSACTIONS",
        "MATCH (n:L) CALL (n) { SET n.x = 1 } in transactions of 10 rows",
        "MATCH (n:L) CALL { WITH n SET n.x = 1 } IN 3 CONCURRENT TRANSACTIONS OF 10 ROWS ON ERROR CONTINUE",
        "MATCH (n:L) CALL (n) { SET n.x = 1 } IN CONCURRENT TRANSACTIONS",
        "MATCH (n:L) CALL (n) { SET n.x = 1 } /* ; */ IN // x\n (1 + size([1])) CONCURRENT TRANSACTIONS",
        "MATCH (n:L) OPTIONAL CALL (*) { CALL (n) { SET n.x = 1 } } IN TRANSACTION",
        "CYPHER 25 UNWIND [1] AS x CALL (x) { CREATE (:L {p: '}'}) } IN TRANSACTIONS OF 1 ROW REPORT STATUS AS s RETURN s",
    ],
)
def test_subqueries_that_commit_as_they_go_are_found(text: str) -> None:
    assert kind_of(only(text)) is StatementKind.IN_TRANSACTIONS


@pytest.mark.parametrize(
    "text",
    [
        "MATCH (n) RETURN n",
        "CREATE (:User {name: 'CREATE INDEX'})",
        "CREATE (index:INDEX)",
        "CREATE INDEX = (:A)-[:B]->(:C) RETURN 1",
        "CREATE constraint = (:A) RETURN 1",
        "MATCH (n:`CREATE`) SET n.in = 'IN TRANSACTIONS'",
        "MATCH (n) CALL (n) { RETURN 1 AS x } RETURN x IN [1] AS transactions",
        "WITH {a: 1} AS call RETURN call {.a} IN [1, 2] AS x // } IN TRANSACTIONS",
        "MATCH (n) CALL (n) { RETURN 1 AS x /* } IN TRANSACTIONS */ } RETURN x",
        "CALL db.awaitIndexes(10)",
        "CREATE (user:User) SET user.x = 1",
        "MATCH (start) RETURN start",
    ],
)
def test_everything_else_is_data_and_has_a_place(text: str) -> None:
    assert kind_of(only(text)) is StatementKind.DATA
    assert refusal(only(text)) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("BEGIN", "BEGIN"),
        ("commit", "COMMIT"),
        ("ROLLBACK", "ROLLBACK"),
        (":begin", "shell"),
        (":param x => 1", "shell"),
        ("USE other MATCH (n) RETURN n", "USE"),
        ("CYPHER 5 USE other MATCH (n) RETURN n", "USE"),
        ("EXPLAIN MATCH (n) RETURN n", "EXPLAIN"),
        ("PROFILE MATCH (n) RETURN n", "PROFILE"),
        ("SHOW INDEXES", "SHOW"),
        ("TERMINATE TRANSACTIONS 'x'", "TERMINATE"),
        ("CREATE DATABASE x", "CREATE DATABASE"),
        ("CREATE OR REPLACE DATABASE x", "CREATE OR REPLACE DATABASE"),
        ("CREATE USER u SET PASSWORD 'secret'", "CREATE USER"),
        ("ALTER CURRENT GRAPH TYPE SET {}", "ALTER CURRENT"),
        ("DROP ROLE r", "DROP ROLE"),
        ("GRANT ROLE r TO u", "GRANT"),
        ("STOP DATABASE x", "STOP DATABASE"),
        ("USING PERIODIC COMMIT 100 LOAD CSV FROM 'x' AS r CREATE (:L)", "PERIODIC"),
        ("MATCH (n:migrations_history) DELETE n", "belongs to seedbed"),
        ("MATCH (n:`migrations_history`) DELETE n", "belongs to seedbed"),
        (r"MATCH (n:`\u006digrations_history`) DELETE n", "belongs to seedbed"),
        ("DROP CONSTRAINT migrations_history_key", "belongs to seedbed"),
        ("CYPHER 25", "not a statement"),
    ],
)
def test_what_has_no_place_in_a_migration_is_refused_in_words(text: str, says: str) -> None:
    refused = refusal(only(text))
    assert refused is not None
    assert says in refused.what
    assert "secret" not in refused.what


def test_a_statement_is_described_without_comments_and_without_literals() -> None:
    text = "CYPHER 25 MATCH  (u:User /* the */)\n// one\nSET u.password = 'hunter2', u.x = 1"
    assert describe(only(text)) == "MATCH (u:User) SET u.password = …"


def test_several_statements_are_counted() -> None:
    said = summary(split("CREATE (:A); CREATE (:B);" + "CREATE (:C);" * 200))
    assert said.startswith("202 statements: CREATE (:A), CREATE (:B), ")
    assert len(said) <= 80

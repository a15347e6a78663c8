"""What a statement removes, told from its text."""

from __future__ import annotations

import pytest

from seedbed.engines.postgres.rules.removals import Removal, RemovalKind, removals


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("DROP TABLE a, s.b", [Removal(RemovalKind.TABLE, ("a",)), Removal(RemovalKind.TABLE, ("s", "b"))]),
        ('DROP TABLE IF EXISTS "A b" CASCADE', [Removal(RemovalKind.TABLE, ("A b",))]),
        ("DROP MATERIALIZED VIEW v", [Removal(RemovalKind.TABLE, ("v",))]),
        ("DROP SCHEMA s CASCADE", [Removal(RemovalKind.SCHEMA, ("s",))]),
        ("DROP SCHEMA s", []),
        ("DROP VIEW v; DROP INDEX i; DROP FUNCTION f()", []),
        (
            "ALTER TABLE a ADD x int, DROP COLUMN y, DROP z",
            [Removal(RemovalKind.COLUMN, ("a",), "y"), Removal(RemovalKind.COLUMN, ("a",), "z")],
        ),
        ("ALTER TABLE a DROP CONSTRAINT c", []),
        ("TRUNCATE a, s.b", [Removal(RemovalKind.ROWS, ("a",)), Removal(RemovalKind.ROWS, ("s", "b"))]),
        (
            "TRUNCATE a, b CASCADE",
            [
                Removal(RemovalKind.ROWS, ("a",), cascades=True),
                Removal(RemovalKind.ROWS, ("b",), cascades=True),
            ],
        ),
        ("DROP TYPE s.t CASCADE", [Removal(RemovalKind.TYPE, ("s", "t"))]),
        ("DROP DOMAIN d CASCADE", [Removal(RemovalKind.TYPE, ("d",))]),
        ("DROP EXTENSION e CASCADE", [Removal(RemovalKind.EXTENSION, ("e",))]),
        ("DROP TYPE t; DROP DOMAIN d; DROP EXTENSION e", []),
        ("DELETE FROM a", [Removal(RemovalKind.ROWS, ("a",))]),
        ("DELETE FROM ONLY a WHERE x = 1", [Removal(RemovalKind.SOME_ROWS, ("a",))]),
        ("DELETE FROM a USING b", [Removal(RemovalKind.SOME_ROWS, ("a",))]),
        ("WITH d AS (DELETE FROM a RETURNING *) SELECT * FROM d", [Removal(RemovalKind.SOME_ROWS, ("a",))]),
        (
            "MERGE INTO a USING b ON a.x = b.x WHEN MATCHED THEN DELETE",
            [Removal(RemovalKind.SOME_ROWS, ("a",))],
        ),
        ("MERGE INTO a USING b ON a.x = b.x WHEN MATCHED THEN UPDATE SET x = 1", []),
        ("DO $$ BEGIN DELETE FROM a; END $$", [Removal(RemovalKind.UNKNOWN)]),
        ("CALL tidy()", [Removal(RemovalKind.UNKNOWN)]),
        ("SELECT 1; CREATE TABLE a (); INSERT INTO a DEFAULT VALUES; UPDATE a SET x = 1", []),
        ("this is no SQL", []),
    ],
)
def test_what_a_statement_removes_is_read_from_it(sql: str, found: list[Removal]) -> None:
    assert list(removals(sql)) == found

"""What is said to try about an error that a statement met."""

from __future__ import annotations

import pytest

from seedbed.engines.postgres.rules.advice import advice


@pytest.mark.parametrize(
    ("sqlstate", "message", "said"),
    [
        ("2D000", "invalid transaction termination", "transaction:false"),
        ("25001", "REINDEX DATABASE cannot run inside a transaction block", "transaction:false"),
        ("55P04", 'unsafe use of new value "b" of enum type mood', "in the next migration"),
        ("57014", "canceling statement due to statement timeout", "statement_timeout=10min"),
        (
            "42P01",
            'relation "schema_migrations" does not exist',
            "leave the statement out: schema_migrations is",
        ),
        (
            "42P01",
            'relation "public.goose_db_version" does not exist',
            "goose_db_version is the history of another",
        ),
        ("42P01", 'relation "my_schema_migrations" does not exist', "fix the migration"),
        ("42704", 'type "mood" does not exist', "fix the migration and run the same command again"),
    ],
)
def test_an_error_comes_with_what_helps_against_it(sqlstate: str, message: str, said: str) -> None:
    assert said in advice(sqlstate, message)


def test_a_lock_that_was_waited_for_in_vain_is_looked_for() -> None:
    assert "pg_stat_activity" in advice("55P03", "canceling statement due to lock timeout", is_transient=True)

"""The user service on the PostgreSQL database that all tests of a worker share: it is only read."""

import psycopg
import pytest


@pytest.fixture(scope="session")
def database(seedbed_shared) -> psycopg.Connection:
    """A connection for all tests."""
    found = seedbed_shared("user/postgres", prefixed=True)
    return psycopg.connect(
        host=found["USER_DB_HOST"],
        port=found["USER_DB_PORT"],
        user=found["USER_DB_USER"],
        dbname=found["USER_DB_NAME"],
        options="-c search_path=public",
        autocommit=True,
    )


def test_the_roles_are_there(database: psycopg.Connection) -> None:
    assert database.execute("SELECT count(*) > 0 FROM roles").fetchone() == (True,)


def test_everybody_who_is_active_can_sign_in(database: psycopg.Connection) -> None:
    without = database.execute(
        "SELECT count(*) FROM active_users u WHERE NOT EXISTS (SELECT FROM auth_identities i WHERE i.user_id = u.id)"
    ).fetchone()
    assert without == (0,)

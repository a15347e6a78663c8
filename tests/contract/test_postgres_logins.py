"""PostgreSQL keeps the contract of engines that make logins."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
import pytest

pytest.register_assert_rewrite("seedbed.testing")

from seedbed.engines.postgres.sandbox import EmbeddedServer  # noqa: E402
from seedbed.testing import LoginsContract  # noqa: E402
from tests.contract.test_postgres import PostgresHarness  # noqa: E402
from tests.support.postgres.wire import HERE, connected, tcp_server  # noqa: E402

_HBA = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
_numbers = itertools.count(1)


class PostgresLoginsHarness(PostgresHarness):
    """Databases of an administrator who is no superuser, on a server that asks for passwords."""

    def settings(self) -> Mapping[str, str]:
        name = f"l{next(_numbers)}_db"
        with connected(self._server, "postgres") as connection:
            connection.execute(f"CREATE DATABASE {name} OWNER rds".encode())
        logins = {"user": f"{name}_migrate", "admin_user": "rds", "app_user": f"{name}_app"}
        secrets = {"password": "canary-m", "admin_password": "canary-a", "app_password": "canary-p"}
        return {"host": HERE, "port": str(self._server.port), "name": name, **logins, **secrets}

    def with_other_secrets(self, settings: Mapping[str, str]) -> Mapping[str, str]:
        return {**settings, "password": "canary-m-new", "app_password": "canary-p-new"}

    def without_administrator(self, settings: Mapping[str, str]) -> Mapping[str, str]:
        return {**settings, "admin_password": "canary-wrong"}

    def application_uses(self, settings: Mapping[str, str], table: str) -> bool:
        statements = (
            f"INSERT INTO {table} (name) VALUES ('ana')",
            f"UPDATE {table} SET name = 'bea'",
            f"SELECT id FROM {table}",
            f"DELETE FROM {table}",
        )
        try:
            with _application(settings) as connection:
                return all(_can(connection, each) for each in statements)
        except psycopg.OperationalError:
            return False

    def application_changes(self, settings: Mapping[str, str], table: str) -> bool:
        statements = (
            f"ALTER TABLE {table} ADD COLUMN mine int",
            f"DROP TABLE {table}",
            "CREATE TABLE mine ()",
            "SELECT * FROM seedbed.migrations_history",
            "DELETE FROM seedbed.migrations_history",
        )
        with _application(settings) as connection:
            return any(_can(connection, each) for each in statements)


@contextmanager
def _application(settings: Mapping[str, str]) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    with psycopg.connect(
        host=settings["host"],
        port=settings["port"],
        dbname=settings["name"],
        user=settings["app_user"],
        password=settings["app_password"],
        autocommit=True,
    ) as connection:
        yield connection


def _can(connection: psycopg.Connection[tuple[Any, ...]], statement: str) -> bool:
    try:
        connection.execute(statement.encode())
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    """A server whose administrator is like RDS's."""
    with tcp_server() as found:
        (found.data_directory / "pg_hba.conf").write_text(_HBA)
        with connected(found, "postgres") as connection:
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("CREATE ROLE rds LOGIN CREATEDB CREATEROLE PASSWORD 'canary-a'")
        yield found


class TestPostgresMakesLogins(LoginsContract):
    @pytest.fixture
    def harness(self, server: EmbeddedServer) -> Iterator[PostgresLoginsHarness]:
        with ExitStack() as databases:
            yield PostgresLoginsHarness(server, databases)

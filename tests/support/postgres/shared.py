"""A PostgreSQL that several environments share, and what a test does on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from seedbed.engines.postgres.engine import PostgresEngine
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.engines.postgres.sharing.server import SharedPostgres, shared_server
from seedbed.engines.postgres.store.history import HistoryTable
from seedbed.model.history import Identity
from seedbed.model.secret import Secret
from seedbed.model.sharing import Share
from tests.support.postgres.wire import HERE, connected, tcp_server

PASSWORD = "canary-s-1f9c"
HBA = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"


@contextmanager
def base_server(**settings: str) -> Iterator[EmbeddedServer]:
    """Run a server that asks for passwords, with an administrator like RDS's, `rds`, and a superuser, `boss`."""
    with tcp_server(**settings) as found:
        (found.data_directory / "pg_hba.conf").write_text(HBA)
        with connected(found, "postgres") as connection:
            connection.execute("SELECT pg_reload_conf()")
            connection.execute(f"CREATE ROLE rds LOGIN CREATEDB CREATEROLE PASSWORD '{PASSWORD}'".encode())
            connection.execute(f"CREATE ROLE boss LOGIN SUPERUSER PASSWORD '{PASSWORD}'".encode())
            for each in ("postgres", "template1"):
                connection.execute(f"ALTER DATABASE {each} OWNER TO rds".encode())
        yield found


@dataclass
class Base:
    """The server, as one administrator reaches it."""

    server: EmbeddedServer
    admin: str

    @property
    def settings(self) -> Mapping[str, str | Secret]:
        return {
            "host": HERE,
            "port": str(self.server.port),
            "admin_user": self.admin,
            "admin_password": Secret(PASSWORD),
        }

    @contextmanager
    def reached(self) -> Iterator[SharedPostgres]:
        with shared_server(self.settings) as found:
            yield found

    def make(self, part: Part, template: str = "") -> str:
        with self.reached() as shared:
            return shared.make(part.share, part.logins, template=template)

    def drop(self, part: Part) -> str:
        with self.reached() as shared:
            return shared.drop(part.share)

    def keep(self, part: Part, template: str) -> bool:
        with self.reached() as shared:
            return shared.keep(part.share, template)

    def part(self, environment: str, service: str = "user") -> Part:
        return Part(self, environment, service)

    def everything(self) -> set[tuple[str, ...]]:
        """Return all databases and roles with their comments, rights and memberships."""
        with connected(self.server, "postgres") as connection:
            rows = connection.execute(
                "SELECT 'database', datname, pg_get_userbyid(datdba), datallowconn::text, datacl::text FROM pg_database "
                "UNION ALL SELECT 'role', rolname, rolcanlogin::text, shobj_description(oid, 'pg_authid'), '' "
                "FROM pg_roles UNION ALL SELECT 'member', roleid::regrole::text, member::regrole::text, '', '' "
                "FROM pg_auth_members"
            ).fetchall()
        return {tuple(map(str, row)) for row in rows if not str(row[1]).startswith("pg_")}


@dataclass
class Part:
    """What one environment has there."""

    base: Base
    environment: str
    service: str = "user"
    password: str = ""

    def __post_init__(self) -> None:
        self.password = self.password or f"canary-{self.environment}-1f9c"

    @property
    def share(self) -> Share:
        return Share("sample", self.environment, f"{self.service}/postgres")

    @property
    def names(self) -> Mapping[str, str]:
        return PostgresEngine().shared_settings(self.environment, self.service)

    @property
    def name(self) -> str:
        return self.names["name"]

    @property
    def logins(self) -> Mapping[str, Secret]:
        return {"user": Secret(f"{self.password}-m"), "app_user": Secret(f"{self.password}-a")}

    @contextmanager
    def login(self, which: str = "user", database: str = "") -> Iterator[psycopg.Connection]:
        """Yield a session of one of its logins, in its own database where no other one is named."""
        with psycopg.connect(
            host=HERE,
            port=self.base.server.port,
            dbname=database or self.name,
            user=self.names[which],
            password=self.logins[which].reveal(),
            autocommit=True,
            connect_timeout=10,
        ) as connection:
            yield connection

    def can(self, *statements: str, which: str = "user") -> list[tuple[object, ...]]:
        """Carry out `statements`, and return the rows of the last one."""
        rows: list[tuple[object, ...]] = []
        with self.login(which) as connection:
            for each in statements:
                cursor = connection.execute(each.encode())
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def settle(self) -> None:
        """Give its database a history, as `apply` does."""
        table = HistoryTable("seedbed", self.names["app_user"])
        self.can(table.definition(Identity("sample", f"{self.service}/postgres", self.environment)))

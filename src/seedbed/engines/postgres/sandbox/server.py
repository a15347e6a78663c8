"""A PostgreSQL that runs, and the databases in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, cast

from seedbed.engines.postgres.sandbox.binaries import major
from seedbed.errors import SandboxError

if TYPE_CHECKING:
    import psycopg

    from seedbed.engines.postgres.address import Address
    from seedbed.model.target import Target

NAME_BYTES = 63


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """A PostgreSQL that runs as long as the context that yielded it. `user` is its superuser; there is no password.

    `prefix`: what the names of databases made for ids begin with; with one, each is made anew.
    """

    socket_directory: str
    port: int
    user: str
    data_directory: Path
    bin: Path
    version: str
    pid: int
    prefix: str = ""

    def dsn(self, database: str) -> Mapping[str, str]:
        """Return the libpq keywords for `database`, which need not exist."""
        return {"host": self.socket_directory, "port": str(self.port), "user": self.user, "dbname": database}

    def settings(self, database: str) -> Mapping[str, str]:
        """Return the settings that `address` wants, of a database made for the id `database` (`user/postgres`: `user`).

        Raises SandboxError.
        """
        name = self.prefix + database.removesuffix("/postgres")
        if self.prefix:
            self.drop_database(name)
        self.ensure_database(name)
        return self.settings_of(name)

    def settings_of(self, name: str) -> Mapping[str, str]:
        """Return the settings that `address` wants of the database `name`."""
        return {"host": self.socket_directory, "port": str(self.port), "user": self.user, "name": name}

    def apart(self, slot: int) -> EmbeddedServer:
        """Return this server with databases of their own for the tests of `slot`."""
        return dataclasses.replace(self, prefix=f"tests_{slot}_")

    def keep(self, target: Target) -> Template:
        """Return the database of `target`, to which nobody is connected, as a template."""
        return Template(self, cast("Address", target.address).name)

    def ensure_database(self, name: str) -> bool:
        """Create the database `name` unless it exists, and return whether it was created. Raises SandboxError."""
        from psycopg import errors, sql

        with self._administration() as connection:
            if connection.execute("SELECT FROM pg_database WHERE datname = %s", [_checked(name)]).rowcount:
                return False
            try:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            except (errors.DuplicateDatabase, errors.UniqueViolation):  # somebody else was faster
                return False
        return True

    def create_from_template(self, name: str, template: str) -> None:
        """Create the database `name` as a copy of `template`, which nobody may be connected to.

        Creating some 300 files is what takes its time: 10 ms in memory, many times that on a busy disk. Raises
        SandboxError if `name` exists, `template` does not, or somebody stays connected to it for the five seconds
        that the server waits.
        """
        from psycopg import Error, sql

        # Files are copied, not logged page by page: measured side by side this was faster on disk and twice as fast
        # in memory, alone and four at once. Its two checkpoints cost little where nothing waits for the disk.
        strategy = sql.SQL(
            " STRATEGY file_copy" if major(self.version) >= 15 else ""
        )  # the older know no other
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}{}")
        names = sql.Identifier(_checked(name)), sql.Identifier(_checked(template))
        with self._administration() as connection:
            try:
                connection.execute(statement.format(*names, strategy))
            except Error as error:
                raise SandboxError(
                    f"cannot create database {name!r} from template {template!r}", because=str(error).strip()
                ) from error

    def drop_database(self, name: str) -> None:
        """Drop the database `name` if it exists, whoever is connected to it. Raises SandboxError."""
        from psycopg import Error, sql

        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(_checked(name)))
        with self._administration() as connection:
            try:
                connection.execute(statement)
            except Error as error:
                raise SandboxError(f"cannot drop database {name!r}", because=str(error).strip()) from error

    @contextmanager
    def _administration(self) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
        import psycopg

        try:
            connection = psycopg.connect(
                host=self.socket_directory,
                port=self.port,
                user=self.user,
                dbname="postgres",
                autocommit=True,
                application_name="seedbed sandbox",
            )
        except psycopg.Error as error:
            raise SandboxError(
                "the embedded PostgreSQL does not answer", because=str(error).strip()
            ) from error
        with connection:
            yield connection


class Template:
    """The database `name` of `server`, to which nobody is connected: every copy of it holds what it holds."""

    def __init__(self, server: EmbeddedServer, name: str) -> None:
        self._server = server
        self._name = name
        self._copies = count(1)

    @contextmanager
    def fresh(self) -> Iterator[Mapping[str, str]]:
        """Yield the settings of a copy, which is dropped with this context. Raises SandboxError."""
        name = f"{self._name}_{next(self._copies)}"
        self._server.drop_database(name)  # of tests that were killed
        self._server.create_from_template(name, self._name)
        try:
            yield self._server.settings_of(name)
        finally:
            self._server.drop_database(name)


def _checked(name: str) -> str:
    """Return `name` if the server would keep it as it is. Raises SandboxError: it cuts silently what is too long."""
    size = len(name.encode())
    if not name or size > NAME_BYTES or "\0" in name:
        raise SandboxError(
            f"{name!r} cannot be the name of a database",
            because=f"it has {size} bytes; 1 to {NAME_BYTES}, none of them NUL",
        )
    return name

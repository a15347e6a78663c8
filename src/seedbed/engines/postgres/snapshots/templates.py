"""Snapshots in the sandbox: databases beside the database, on the same server, which are copies of it.

PostgreSQL copies a database to which nobody is connected, and whole or not at all. It keeps a copy's files in a folder
of their own: when that was made, the copy was taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, cast

from msgspec.structs import replace

from seedbed.engines.base import Session
from seedbed.engines.postgres.address import NAME_BYTES, Address
from seedbed.engines.postgres.files.quoting import quoted_name, quoted_text
from seedbed.engines.postgres.session import PostgresSession
from seedbed.engines.postgres.snapshots.counting import counts
from seedbed.engines.postgres.wire.connection import open_connection
from seedbed.engines.postgres.wire.messages import ServerError, asking, run, translate_errors
from seedbed.errors import Busy, Refused
from seedbed.model.snapshot import Copy, Snapshot, snapshot_id
from seedbed.model.target import Target

if TYPE_CHECKING:
    import psycopg

_IN_USE, _THERE = "55006", "42P04"
_SNAPSHOT = re.compile(r"\.s(\d+)-(\d+)")


@contextmanager
def template_snapshots(target: Target, address: Address) -> Iterator[TemplateSnapshots]:
    """Reach the server of `address`, in the database `postgres`. Raises Unreachable."""
    with closing(open_connection(replace(address, name="postgres"))) as connection:
        yield TemplateSnapshots(connection, target, address)


class TemplateSnapshots:
    """Databases named `user.s12-1`, copies of `user`; and `user.r12`, which is a copy of that."""

    lost: Sequence[str] = ()

    def __init__(
        self, connection: psycopg.Connection[tuple[Any, ...]], target: Target, address: Address
    ) -> None:
        self._connection, self._target, self._address = connection, target, address
        self._query = asking(connection)

    def listed(self) -> Sequence[Snapshot]:
        found = []
        for name, taken, size in self._beside():
            if known := _SNAPSHOT.fullmatch(name.removeprefix(self._address.name)):
                found.append(self._snapshot(int(known[1]), int(known[2]), name, taken, size))
        return sorted(found, key=lambda each: (each.release, each.number), reverse=True)

    def take(self, release: int, number: int) -> Snapshot:
        name = self._name(f"s{release}-{number}")
        self._copied(self._address.name, name)
        return next(each for each in self.listed() if (each.release, each.number) == (release, number))

    def delete(self, snapshot: Snapshot) -> None:
        self._dropped(self._name(f"s{snapshot.release}-{snapshot.number}"))

    def restore(self, snapshot: Snapshot, name: str) -> Copy:
        self._copied(self._name(f"s{snapshot.release}-{snapshot.number}"), self._name(name))
        return self._copy(name)

    def copies(self) -> Sequence[Copy]:
        names = [each[0].removeprefix(f"{self._address.name}.") for each in self._beside()]
        return [self._copy(each) for each in sorted(names) if each.startswith("r")]

    def drop(self, name: str) -> bool:
        self._dropped(self._name(name))
        return True

    def address(self, copy: Copy) -> object:
        return replace(self._address, name=copy.settings["name"])

    def counts(self, session: Session) -> Mapping[str, int]:
        return counts(cast(PostgresSession, session))

    def _name(self, end: str) -> str:
        name = f"{self._address.name}.{end}"
        if len(name.encode()) > NAME_BYTES:
            raise Refused(
                f"{self._address.name} has no room for a copy beside it",
                because=f"{name} has more than {NAME_BYTES} bytes",
                try_="give the database a shorter name",
            )
        return name

    def _beside(self) -> list[tuple[str, float, int]]:
        """Return what is a copy of the database: name, when it was made, size in bytes."""
        beginning = quoted_text(f"{self._address.name}.")
        sql = (
            "SELECT datname, extract(epoch FROM (pg_stat_file('base/' || oid || '/PG_VERSION')).modification), "
            f"pg_database_size(oid) FROM pg_database WHERE starts_with(datname, {beginning})"
        )
        with translate_errors("listing the copies of a database"):
            return [(str(name), float(taken or 0), int(size or 0)) for name, taken, size in self._query(sql)]

    def _copied(self, source: str, name: str) -> None:
        with translate_errors(f"copying {source}"):
            self._created(source, name)

    def _created(self, source: str, name: str) -> None:
        try:
            run(self._connection, f"CREATE DATABASE {quoted_name(name)} TEMPLATE {quoted_name(source)}")
        except ServerError as error:
            if error.sqlstate == _THERE:
                return
            if error.sqlstate == _IN_USE:
                raise Busy(
                    f"{source} cannot be copied while there are connections to it",
                    because=error.because(),
                    try_="close them, then run the same command again",
                ) from None
            raise

    def _dropped(self, name: str) -> None:
        with translate_errors(f"dropping {name}"):
            run(self._connection, f"DROP DATABASE IF EXISTS {quoted_name(name)} WITH (FORCE)")

    def _snapshot(self, release: int, number: int, name: str, taken: float, size: int) -> Snapshot:
        where = (self._target.platform, self._target.environment.name, self._target.database.service)
        return Snapshot(
            id=snapshot_id(*where, release, number),
            database=self._target.id,
            release=release,
            number=number,
            state="available",
            taken=taken,
            size=size,
            percent=100,
            parts={self._address.name: name},
        )

    def _copy(self, name: str) -> Copy:
        database = self._name(name)
        return Copy(
            database=self._target.id,
            name=name,
            state="available",
            place=f"database {database}",
            settings={"name": database},
        )

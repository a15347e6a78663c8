"""What a dump holds, history included, on a server of its own that a drill looks at: it stops with the drill.

The server runs on the machine that the drill is called on, below the directory of the snapshots. What it holds is
production's, so it has a password, which nobody is told.
"""

from __future__ import annotations

import secrets
import shutil
from contextlib import ExitStack
from pathlib import Path

from msgspec.structs import replace

from seedbed.engines.neo4j.address import DATABASE, Address
from seedbed.engines.neo4j.dump_restore.file_format import Dump
from seedbed.engines.neo4j.dump_restore.restore import Unleased, make_nodes, make_relationships
from seedbed.engines.neo4j.dump_restore.values import decoded
from seedbed.engines.neo4j.files.names import HISTORY_LABEL
from seedbed.engines.neo4j.sandbox import local
from seedbed.engines.neo4j.session import connect
from seedbed.engines.neo4j.wire import queries
from seedbed.engines.neo4j.wire.client import RunQuery
from seedbed.engines.neo4j.wire.driver import import_driver
from seedbed.errors import Busy, Unreachable
from seedbed.model.secret import Secret
from seedbed.model.target import Target
from seedbed.servers import directory, ports, server

_USER, _FIRST = "neo4j", "neo4j"  # the login that a new server has, whose password has to be changed
_HISTORY = f"CREATE (n:{HISTORY_LABEL}) SET n = $properties"
_READY = "CALL db.awaitIndexes(600)"


class ServersApart:
    """The servers that drills of one graph have started, in directories below `home` that begin with `names`."""

    def __init__(self, target: Target, home: Path, leaving: ExitStack) -> None:
        self._target, self._home, self._leaving = target, home / "drills", leaving
        names = (target.platform, target.environment.name, target.database.service)
        self._begin = "-".join(names)
        self._running: dict[str, tuple[ExitStack, Address]] = {}

    def restore(self, dump: Dump, name: str) -> Address:
        """Start a server with what `dump` holds. Raises SandboxError, CypherError, Busy."""
        if name not in self._running:
            if not self.drop(name):  # what is half made is made anew
                raise Busy(
                    f"another drill of {self._target.id} goes on, or ended a moment ago",
                    because=f"its server still runs, in {self._path(name)}",
                    try_="run the same command again",
                )
            leaving = self._leaving.enter_context(ExitStack())
            address = self._start(directory.create(self._home, self._folder(name)), leaving)
            with connect(replace(self._target, address=address)) as session:
                _fill(Unleased(session.graph), dump)
            self._running[name] = leaving, address
        return self._running[name][1]

    def address(self, name: str) -> Address:
        return self._running[name][1]

    def names(self) -> list[str]:
        """Return the names of copies of which there is anything on the disk."""
        base = directory.home_for(self._home, self._folder("any")).path
        found = (
            each.name.removeprefix(f"{self._begin}-") for each in base.glob(f"{self._begin}-r*-drill.neo4j")
        )
        return sorted(each.removesuffix(".neo4j") for each in found)

    def drop(self, name: str) -> bool:
        """Have a server stop, and return whether it did, and what it held is removed."""
        if name in self._running:
            self._running.pop(name)[0].close()
        folder = self._path(name)
        if folder.exists():
            if server.is_running(folder):
                return False
            shutil.rmtree(folder)
        return True

    def _path(self, name: str) -> Path:
        return directory.home_for(self._home, self._folder(name)).path / self._folder(name)

    def _folder(self, name: str) -> str:
        return f"{self._begin}-{name}.neo4j"

    def _start(self, folder: Path, leaving: ExitStack) -> Address:
        leaving.enter_context(server.running(local.server(folder, has_login=True)))
        password = Secret(secrets.token_urlsafe(24))
        uri = f"bolt://127.0.0.1:{ports.last_port(folder)}"
        _change_password(uri, password)
        return Address(uri=uri, user=_USER, password=password, database=DATABASE)


def _change_password(uri: str, password: Secret) -> None:
    neo4j = import_driver()
    change = f"ALTER CURRENT USER SET PASSWORD FROM '{_FIRST}' TO $new"
    try:
        with neo4j.GraphDatabase.driver(uri, auth=(_USER, _FIRST)) as driver:
            driver.execute_query(change, new=password.reveal(), database_="system")
    except (neo4j.exceptions.Neo4jError, neo4j.exceptions.DriverError) as error:
        raise Unreachable(
            f"the server of the drill at {uri} does not let us in",
            because=str(error).replace(password.reveal(), "…"),
            try_="run the same command again",
        ) from None


def _fill(writer: Unleased, dump: Dump) -> None:
    """Make nodes and relationships, what constrains them, and the history."""
    ids: dict[int, str] = {}
    for _ in make_nodes(writer, dump.nodes, ids):
        pass
    for _ in make_relationships(writer, dump.relationships, ids):
        pass
    client = writer.graph.client
    for statement in (*dump.schema, queries.text("constraint")):
        client.run_autocommit(statement, {})
    client.run_repeatable(_READY)

    def history(run: RunQuery) -> None:
        for each in dump.history:
            run(_HISTORY, {"properties": {name: decoded(value) for name, value in each.items()}})

    writer.write(history)

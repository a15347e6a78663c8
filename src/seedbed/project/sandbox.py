"""The sandbox's servers between commands: started once, used by every run, ended when they are released.

What runs servers is imported late: most runs are about servers that are not ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from seedbed.model.platform import Database
from seedbed.project.catalog import Catalog


class Sandbox(Struct, frozen=True):
    """The embedded servers of a project below `home`."""

    catalog: Catalog
    home: Path

    @contextmanager
    def servers(self, databases: Sequence[Database]) -> Iterator[Mapping[str, Mapping[str, str]]]:
        """Run the servers of `databases`, and yield the connection settings of each by its id.

        Raises SandboxError, MissingExtra.
        """
        from seedbed.environments.sandbox import servers

        self.catalog.require_extras(databases)
        pairs = [(str(database.id), self.catalog.engine(database.engine)) for database in databases]
        with servers.running(pairs, self.home) as settings:
            yield settings

    def start_daemon(self, databases: Sequence[Database]) -> None:
        """Keep the servers of `databases`, which run, running until `stop_daemons`. Raises SandboxError."""
        from seedbed.environments.sandbox import daemons

        daemons.start({str(database.id): database.engine for database in databases}, self.home)

    def kept_databases(self) -> Sequence[str]:
        """Return the ids of the databases whose servers run between commands."""
        from seedbed.environments.sandbox import daemons

        return sorted(daemons.databases(self.home))

    def stop_daemons(self) -> tuple[Sequence[str], Sequence[str]]:
        """Stop the daemons; return the databases that they kept running, and the servers that another command uses."""
        from seedbed.environments.sandbox import daemons

        return sorted(daemons.stop(self.home)), self.wait_until_stopped()

    def wait_until_stopped(self) -> Sequence[str]:
        """Wait until servers without an owner have ended, and return those that another command uses."""
        from seedbed.environments.sandbox import daemons

        return daemons.wait_until_stopped(self.home)

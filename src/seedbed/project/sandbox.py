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
        """Run the servers of `databases`, and yield the connection settings of each by its id. Raises SandboxError."""
        from seedbed.environments import sandbox

        pairs = [(str(database.id), self.catalog.engine(database.engine)) for database in databases]
        with sandbox.settings(pairs, self.home) as settings:
            yield settings

    def keep(self, databases: Sequence[Database]) -> None:
        """Keep the servers of `databases`, which run, running until `release`. Raises SandboxError."""
        from seedbed.environments import keeping

        keeping.keep({str(database.id): database.engine for database in databases}, self.home)

    def kept(self) -> Sequence[str]:
        """Return the ids of the databases whose servers run between commands."""
        from seedbed.environments import keeping

        return sorted(keeping.kept(self.home))

    def release(self) -> tuple[Sequence[str], Sequence[str]]:
        """Stop keeping servers; return the databases that were kept, and the servers that another command uses."""
        from seedbed.environments import keeping

        return sorted(keeping.release(self.home)), self.wait_until_ended()

    def wait_until_ended(self) -> Sequence[str]:
        """Wait until servers without an owner have ended, and return those that another command uses."""
        from seedbed.environments import keeping

        return keeping.in_use(self.home)

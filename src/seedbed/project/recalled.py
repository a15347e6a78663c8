"""Targets that are not asked: what runs left of them, in the place of connection settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from seedbed.errors import Hint, Unavailable, call
from seedbed.execution.connecting import Connector
from seedbed.execution.recalling import Recall, RecalledAddress
from seedbed.model.environment import Environment
from seedbed.model.platform import Database
from seedbed.model.remembered import Remembered
from seedbed.model.target import NoAddress, Target
from seedbed.project.targets import Targets


class RecalledTargets(Targets, frozen=True, kw_only=True):
    """Targets as they are `remembered`, by id, at the time `now`: no variable, no secret and no server is looked at."""

    remembered: Mapping[str, Remembered]
    now: datetime

    @contextmanager
    def open(
        self, environment: Environment, databases: Sequence[Database], *, beside: bool = False
    ) -> Iterator[list[Target]]:
        """Yield the targets of `databases`; one that no run has seen yet has no address."""
        yield [self._recalled(environment, each) for each in databases]

    def connector(self, engine: str) -> Connector:
        return Recall(self.catalog.engine(engine), self.now)

    def _recalled(self, environment: Environment, database: Database) -> Target:
        known = self.remembered.get(database.id)
        address = RecalledAddress(known) if known else NoAddress(_never_seen(environment, database))
        return Target(database, environment, self.catalog.platform.name, address)


def _never_seen(environment: Environment, database: Database) -> Unavailable:
    return Unavailable(
        f"nothing is known of {database.id} in {environment.name} yet",
        because="it can be reached in its network only, and no run there has left what it saw",
        try_=Hint("ask it, by a run in the network: ", call("status", "--fresh", about=str(database.id))),
    )

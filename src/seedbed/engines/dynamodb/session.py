"""A session on a DynamoDB target: reading, and taking the lease."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from seedbed.aws import identity
from seedbed.engines.base import Progress
from seedbed.engines.dynamodb.address import Address
from seedbed.engines.dynamodb.database import DynamoDatabase, needed, translate_errors
from seedbed.engines.dynamodb.schema.shape import HISTORY
from seedbed.engines.dynamodb.store import history
from seedbed.engines.dynamodb.wire.client import Client
from seedbed.engines.dynamodb.wire.errors import NOT_FOUND, ServiceError
from seedbed.errors import Unavailable
from seedbed.model.deployment import Change, Estimate, Template
from seedbed.model.environment import SANDBOX
from seedbed.model.event import DeployProgressed
from seedbed.model.history import History, Owner
from seedbed.model.ids import Extent, Ids
from seedbed.model.migration import Migration, Phase
from seedbed.model.names import stack_name
from seedbed.model.platform import ALL, Where
from seedbed.model.verification import Holders, QueryRow, Suspect

if TYPE_CHECKING:
    from seedbed.engines.dynamodb.schema.current import TableState
    from seedbed.engines.dynamodb.store.lease import DynamoLease
    from seedbed.model.event import Listener
    from seedbed.model.migration import Work
    from seedbed.model.plan import Loss
    from seedbed.model.target import Target
    from seedbed.model.usage import Removed, Usage
    from seedbed.model.verified import Verified, VerifyRecord

_FIRST_POLL, _SLOWEST_POLL = 0.1, 5.0  # seconds between two looks at something that is being built
_USABLE = {"ACTIVE", "UPDATING"}  # a table that gets an index reads and writes as ever


@contextmanager
def connect(target: Target) -> Iterator[DynamoSession]:
    """Open a session on `target`. Raises Unreachable; Refused where the credentials are another account's."""
    address = cast(Address, target.address)
    if address.cloud.account:  # else any account will do, and the first request shows whether it lets us in
        identity.require_account(address.cloud)
    with closing(Client(address.cloud)) as client:
        database = DynamoDatabase(
            target=target.id,
            address=address,
            client=client,
            service=target.database.service,
            environment=target.environment.name,
            directory=target.database.directory,
            copy=address.copy,
        )
        yield DynamoSession(database, target.platform)


class DynamoSession:
    """There is no connection to keep: every question is a signed request of its own."""

    def __init__(self, database: DynamoDatabase, platform: str) -> None:
        self.database = database
        self._platform = platform

    @property
    def server(self) -> str:
        return "DynamoDB"  # it tells no version; where it is, the address says

    def history(self) -> History:
        with translate_errors(self.database, f"reading the history of {self.database.target}"):
            return history.read(self.database)

    def holder(self) -> str:
        from seedbed.engines.dynamodb.store import lease_store

        return lease_store.holder(self.database)

    def interrupt(self) -> None:
        """Stop what is running; a write that was sent is answered, or fenced off. What comes next does not begin."""
        self.database.client.interrupt()

    def abandon(self) -> None:
        """Cut off every call under way, those of the lease too."""
        self.database.client.abandon()

    def lease(self, owner: Owner, *, wait: float, listener: Listener) -> AbstractContextManager[DynamoLease]:
        return self._lease(owner, wait, listener)

    @contextmanager
    def _lease(self, owner: Owner, wait: float, listener: Listener) -> Iterator[DynamoLease]:
        from seedbed.engines.dynamodb.store import lease_store
        from seedbed.engines.dynamodb.store.lease import DynamoLease

        self.history()  # a format that is not ours is refused before anything is touched
        with lease_store.lease(self.database, owner, wait=wait, listener=listener) as (store, held):
            yield DynamoLease(store, held, self.unmet)

    def unlock(self, *, actor: str) -> str:
        """End the lease of whoever holds it, audited; return who that was."""
        from seedbed.engines.dynamodb.store import lease_store

        return lease_store.unlock(self.database, actor=actor)

    # tables and indexes: infrastructure

    def is_deployed(self) -> bool:
        """Return whether the table of the history is there."""
        with translate_errors(self.database, f"looking at the tables of {self.database.target}"):
            return self._states(HISTORY) is not None

    def changes(self, gate: Phase) -> Sequence[Change]:
        """Return how tables.toml differs from the current tables, as a deployment through `gate` would change it."""
        from seedbed.engines.dynamodb.running import direct
        from seedbed.engines.dynamodb.schema.changes import changes

        declared = self.database.declared()
        with translate_errors(self.database, f"looking at the tables of {self.database.target}"):
            current = self.database.current_tables()
            if self.database.environment == SANDBOX:
                return direct.scheduled(self.database, current, gate).messages
        return changes(current, declared, gate)

    def memory(self) -> Mapping[str, Any]:
        """Return the tables that are declared, and that of the history, as they are described now."""
        from seedbed.engines.dynamodb.running.remembering import memory

        with translate_errors(self.database, f"looking at the tables of {self.database.target}"):
            return memory(self.database)

    def create_history(self) -> None:
        """Create the table of the history, unless it is there."""
        from seedbed.engines.dynamodb.running import direct

        with translate_errors(self.database, f"creating the table of the history of {self.database.target}"):
            direct.create_history(self.database)

    def unmet(self, migrations: Sequence[Migration]) -> Mapping[str, str]:
        """Return, by version, a message about what a migration needs and does not find ready.

        Raises MigrationFileError for what is neither there nor declared.
        """
        needs = {each.version: needed(each) for each in migrations}
        asked = sorted({name for names in needs.values() for name in names})
        with translate_errors(self.database, f"looking at the tables of {self.database.target}"):
            found = {table: self._states(table) for table in {each.partition(".")[0] for each in asked}}
        self._require_known([(each, name) for each in migrations for name in needs[each.version]], found)
        problems = {name: _problem(name, found) for name in asked}
        unmet = {
            version: [problems[each] for each in names if problems[each]] for version, names in needs.items()
        }
        return {version: "; ".join(each) for version, each in unmet.items() if each}

    def _require_known(
        self,
        needs: Sequence[tuple[Migration, str]],
        found: Mapping[str, Mapping[str, TableState] | None],
    ) -> None:
        from seedbed.engines.dynamodb.rules.declared import require_known

        there = {table for table, states in found.items() if states is not None}
        there |= {f"{table}.{index}" for table, states in found.items() for index in states or () if index}
        require_known(self.database.declared(), needs, there)

    def _states(self, table: str) -> Mapping[str, TableState] | None:
        """Return how the table ("") and its indexes are; None where there is no such table."""
        from seedbed.engines.dynamodb.schema.current import states

        try:
            return states(self.database.description(table))
        except ServiceError as error:
            if error.code == NOT_FOUND:
                return None
            raise

    def settle(self, things: Sequence[str], *, timeout: float) -> Iterator[Progress]:
        """Wait until all `things` ("courses", "courses.by_teacher") are ready, emitting what is waited for.

        Raises Unavailable after `timeout` seconds.
        """
        database, began = self.database, time.monotonic()
        stack = stack_name(self._platform, database.environment, database.service, "dynamodb")
        emitted, pause = "", _FIRST_POLL
        while True:
            with translate_errors(database, f"looking at the tables of {database.target}"):
                found = {table: self._states(table) for table in {each.partition(".")[0] for each in things}}
            problems = [problem for each in things if (problem := _problem(each, found))]
            if not problems:
                return
            message = "; ".join(problems)
            if time.monotonic() - began >= timeout:
                raise Unavailable(
                    f"{database.target} is not ready after {timeout:.0f} s",
                    because=message,
                    try_="run the same command again: it goes on waiting",
                )
            if message != emitted:
                done = len(things) - len(problems)
                yield DeployProgressed(database.target, stack, 0, message, done, len(things), "ready")
                emitted = message
            database.client.sleep(min(pause, timeout))
            pause = min(1.5 * pause, _SLOWEST_POLL)

    def existing(self, template: Template) -> Mapping[str, Mapping[str, Any]]:
        """Return, by logical id, the tables of `template` that exist already, as the resources to import."""
        from seedbed.engines.dynamodb.running.existing_tables import existing_tables

        with translate_errors(self.database, f"looking for tables of {self.database.target}"):
            return existing_tables(self.database.client, template)

    # ids

    def ids(self, path: str, where: Where = ALL) -> Generator[Ids, None, None]:
        from seedbed.engines.dynamodb.running import ids

        return ids.ids(self.database, path, where)

    def extent(self, path: str, where: Where = ALL) -> Extent:
        from seedbed.engines.dynamodb.running.ids import extent

        return extent(self.database, path, where)

    def on_units(self, spent: Callable[[float], None]) -> None:
        self.database.spent = spent

    def found(self, path: str, ids: Sequence[str]) -> Collection[str]:
        from seedbed.engines.dynamodb.running.ids import found

        return found(self.database, path, ids)

    def holders(
        self, path: str, suspects: Sequence[Suspect], *, time: str, most: int, where: Where = ALL
    ) -> Mapping[str, Holders]:
        from seedbed.engines.dynamodb.running.ids import holders

        return holders(self.database, path, suspects, time=time, most=most, where=where)

    def rows(self, query: str, most: int) -> Sequence[QueryRow]:
        from seedbed.engines.dynamodb.running.queries import rows

        return rows(self.database, query, most)

    def number(self, query: str) -> Decimal:
        from seedbed.engines.dynamodb.running.queries import number

        return number(self.database, query)

    def verified(self) -> Verified:
        from seedbed.engines.dynamodb.store import verified

        with translate_errors(self.database, f"reading what verify found of {self.database.target}"):
            return verified.read(self.database)

    def keep(self, record: VerifyRecord, forget: Collection[str]) -> None:
        from seedbed.engines.dynamodb.store import verified

        with translate_errors(self.database, f"keeping what verify found of {self.database.target}"):
            verified.keep(self.database, record, forget)

    def deployed_removals(self) -> Sequence[Removed]:
        from seedbed.engines.dynamodb.running.usage import deployed_removals

        with translate_errors(self.database, f"looking at the tables of {self.database.target}"):
            return deployed_removals(self.database)

    def usage(self, removed: Sequence[Removed]) -> Usage:
        from seedbed.engines.dynamodb.running.usage import usage

        with translate_errors(self.database, f"reading what is counted of {self.database.target}"):
            return usage(self.database, removed)

    def losses(self, works: Sequence[Work]) -> Sequence[Loss]:
        """Return at most how many items `works` would remove."""
        from seedbed.engines.dynamodb.running.losses import losses

        with translate_errors(
            self.database, f"counting what a revert of {self.database.target} would remove"
        ):
            return losses(self.database, works)

    def estimate(self, migrations: Sequence[Migration], *, sample: int) -> Sequence[Estimate]:
        """Return what each transformation would cost, by looking at its table and trying `sample` of its items."""
        from seedbed.engines.dynamodb.running.estimate import estimate

        with translate_errors(self.database, f"estimating the migrations of {self.database.target}"):
            return estimate(self.database, migrations, sample=sample)


def _problem(name: str, found: Mapping[str, Mapping[str, TableState] | None]) -> str:
    """Return why "courses" or "courses.by_teacher" cannot be used right now; empty if it can."""
    table, _, index = name.partition(".")
    states = found[table]
    if states is None:
        return f"table {table} is missing"
    if states[""].status not in _USABLE:
        return _state(f"table {table}", states[""])
    if not index:
        return ""
    if index not in states:
        return f"index {name} is missing"
    if states[index].is_ready:
        return ""
    return _state(f"index {name}", states[index]) + _amount(states[""])


def _amount(table: TableState) -> str:
    """Return how much there is to fill an index with, as far as DynamoDB has counted; empty if it has not."""
    return f" over about {table.items:,} items, {table.bytes_ / 1e6:,.1f} MB" if table.items else ""


def _state(what: str, state: TableState) -> str:
    if state.status == "DELETING":
        return f"{what} is being deleted"
    if state.is_backfilling:
        return f"{what} is being filled"
    return f"{what} is being built" if state.status == "CREATING" else f"{what} is {state.status}"

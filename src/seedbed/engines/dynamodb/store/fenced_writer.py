"""Writes under the lease: transactions that carry its token, and checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from seedbed.aws.faults import ExpiredCredentials
from seedbed.engines.dynamodb.database import needed
from seedbed.engines.dynamodb.store import history
from seedbed.engines.dynamodb.store.history import Action
from seedbed.engines.dynamodb.store.lease_store import DynamoLeaseStore
from seedbed.engines.dynamodb.wire.errors import CONDITION_REASON, SERVER_SIDE, ServiceError
from seedbed.engines.kit.errors import interrupted
from seedbed.engines.kit.lease import HeldLease, require_running
from seedbed.engines.kit.touched import Touched
from seedbed.errors import AccessRefused, Hint, Interrupted, LeaseLost, Refused, Unavailable, call
from seedbed.model.history import Revision
from seedbed.model.migration import Migration

LARGEST = 100  # actions in a transaction
ROOM = LARGEST - 3  # actions beside the token and what the history takes (a revert writes two items)
SOME = 90  # actions in one of many transactions that could be cut anywhere
Unmet = Callable[[Sequence[Migration]], Mapping[str, str]]


class FencedWriter:
    """The right to write, shown with every transaction. Thread-safe."""

    def __init__(self, store: DynamoLeaseStore, held: HeldLease, unmet: Unmet) -> None:
        self.database = store.database
        self._touched = Touched()
        self.database.client.touched, self.database.client.own = self._touched, self.database.history
        self.store = store
        self.held = held
        self._unmet = unmet
        self._met: set[str] = set()  # tables and indexes that were found ready under this lease
        self._marked: set[str] = set()  # revisions that say they have a checkpoint

    @property
    def is_touched(self) -> bool:
        """Whether anything that was sent under this lease stays in a table other than the history's, or may."""
        return bool(self._touched)

    @property
    def owner(self) -> str:
        return self.held.owner.who

    @property
    def interrupted(self) -> bool:
        """Whether this run was asked to stop."""
        return self.database.client.is_interrupted

    def check(self) -> None:
        """Raise LeaseLost unless the lease is certainly held, Interrupted after a request to stop. Sends nothing."""
        require_running(self.held, is_interrupted=self.interrupted)

    def commit(self, actions: Sequence[Action], *, anyway: bool = False) -> Mapping[str, Any]:
        """Carry out `actions` (at most 99) in one transaction, if the lease is still ours; return the answer.

        The answer says what was consumed. `anyway`: also after an interruption. Raises LeaseLost, Interrupted (what
        was sent has taken effect or never will), ServiceError whose reasons are those of `actions`.
        """
        client, check = self.database.client, self.check
        if anyway:
            client, check = self.store.keeper, self.held.check
        with self.store.lock:
            check()
            # The token goes last, so that reason i is action i's.
            body = {
                "TransactItems": [*actions, self.store.condition(self.held)],
                "ClientRequestToken": uuid4().hex,
                "ReturnConsumedCapacity": "INDEXES",
            }
            try:
                return client.call("TransactWriteItems", body)
            except ServiceError as error:
                raise self._refused(error, len(actions)) from None
            except Interrupted:
                self.store.fence_off(self.held)
                raise interrupted(f"work on {self.database.target}") from None
            except (ExpiredCredentials, AccessRefused):  # AWS refused it: nothing of it stays
                raise
            except Unavailable as error:
                raise self.held.unconfirmed(error.what) from error

    def _refused(self, error: ServiceError, count: int) -> LeaseLost | ServiceError:
        if error.reasons[count:] == (CONDITION_REASON,):
            return self.held.taken()
        if error.code in SERVER_SIDE:  # what was sent may yet be carried out: until we let go, and no longer
            return self.held.lost(f"DynamoDB failed: {error.because}")
        return ServiceError(
            error.code,
            error.message,
            error.reasons[:count],
            operation=error.operation,
            items=error.items[:count],
        )

    def require_needs(self, migration: Migration) -> None:
        """Raise Refused unless all that `migration` needs is ready; a plan that found it so may be old by now."""
        needs = set(needed(migration))
        if needs <= self._met:
            return
        if because := self._unmet([migration]).get(migration.version, ""):
            raise Refused(
                f"{migration.label} cannot run on {self.database.target} yet",
                because=because,
                try_=Hint(
                    "what is being built only takes time; else ",
                    call("deploy", about=self.database.target),
                ),
            )
        self._met |= needs

    # transformations

    def checkpoint(
        self, version: str, segment: int, state: str, actions: Sequence[Action] = ()
    ) -> Mapping[str, Any]:
        """Carry out `actions` (at most 97) and write how far the transformation is in `segment`, both or neither.

        Returns the answer, which says what was consumed. Raises LeaseLost, Interrupted, ServiceError when one of
        `actions` was refused (its reasons are theirs).
        """
        mine = [history.checkpoint(self.database, version, segment, state)]
        if version not in self._marked:
            mine.append(history.mark(self.database, version, "by segment"))
        try:
            answer = self.commit([*actions, *mine])
        except ServiceError as error:
            count = len(actions)
            raise ServiceError(
                error.code,
                error.message,
                error.reasons[:count],
                operation=error.operation,
                items=error.items[:count],
            ) from None
        self._marked.add(version)
        return answer

    def begin(self, revision: Revision) -> None:
        """Write that a work begins, without anything of a way that this version went before."""
        self._marked.discard(revision.version)
        self.drop_checkpoints(self.checkpoint_drops(revision.version))
        self.commit([history.write(self.database, revision)])

    def checkpoint_drops(self, version: str) -> list[Action]:
        """Return the actions that remove all checkpoints of `version`."""
        found = self.checkpoints(version)
        return [history.drop_checkpoint(self.database, version, segment) for segment in found]

    def drop_checkpoints(self, drops: Sequence[Action]) -> None:
        for first in range(0, len(drops), SOME):
            self.commit(drops[first : first + SOME])

    def checkpoints(self, version: str) -> dict[int, str]:
        """Return by segment how far the transformation `version` is."""
        return history.checkpoints(self.database, version)

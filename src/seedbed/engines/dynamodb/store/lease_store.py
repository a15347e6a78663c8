"""The lease of a DynamoDB target: one item of the history's table, looked at by every transaction that writes.

A sign of life raises `heartbeat`. Every write of the history carries the token as a condition, so that nothing which an
old holder sent, however late it arrives, is recorded.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from uuid import uuid4

from seedbed.engines.dynamodb.database import DynamoDatabase, not_deployed, translate_errors
from seedbed.engines.dynamodb.store import history
from seedbed.engines.dynamodb.store.history import Action
from seedbed.engines.dynamodb.wire.client import Client
from seedbed.engines.dynamodb.wire.errors import NOT_FOUND, ServiceError
from seedbed.engines.dynamodb.wire.values import from_item, to_item
from seedbed.engines.kit import stored
from seedbed.engines.kit.lease import HEARTBEATS, HeldLease, LeaseRecord, acquire
from seedbed.engines.kit.lease import holder as holder_of
from seedbed.engines.kit.lease import unlock as end_lease
from seedbed.errors import Busy, Refused
from seedbed.model.event import Listener
from seedbed.model.history import Owner

KEY = {"pk": "lease", "sk": "lease"}
_STORED = ("token", "heartbeat", "holder", "who", "since", "seconds")
_TAKE = (
    "SET #token = :next, heartbeat = :zero, holder = :holder, who = :who, since = :since, seconds = :seconds"
)


class DynamoLeaseStore:
    """The lease item, and what serialises our requests to it.

    `lock` is held by whoever sends a transaction: DynamoDB refuses two at once on one item, and all of ours look
    at the lease. `keeper`: a client that an interruption does not reach.
    """

    def __init__(self, database: DynamoDatabase, keeper: Client) -> None:
        self.database = database
        self.keeper = keeper
        self.lock = threading.Lock()
        self.target = database.target
        self.seconds = round(database.address.lease_seconds, 3)  # as it is stored

    def read(self, *, anyway: bool = False) -> LeaseRecord:
        """Return the record as it is this moment. Raises Refused where the table is missing, ServiceError."""
        client = self.keeper if anyway else self.database.client
        request = {"TableName": self.database.history, "Key": to_item(KEY), "ConsistentRead": True}
        try:
            item = from_item(client.call("GetItem", request).get("Item", {}))
        except ServiceError as error:
            if error.code == NOT_FOUND:
                raise not_deployed(self.database) from None
            raise
        seconds = item.get("seconds")
        known = {**item, "seconds": float(seconds) if isinstance(seconds, Decimal) else seconds}
        return stored.lease_record({name: known.get(name) for name in _STORED}, self.target)

    def take(self, seen: LeaseRecord, owner: Owner) -> bool:
        """Give the lease to `owner` if its item is as `seen` still; return whether that was done."""
        values: dict[str, Any] = {
            ":next": seen.token + 1,
            ":zero": 0,
            ":holder": owner.id,
            ":who": owner.who,
            ":since": history.now(),
            # DynamoDB's numbers are decimal; whole milliseconds are exact.
            ":seconds": Decimal(round(self.seconds * 1000)) / 1000,
        }
        condition = "attribute_not_exists(pk)"
        if seen.token:
            condition = "#token = :token AND attribute_not_exists(holder)"
            values |= {":token": seen.token}
        if seen.holder:
            condition = "#token = :token AND heartbeat = :heartbeat AND holder = :seen"
            values |= {":heartbeat": seen.heartbeat, ":seen": seen.holder}
        return self._update(_TAKE, condition, values)

    def renew(self, held: HeldLease) -> bool:
        # The lock is held for a whole transaction; one that hangs must not cost the lease.
        locked = self.lock.acquire(timeout=self.seconds / HEARTBEATS / 2)
        try:
            return self._change(held, "ADD heartbeat :one", {":one": 1})
        finally:
            if locked:
                self.lock.release()

    def release(self, held: HeldLease) -> None:
        with self.lock:
            self._change(held, "REMOVE holder, who, since", {})

    def end(self, seen: LeaseRecord, actor: str) -> bool:
        """Take the lease from the holder that was `seen`, and write that into the audit, both or neither."""
        update = {
            "TableName": self.database.history,
            "Key": to_item(KEY),
            "UpdateExpression": "SET #token = :next REMOVE holder, who, since",
            "ConditionExpression": _OURS,
            "ExpressionAttributeNames": {"#token": "token"},
            "ExpressionAttributeValues": to_item(
                {":next": seen.token + 1, ":token": seen.token, ":holder": seen.holder}
            ),
        }
        audit = history.audit(self.database, actor, "unlock", "", f"ended {seen.owner}")
        request = {"TransactItems": [{"Update": update}, audit], "ClientRequestToken": uuid4().hex}
        try:
            self.keeper.call("TransactWriteItems", request)
        except ServiceError as error:
            if not error.is_condition:
                raise
            return False
        return True

    # the fence

    def condition(self, held: HeldLease) -> Action:
        """Return the action of a transaction that lets it through only while the lease is ours."""
        check = {
            "TableName": self.database.history,
            "Key": to_item(KEY),
            "ConditionExpression": _OURS,
            "ExpressionAttributeNames": {"#token": "token"},
            "ExpressionAttributeValues": to_item(_shown(held)),
        }
        return {"ConditionCheck": check}

    def fence_off(self, held: HeldLease) -> None:
        """Take the next token: what was sent under the old one and has not arrived is refused. Needs the lock.

        Raises LeaseLost.
        """
        held.advance(lambda: self._change(held, "SET #token = :next", {":next": held.token + 1}))

    def _change(self, held: HeldLease, change: str, values: dict[str, Any]) -> bool:
        """Change the item if the lease is ours; return whether it is. Raises ServiceError."""
        return self._update(change, _OURS, {**_shown(held), **values})

    def _update(self, change: str, condition: str, values: dict[str, Any]) -> bool:
        """Change the item if `condition` holds; return whether it does. Raises ServiceError."""
        request = {
            "TableName": self.database.history,
            "Key": to_item(KEY),
            "UpdateExpression": change,
            "ConditionExpression": condition,
            "ExpressionAttributeNames": {"#token": "token"},
            "ExpressionAttributeValues": to_item(values),
        }
        try:
            self.keeper.call("UpdateItem", request)
        except ServiceError as error:
            if error.is_condition:
                return False
            raise
        return True


_OURS = "#token = :token AND holder = :holder"


def _shown(held: HeldLease) -> dict[str, Any]:
    return {":token": held.token, ":holder": held.owner.id}


@contextmanager
def lease(
    database: DynamoDatabase, owner: Owner, *, wait: float, listener: Listener
) -> Iterator[tuple[DynamoLeaseStore, HeldLease]]:
    """Take the lease and keep it for the time of the context. Raises Busy, Refused, Interrupted, Unreachable."""
    # A sign of life that does not get through soon is worth little: the next one is tried instead.
    patience = database.address.lease_seconds
    with Client(database.cloud, max_attempts=3, connect_timeout=patience, read_timeout=patience) as keeper:
        database.client.attach(keeper)
        store = DynamoLeaseStore(database, keeper)
        with translate_errors(database, f"taking the lease of {database.target}"):
            held = acquire(store, owner, wait=wait, listener=listener, sleep=database.client.sleep)
        with held.alive():
            yield store, held


def holder(database: DynamoDatabase) -> str:
    """Return who has the lease, empty if it is free or the table is missing."""
    with translate_errors(database, f"reading the lease of {database.target}"):
        try:
            return holder_of(DynamoLeaseStore(database, database.client))
        except (Refused, Busy):  # not deployed, or not yet
            return ""


def unlock(database: DynamoDatabase, *, actor: str) -> str:
    """End the lease of whoever holds it, with a line in the audit; return its owner, empty if there is none."""
    with translate_errors(database, f"ending the lease of {database.target}"):
        return end_lease(DynamoLeaseStore(database, database.client), actor=actor)

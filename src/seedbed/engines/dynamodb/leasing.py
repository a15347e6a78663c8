"""Who may write to a target: one item, held by a heartbeat, whose token only ever grows.

A holder raises `beat` every quarter of `seconds`. Whoever waits takes over when neither token nor beat has changed
for `seconds` on the waiter's own clock; no two clocks are ever compared. Every write of the history carries the
token as a condition, so that nothing which an old holder sent, however late it arrives, is recorded.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from random import Random
from typing import Any
from uuid import uuid4

from msgspec import Struct

from seedbed.engines.dynamodb import history
from seedbed.engines.dynamodb.history import Action
from seedbed.engines.dynamodb.place import Place, in_words, not_deployed
from seedbed.engines.dynamodb.wire.client import Client
from seedbed.engines.dynamodb.wire.errors import NOT_FOUND, ServiceError
from seedbed.engines.dynamodb.wire.values import from_item, to_item
from seedbed.errors import Busy, LeaseLost, SeedbedError
from seedbed.model.event import LeaseAwaited, Listener, TakenOver
from seedbed.model.history import Owner
from seedbed.support.backoff import backoff

KEY = {"pk": "lease", "sk": "lease"}
_TAKE = "SET #token = :next, beat = :zero, holder = :holder, who = :who, since = :since, seconds = :seconds"
_FIRST_POLL, _SLOWEST_POLL = 0.05, 0.5  # seconds
_BEATS = 4  # in the time after which a lease is taken over
# A machine that slept counts as gone for as long as it did; the clock that sees its sleep has no name everywhere.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> float:
    """Return seconds of a clock that never goes back, and goes on while the machine sleeps."""
    return time.clock_gettime(_CLOCK)


class Claim(Struct, frozen=True):
    """The lease as stored: `token` 0 where nobody ever had it, `holder` empty where nobody has it now."""

    token: int = 0
    beat: int = 0
    holder: str = ""
    who: str = ""
    since: str = ""
    seconds: float = 0.0

    @property
    def owner(self) -> Owner:
        return Owner(self.holder, self.who, self.since)


def look(place: Place, client: Client | None = None) -> Claim:
    """Return who holds the lease, asking by `client` or the target's own. Raises Refused where the table is missing."""
    request = {"TableName": place.history, "Key": to_item(KEY), "ConsistentRead": True}
    try:
        item = from_item((client or place.client).call("GetItem", request).get("Item", {}))
    except ServiceError as error:
        if error.code == NOT_FOUND:
            raise not_deployed(place) from None
        raise
    found = {name: item[name] for name in Claim.__struct_fields__ if name in item}
    return Claim(**{**found, "seconds": float(found.get("seconds", 0))})


class Grip:
    """The lease in our hands, for as long as `prove` does not raise. Thread-safe.

    `lock` is held by whoever sends a transaction: DynamoDB refuses two at once on one item, and all of ours look
    at the lease. `keeper`: a client that an interruption does not reach.
    """

    def __init__(self, place: Place, keeper: Client, owner: Owner, token: int, asked: float) -> None:
        self.place = place
        self.keeper = keeper
        self.owner = owner
        self.token = token
        self.seconds = place.address.lease_seconds
        self.lock = threading.Lock()
        self._proven = asked
        self._lost = ""
        self._is_fencing = False
        self._over = threading.Event()
        self._heart = threading.Thread(target=self._keep, name=f"lease of {place.target}", daemon=True)

    def start(self) -> None:
        self._heart.start()

    def stop(self) -> None:
        """End the heartbeat; the lease stays where it is."""
        self._over.set()

    def prove(self) -> None:
        """Raise LeaseLost unless nobody else can have the lease by now."""
        if self._lost:
            raise self.lost(self._lost)
        silent = now() - self._proven
        if silent > self.seconds:
            raise self.lost(
                f"it could not be renewed for {silent:.1f} s, and is anybody's after {self.seconds:g} s"
            )

    def lost(self, because: str) -> LeaseLost:
        """Return the error; from now on every proof fails."""
        self._lost = self._lost or because
        return LeaseLost(
            f"the lease of {self.place.target} is gone",
            because=self._lost,
            try_="`seedbed status` shows what is recorded; apply goes on from there",
        )

    def condition(self) -> Action:
        """Return the action of a transaction that lets it through only while the lease is ours."""
        return {"ConditionCheck": {"TableName": self.place.history, "Key": to_item(KEY), **self._ours()}}

    def fence(self) -> None:
        """Take the next token: what was sent under the old one and has not arrived is refused. Needs the lock.

        Raises LeaseLost.
        """
        self._is_fencing = True
        try:
            if not self._is_next():
                raise self.lost("it was ended from outside, or another run has it")
            self._lost = ""
            self.token += 1
        finally:
            self._is_fencing = False

    def _is_next(self) -> bool:
        """Store the next token; return whether it is stored and the lease still ours."""
        try:
            self._update("SET #token = :next", {":next": self.token + 1})
        except LeaseLost:
            # An answer that got lost makes the client ask again, and then the token is the next one already.
            found = look(self.place, self.keeper)
            return (found.token, found.holder) == (self.token + 1, self.owner.id)
        return True

    def release(self) -> None:
        """Give the lease back; its token stays, so that nothing of ours is let through any more."""
        self.stop()
        self._heart.join(self.seconds)
        with self.lock, suppress(SeedbedError):
            self._update("REMOVE holder, who, since", {})

    def _keep(self) -> None:
        while not self._over.wait(self.seconds / _BEATS) and not self._lost:
            # The lock is held for a whole transaction; one that hangs must not cost the lease.
            locked = self.lock.acquire(timeout=self.seconds / _BEATS / 2)
            try:
                self._beat()
            finally:
                if locked:
                    self.lock.release()

    def _beat(self) -> None:
        asked, token = now(), self.token
        try:
            self._update("ADD beat :one", {":one": 1})
        except LeaseLost:
            if self._is_fencing or token != self.token:  # it was ourselves who changed the token meanwhile
                self._lost = ""
        except SeedbedError:
            pass  # it shows in the clock: after `seconds` without a beat nothing is written any more
        else:
            self._proven = asked

    def _update(self, change: str, values: dict[str, Any]) -> None:
        """Change the lease item if it is ours. Raises LeaseLost if it is not, ServiceError."""
        where = {"TableName": self.place.history, "Key": to_item(KEY)}
        try:
            self.keeper.call("UpdateItem", {**where, "UpdateExpression": change, **self._ours(values)})
        except ServiceError as error:
            if error.is_condition:
                raise self.lost("it was ended from outside, or another run has it") from None
            raise

    def _ours(self, values: dict[str, Any] | None = None) -> dict[str, Any]:
        return {
            "ConditionExpression": "#token = :token AND holder = :holder",
            "ExpressionAttributeNames": {"#token": "token"},
            "ExpressionAttributeValues": to_item(
                {":token": self.token, ":holder": self.owner.id, **(values or {})}
            ),
        }


@contextmanager
def lease(place: Place, owner: Owner, *, wait: float, listener: Listener) -> Iterator[Grip]:
    """Take the lease and keep it for the time of the context. Raises Busy, Refused, Interrupted, Unreachable."""
    # A beat that does not get through soon is worth little: the next one is tried instead.
    patience = place.address.lease_seconds
    with Client(place.cloud, max_attempts=3, connect_timeout=patience, read_timeout=patience) as keeper:
        with in_words(place, f"taking the lease of {place.target}"):
            grip = _acquire(place, keeper, owner, wait, listener)
        grip.start()
        try:
            yield grip
        finally:
            grip.release()


def _acquire(place: Place, keeper: Client, owner: Owner, wait: float, listener: Listener) -> Grip:
    began, told, attempt, rng = now(), 0.0, 0, Random()
    seen, since = Claim(), began  # the lease as it was last, and since when it has not changed
    while True:
        claim = look(place)
        asked = now()
        if (claim.token, claim.beat, claim.holder) != (seen.token, seen.beat, seen.holder):
            seen, since = claim, asked
        has_expired = asked - since > max(claim.seconds, 0.1)
        if not claim.holder or has_expired:
            if _take(place, keeper, owner, claim):
                if claim.holder:
                    words = (
                        f"took the lease over from {claim.owner}, who was silent for {asked - since:.0f} s"
                    )
                    listener(TakenOver(place.target, words))
                return Grip(place, keeper, owner, claim.token + 1, asked)
            continue
        waited = asked - began
        if waited >= wait:
            raise _busy(place, claim, waited)
        if told == 0.0 or waited - told >= 1.0:
            listener(LeaseAwaited(place.target, str(claim.owner), waited))
            told = waited or 1e-9
        attempt += 1
        pause = _FIRST_POLL / 2 + backoff(min(attempt, 6), base=_FIRST_POLL, cap=_SLOWEST_POLL, rng=rng)
        place.client.sleep(min(pause, max(0.0, wait - waited)))


def _take(place: Place, keeper: Client, owner: Owner, claim: Claim) -> bool:
    """Make the lease ours if it still is as in `claim`; return whether it is ours now."""
    values: dict[str, Any] = {
        ":next": claim.token + 1,
        ":zero": 0,
        ":holder": owner.id,
        ":who": owner.who,
        ":since": history.now(),
        # DynamoDB's numbers are decimal; whole milliseconds are exact.
        ":seconds": Decimal(round(place.address.lease_seconds * 1000)) / 1000,
    }
    condition = "attribute_not_exists(pk)"
    if claim.token:
        condition = "#token = :token AND attribute_not_exists(holder)"
        values |= {":token": claim.token}
    if claim.holder:
        condition = "#token = :token AND beat = :beat AND holder = :seen"
        values |= {":beat": claim.beat, ":seen": claim.holder}
    request = {
        "TableName": place.history,
        "Key": to_item(KEY),
        "UpdateExpression": _TAKE,
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {"#token": "token"},
        "ExpressionAttributeValues": to_item(values),
    }
    try:
        keeper.call("UpdateItem", request)
    except ServiceError as error:
        if not error.is_condition:
            raise
        # An answer that got lost makes the client ask again, and then it was us who came first.
        after = look(place, keeper)
        return (after.holder, after.token) == (owner.id, claim.token + 1)
    return True


def _busy(place: Place, claim: Claim, waited: float) -> Busy:
    return Busy(
        f"another run holds the lease of {place.target}",
        because=f"{claim.owner} did not finish within {waited:.0f} s",
        try_="wait longer with --wait, or look what it does; `seedbed repair --unlock` ends it",
    )


def unlock(place: Place, *, actor: str) -> str:
    """End the lease of whoever holds it, with a line in the audit; return who that was, empty if nobody."""
    with in_words(place, f"ending the lease of {place.target}"):
        claim = look(place)
        while claim.holder and not _end(place, claim, actor):
            claim = look(place)
    return str(claim.owner) if claim.holder else ""


def _end(place: Place, claim: Claim, actor: str) -> bool:
    """Take the lease away from the holder in `claim`; return whether it was still that one's."""
    update = {
        "TableName": place.history,
        "Key": to_item(KEY),
        "UpdateExpression": "SET #token = :next REMOVE holder, who, since",
        "ConditionExpression": "#token = :token AND holder = :holder",
        "ExpressionAttributeNames": {"#token": "token"},
        "ExpressionAttributeValues": to_item(
            {":next": claim.token + 1, ":token": claim.token, ":holder": claim.holder}
        ),
    }
    audit = history.audit(place, actor, "unlock", "", f"ended {claim.owner}")
    request = {"TransactItems": [{"Update": update}, audit], "ClientRequestToken": uuid4().hex}
    try:
        place.client.call("TransactWriteItems", request)
    except ServiceError as error:
        if not error.is_condition:
            raise
        return False
    return True

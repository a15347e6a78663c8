"""Whose turn it is with an environment in a base: of those who bring it up, or of those who take it away.

Several may do the same at once: they do each other's work. Of the two kinds only one is at work, else stacks, databases
and logins would be made behind the back of whoever deletes them. One item of the table has all who are at work; each
change of it names the revision that it was read with, so that none is lost. Who was not heard of for a while is not
counted: killed, or its machine asleep. When it comes back, it finds itself gone if the other kind began meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from seedbed.aws.items import Table
from seedbed.errors import Busy
from seedbed.remote.control import environment_item
from seedbed.support.typed import ready

Kind = Literal["up", "down"]

BEAT = 3.0  # seconds between two heartbeats
SILENT = 15.0  # seconds without one, after which its holder is not counted any more
_PART = "turn"
_KEPT = 86_400  # seconds until the item goes by itself
_Told = TypeVar("_Told")
_TRIES = 20  # times that another one may write between our look and our write


class Holder(Struct, frozen=True):
    """Who is at work: an ARN, by which command, since when; `beat`: last heard of, by AWS's clock in seconds."""

    kind: Kind
    by: str
    command: str
    since: float
    beat: float


class Turns:
    """The turns of one environment, as one process takes part in them. Raises what `Table` raises."""

    def __init__(self, table: Table, environment: str, kind: Kind, *, by: str, command: str) -> None:
        self._table = table
        self._here = environment_item(environment)
        self._kind: Kind = kind
        self._by, self._command = by, command
        self._token = os.urandom(8).hex()

    def now(self) -> float:
        return self._table.now()

    def take(self) -> Holder | None:
        """Begin our turn, and return None; where it is the others', return the one of them who was heard of last."""

        def change(holders: dict[str, Holder], now: float) -> Holder | None:
            # One that is to come was written by hand, or by who knew no better: it would be waited for for ever.
            alive = [each for each in holders.values() if abs(now - each.beat) < SILENT]
            if others := [each for each in alive if each.kind != self._kind]:
                return max(others, key=lambda each: each.beat)
            for token in [token for token, each in holders.items() if each.kind != self._kind]:
                del holders[token]
            holders[self._token] = Holder(self._kind, self._by, self._command, now, now)
            return None

        return self._changed(change)

    def beat(self) -> bool:
        """Say that we are still at work; False where we were not heard of, and the others have begun."""

        def change(holders: dict[str, Holder], now: float) -> bool:
            mine = holders.get(self._token)
            if mine is not None:
                holders[self._token] = msgspec.structs.replace(mine, beat=now)
            return mine is not None

        return self._changed(change)

    def end(self) -> None:
        """End our turn."""
        self._changed(lambda holders, _now: holders.pop(self._token, None))

    def _changed(self, change: Callable[[dict[str, Holder], float], _Told]) -> _Told:
        """Write what `change` makes of the holders, and return what it returns."""
        for _ in range(_TRIES):
            found = self._table.get(self._here, _PART)
            revision, before = (int(found["revision"]), _holders(found)) if found else (0, {})
            holders = dict(before)
            told = change(holders, self.now())
            if holders == before or self._written(revision, holders):
                return told
        raise Busy(
            "who is at work in the environment changes all the time",
            because=f"{_TRIES} times another one wrote it down between our look and our write",
            try_="the same command again",
        )

    def _written(self, revision: int, holders: Mapping[str, Holder]) -> bool:
        """Write `holders` over those of `revision`, 0: over none; return False where that is not what is there."""
        seen: dict[str, Any] = {"seen": revision} if revision else {}
        when = "#revision = :seen" if revision else "attribute_not_exists(#id)"
        if not holders:
            return self._table.delete(self._here, _PART, when=when, **seen) if revision else True
        item = {
            "id": self._here,
            "part": _PART,
            # One that was deleted in between is not taken for the one that was seen.
            "revision": revision + 1 if revision else int.from_bytes(os.urandom(4), "big") + 1,
            "holders": {token: msgspec.structs.asdict(each) for token, each in holders.items()},
            "expires": int(self.now()) + _KEPT,
        }
        return self._table.put(item, when=when, **seen)


def _holders(item: Mapping[str, Any]) -> dict[str, Holder]:
    """Return who is at work; nobody, where another version of seedbed wrote that."""
    try:
        return msgspec.convert(item["holders"], ready(dict[str, Holder]))
    except (KeyError, msgspec.ValidationError):
        return {}

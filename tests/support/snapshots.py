"""Snapshots of no database: what `project.snapshots` does is told from how an engine answers, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from msgspec.structs import replace

from seedbed.aws.cloud import Cloud
from seedbed.engines.base import Session
from seedbed.engines.snapshots import SwapState
from seedbed.errors import Unavailable
from seedbed.model.history import Owner
from seedbed.model.snapshot import Copy, Snapshot, snapshot_id
from seedbed.model.target import Target


class KeptSnapshots:
    """What keeps snapshots of a database: each thing is done when it was asked for `takes` times more.

    `asked`: what was asked, in order. `silent`: the next answers that are lost, though what they are about was done.
    """

    def __init__(self, database: str, *, takes: int = 2) -> None:
        self.database, self.takes = database, takes
        self.there: dict[str, Snapshot] = {}
        self.made: dict[str, Copy] = {}
        self.asked: list[str] = []
        self.silent = 0
        self.live: object = None  # the address of the database
        self.lost: Sequence[str] = ("its readers",)
        self._left: dict[str, int] = {}
        self._clock = 1000.0

    def reached(self, target: Target, cloud: Cloud, home: object) -> AbstractContextManager[KeptSnapshots]:
        """Be an engine's `snapshots`; a copy is as the database itself is."""
        self.live = target.address
        return nullcontext(self)

    def _is_done(self, what: str) -> bool:
        self.asked.append(what)
        self._left[what] = self._left.get(what, self.takes + 1) - 1
        return self._left[what] <= 0

    def _answer(self) -> None:
        if self.silent:
            self.silent -= 1
            raise Unavailable("the answer was lost")

    def listed(self) -> Sequence[Snapshot]:
        return sorted(self.there.values(), key=lambda each: (each.release, each.number), reverse=True)

    def take(self, release: int, number: int) -> Snapshot:
        name = snapshot_id("shop", "dev", "shop", release, number)
        if name not in self.there:
            self._clock += 1
            self.there[name] = Snapshot(
                id=name,
                database=self.database,
                release=release,
                number=number,
                state="making",
                taken=self._clock,
            )
        if self.there[name].state == "making" and self._is_done(f"take {name}"):
            self.there[name] = replace(self.there[name], state="available")
        self._answer()
        return self.there[name]

    def delete(self, snapshot: Snapshot) -> None:
        self.there.pop(snapshot.id, None)

    def restore(self, snapshot: Snapshot, name: str) -> Copy:
        if name not in self.made:
            self.made[name] = Copy(
                database=self.database, name=name, state="making", place=f"copy {name}", doing="it is made"
            )
        if self.made[name].state == "making" and self._is_done(f"restore {name}"):
            self.made[name] = replace(self.made[name], state="available", doing="")
        self._answer()
        return self.made[name]

    def copies(self) -> Sequence[Copy]:
        return list(self.made.values())

    def drop(self, name: str) -> bool:
        if name in self.made and self._is_done(f"drop {name}"):
            del self.made[name]
        return name not in self.made

    def address(self, copy: Copy) -> object:
        return self.live

    def counts(self, session: Session) -> Mapping[str, int]:
        return {"carts": 3}


class SwappedSnapshots(KeptSnapshots):
    """Snapshots whose copies can take the database's place, in one step."""

    kept = "the database, beside it"

    def __init__(self, database: str, *, takes: int = 2) -> None:
        super().__init__(database, takes=takes)
        self.is_swapped = False

    def swapping(self, name: str) -> SwappedSnapshots:
        return self

    def state(self) -> SwapState:
        return "swapped" if self.is_swapped else "beside"

    def connected(self) -> Sequence[str]:
        return ()

    def close(self, *, back: bool, disconnect: bool) -> bool:
        return False

    def open(self) -> None: ...

    def swap(self, owner: Owner) -> str:
        self.is_swapped = True
        return ""

    def back(self, owner: Owner) -> str:
        self.is_swapped = False
        return ""

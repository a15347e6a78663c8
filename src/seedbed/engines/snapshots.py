"""What an engine can do of which snapshots are taken and restored. Optional, like `capabilities`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from seedbed.aws.cloud import Cloud
from seedbed.engines.base import Session
from seedbed.errors import Refused
from seedbed.model.history import Owner
from seedbed.model.snapshot import Copy, Snapshot
from seedbed.model.target import Target


class TakenElsewhere(Refused):
    """Snapshots of this very database are not seedbed's to take: its operator does that."""


class Snapshots(Protocol):
    """The snapshots of one database, and the copies that were restored from them.

    Nothing waits: what asks for something is called again until it is done, and goes on from what it finds. So whoever
    is killed in between, or does not hear an answer, has lost nothing. All raise Unavailable, Refused, StepFailed.
    """

    @property
    def lost(self) -> Sequence[str]:
        """What a copy does not have that the database has: "TTL of lessons"."""
        ...

    def listed(self) -> Sequence[Snapshot]:
        """Return what is there, of all releases, the newest first."""
        ...

    def take(self, release: int, number: int) -> Snapshot:
        """Ask for what is lacking of a snapshot, and return it as it is now."""
        ...

    def delete(self, snapshot: Snapshot) -> None:
        """Delete it; nothing happens where it is gone."""
        ...

    def restore(self, snapshot: Snapshot, name: str) -> Copy:
        """Ask for what is lacking of a copy beside the database, and return it as it is now.

        Raises Refused where something else has its place.
        """
        ...

    def copies(self) -> Sequence[Copy]:
        """Return the copies that are there, also half made, by name."""
        ...

    def drop(self, name: str) -> bool:
        """Ask that a copy goes, and return whether nothing is left of it."""
        ...

    def address(self, copy: Copy) -> object:
        """Return the address of a copy, with the credentials of the database."""
        ...

    def counts(self, session: Session) -> Mapping[str, int]:
        """Return how many rows each table has, or what the engine calls that, in a session on database or copy."""
        ...


SwapState = Literal["beside", "between", "swapped"]


class Swaps(Protocol):
    """A copy and its database, which can take each other's place. Nothing waits, as with `Snapshots`.

    Where each of them is, is found by looking: a swap that was killed goes on, or back, from wherever it stands.
    """

    @property
    def lost(self) -> Sequence[str]:
        """What is lost besides the writes since the snapshot, each in one line: what else has to go back as well."""
        ...

    @property
    def kept(self) -> str:
        """Where the database is while the copy has its place, in the engine's words."""
        ...

    def state(self) -> SwapState:
        """Return where they are: the copy beside the database, in its place, or on the way."""
        ...

    def connected(self) -> Sequence[str]:
        """Return who else is connected to what has the database's place, each in one line.

        Nothing where nobody has to stay away.
        """
        ...

    def close(self, *, back: bool, disconnect: bool) -> bool:
        """Let nobody write any more to what is to lose the database's place, and return whether that was open.

        Nothing happens where something else has the place. `back`: the copy is what loses it; `disconnect`: cut off
        those who are connected. Raises Busy, with the place as it was, where somebody is connected and stays.
        """
        ...

    def open(self) -> None:
        """Let in again whoever `close` kept out of the database, or of the copy; nothing happens where it did not."""
        ...

    def swap(self, owner: Owner) -> str:
        """Ask for what is lacking until the copy has the place, and return what is waited for; "" once it has.

        Raises Busy where somebody else leads the other way meanwhile, so that of two only one goes on; so does `back`.
        """
        ...

    def back(self, owner: Owner) -> str:
        """Ask for what is lacking until the database has its place again, and the copy is beside it."""
        ...


@runtime_checkable
class SupportsSwap(Protocol):
    """Snapshots whose copies can take the place of the database."""

    def swapping(self, name: str) -> Swaps:
        """Return what exchanges the copy `name` and its database. Raises Refused where that cannot be done."""
        ...


@runtime_checkable
class SupportsSnapshots(Protocol):
    """An engine whose databases can be restored beside themselves, as they were before a release."""

    def snapshots(self, target: Target, cloud: Cloud, home: Path | None) -> AbstractContextManager[Snapshots]:
        """Reach what keeps the snapshots of `target`. Raises TakenElsewhere, Unreachable.

        `cloud`: the account and region of the environment, with the caller's credentials. `home`: a directory that
        stays, for snapshots that are files; None in a task.
        """
        ...

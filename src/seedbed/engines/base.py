"""What an engine is. Whoever writes one reads this page, and `seedbed.testing.EngineContract` checks it.

An engine is stateless. It turns settings into an address, files into migrations, and opens sessions. A session
reads; a lease, taken from a session, is the only thing that writes. What only some engines can do is in
`capabilities`, and in `infrastructure` for those whose schema CloudFormation changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from seedbed.model.event import Event, Listener
from seedbed.model.history import History, Identity, Owner, Revision
from seedbed.model.migration import Migration, MigrationFile, Work
from seedbed.model.secret import Secret
from seedbed.model.seed import Dataset, Loaded, OnLoading, ignore_loading
from seedbed.model.target import Target

Progress = Event  # what an engine tells while it works; `target` is the target's id


class Variable(Struct, frozen=True):
    """An environment variable that carries a setting: `DB_HOST` -> `host`.

    Where one process serves several services, each has its own, prefixed: `USER_DB_HOST`.
    `required`: missing ones are named before anything is tried; `unless` names settings that stand in for it.
    `shared`: the bare one serves all databases, as the variables of a cloud do.
    """

    name: str
    setting: str
    required: bool = False
    secret: bool = False
    shared: bool = False
    unless: tuple[str, ...] = ()
    help: str = ""


class Address(Protocol):
    """Where a target is and with what credentials; `str()` shows no secret."""

    def __str__(self) -> str: ...

    @property
    def secrets(self) -> Sequence[Secret]: ...


class Lease(Protocol):
    """The exclusive right to change a target; every write goes through it.

    A method that finds the lease gone raises `LeaseLost` and has recorded nothing after that.
    """

    @property
    def is_touched(self) -> bool:
        """Whether anything that this lease sent stays in the target, or may; seedbed's own records do not count.

        A write counts before it is sent, until the server said that nothing of it stays (`kit.touched`). When a method
        raises, exit codes and "nothing was changed" rest on this.
        """
        ...

    def bind(self, identity: Identity) -> None:
        """Write the identity into a history that has none; creates the history where it is missing."""
        ...

    def rebind(self, identity: Identity, *, actor: str, because: str) -> None:
        """Write `identity` in place of the one that is stored, or that is gone, with a line in the audit.

        The revisions stay as they are, and what is recorded from now on is recorded beside them.
        """
        ...

    def history(self) -> History:
        """Return the history as it is now, under the lease."""
        ...

    def apply(self, works: Sequence[Work]) -> Iterator[Progress]:
        """Carry out `works` in order, telling what happens; stops at the first that fails.

        A step that is atomic commits together with its record; any other is recorded as started, run, and
        recorded as finished. A work whose revision is unfinished goes on where it stands: a step that was
        begun is probed where the engine can prove its effect, run again where it is repeatable, and raises
        `OutcomeUnknown` otherwise. Works may be sent together as long as each commits or fails alone.
        Raises StepFailed, OutcomeUnknown, LeaseLost, Interrupted.
        """
        ...

    def record(self, revision: Revision, *, actor: str, because: str) -> None:
        """Write `revision` as it is into the history (baseline, repair), with a line in the audit."""
        ...

    def forget(self, version: str, *, actor: str, because: str) -> None:
        """Remove a version from the history (repair), with a line in the audit."""
        ...

    def load(self, dataset: Dataset, on_loading: OnLoading = ignore_loading) -> Iterator[Loaded]:
        """Load all parts of `dataset` so that either all of it stays or nothing does, where the engine can.

        Rows that are there already, equal, are left alone and counted as unchanged. Sources are read in batches, and
        as often as need be. A part is told once it stays; until then `on_loading` is told how far it is, by one
        thread at a time. Raises StepFailed, SeedFileError.
        """
        ...


class Session(Protocol):
    """An open connection that reads."""

    @property
    def server(self) -> str:
        """What answered, for people: `PostgreSQL 18.6`."""
        ...

    def history(self) -> History:
        """Return identity and revisions; an empty history where there is none. One round trip at best.

        What stands is returned even where something beside it is missing: revisions without an identity are no empty
        history. Raises Refused when the stored format is newer than this seedbed.
        """
        ...

    def lease(self, owner: Owner, *, wait: float, listener: Listener) -> AbstractContextManager[Lease]:
        """Take the lease, waiting up to `wait` seconds for another owner; then end what a vanished owner left.

        Tells LeaseAwaited while waiting, TakenOver for work it ended. Raises Busy, LeaseNotExclusive.
        """
        ...

    def interrupt(self) -> None:
        """Ask what is running to stop at once and safely; callable from any thread, any number of times."""
        ...


class Engine(Protocol):
    """One kind of database."""

    name: str
    options: type[Any]  # a msgspec.Struct: its section of the manifest
    variables: Sequence[Variable]
    suffixes: Sequence[str]  # of the migration files it understands: (".sql", ".py")
    template: (
        str  # of a new file with the first suffix, a comment first; {summary} and {directives} are filled in
    )

    def address(self, settings: Mapping[str, str | Secret], options: Any) -> Address:
        """Return the address that `settings` describe; pure. Raises UsageError naming what is missing or wrong."""
        ...

    def embedded(self, home: Path) -> AbstractContextManager[Embedded]:
        """Run a real server for the sandbox under `home`. Raises SandboxError."""
        ...

    def parse(self, file: MigrationFile) -> Migration:
        """Return the migration that `file` holds; pure, and nothing in it is run. Raises MigrationFileError."""
        ...

    def connect(self, target: Target) -> AbstractContextManager[Session]:
        """Open a session on `target`. Raises Unreachable, Refused."""
        ...


class Embedded(Protocol):
    """A running server of the sandbox."""

    def settings(self, database: str) -> Mapping[str, str]:
        """Return the settings of a database of its own for the database id `database`, made if it is missing."""
        ...

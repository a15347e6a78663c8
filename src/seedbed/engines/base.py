"""What an engine is. Whoever writes one reads this page, and `seedbed.testing.EngineContract` checks it.

An engine is stateless. It turns facts into an address, files into migrations, and opens sessions. A session
reads; a lease, taken from a session, is the only thing that writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct

from seedbed.aws.cloud import Cloud
from seedbed.model.deployment import Change, Estimate, Template, Wave
from seedbed.model.event import Event, Listener
from seedbed.model.hazard import Hazard
from seedbed.model.history import History, Identity, Owner, Revision
from seedbed.model.migration import Migration, MigrationFile, Phase, Work
from seedbed.model.secret import Secret
from seedbed.model.seed import Dataset, Loaded
from seedbed.model.target import Target

Progress = Event  # what an engine tells while it works; `target` is the target's id


class Variable(Struct, frozen=True):
    """An environment variable that carries a fact: `DB_HOST` -> `host`.

    Where one process serves several services, each has its own, prefixed: `USER_DB_HOST`.
    `required`: missing ones are named before anything is tried; `unless` names facts that stand in for it.
    `shared`: the bare one serves all databases, as the variables of a cloud do.
    """

    name: str
    fact: str
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

    def stamp(self, identity: Identity) -> None:
        """Write the identity into a history that has none; creates the history where it is missing."""
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

    def load(self, dataset: Dataset) -> Iterator[Loaded]:
        """Load all parts of `dataset` so that either all of it stays or nothing does, where the engine can.

        Rows that are there already, equal, are left alone and counted as unchanged. Raises StepFailed.
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

        Raises Refused when the stored format is newer than this seedbed.
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
    template: str  # of a new migration file, a comment first; `{summary}` and `{facts}` are filled in

    def address(self, facts: Mapping[str, str | Secret], options: Any) -> Address:
        """Return the address that `facts` describe; pure. Raises UsageError naming what is missing or wrong."""
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

    def facts(self, database: str) -> Mapping[str, str]:
        """Return the facts of a database of its own for the database id `database`, made if it is missing."""
        ...


@runtime_checkable
class Resettable(Protocol):
    """A lease that can empty its target; the core asks `is_ephemeral` before it ever calls this."""

    def reset(self) -> str:
        """Remove everything, history included, and return in words what went."""
        ...


@runtime_checkable
class Inspectable(Protocol):
    """A session that can describe its schema."""

    def schema(self) -> Sequence[str]:
        """Return the canonical schema: one line per fact, sorted, columns by name; history left out."""
        ...


@runtime_checkable
class Releasable(Protocol):
    """A session that can end another run by force (`repair --unlock`)."""

    def unlock(self, *, actor: str) -> str:
        """End whoever holds the lease, audited, and return in words who that was; empty if nobody."""
        ...


@runtime_checkable
class Diagnosable(Protocol):
    """An engine that has something to say to `doctor`."""

    def diagnose(self, home: Path) -> Sequence[tuple[str, str]]:
        """Return (what, finding) pairs about this machine: binaries, versions, where the sandbox lives."""
        ...


@runtime_checkable
class Documented(Protocol):
    """An engine that reads files of its own besides migrations and seeds."""

    def schemas(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the JSON Schema of each of them by its name: "tables.toml"."""
        ...


@runtime_checkable
class Deployable(Protocol):
    """An engine whose schema is infrastructure: changed by updates of a stack, never by a migration."""

    def waves(self, deployed: Template | None, wanted: Template, *, gate: Phase) -> Sequence[Wave]:
        """Return the updates that lead from the `deployed` template (None: no stack yet) to the `wanted` one; pure.

        Additions go through at `expand`, removals only at `contract`: at a lower gate what would be removed stays
        in every template. No wave asks for more than one update of a stack may do. Raises Refused for what no
        update can ever do, naming all of it and the way round.
        """
        ...

    def cloud(self, address: Any) -> Cloud:
        """Return the account, region and credentials that an address of this engine lies in."""
        ...


@runtime_checkable
class Deployed(Protocol):
    """A session on a database whose schema is infrastructure."""

    def changes(self, gate: Phase) -> Sequence[Change]:
        """Return how what is declared differs from what is live, as a deployment through `gate` would change it."""
        ...

    def unmet(self, migrations: Sequence[Migration]) -> Mapping[str, str]:
        """Return, by version, what a migration needs and is not live: "index courses.by_teacher is being built"."""
        ...

    def settle(self, things: Sequence[str], *, timeout: float) -> Iterator[Progress]:
        """Wait until `things` (a wave's `waits_for`) are ready, telling how far they are. Raises Unavailable."""
        ...


@runtime_checkable
class Adoptable(Protocol):
    """A session that can tell which resources of a template live already, whoever made them."""

    def existing(self, template: Template) -> Mapping[str, Mapping[str, Any]]:
        """Return, by logical id, each resource of `template` that lives, as it is: so it would be imported."""
        ...


@runtime_checkable
class Estimating(Protocol):
    """A session that can say what migrations will cost, by looking at the target."""

    def estimate(self, migrations: Sequence[Migration], *, sample: int) -> Sequence[Estimate]:
        """Return one estimate for each migration that walks over data; others have none.

        `sample`: how many items each is tried on, in memory, nothing being written; 0 looks at sizes only.
        """
        ...


@runtime_checkable
class Examining(Protocol):
    """A session that can look at what migrations would do to this very target."""

    def examine(self, migrations: Sequence[Migration]) -> Mapping[str, Sequence[Hazard]]:
        """Return, by version, the hazards that only the target shows; nothing is changed.

        Those that the file alone shows are in `Migration.hazards` already. What cannot be looked at yet, because an
        earlier migration makes it, has none.
        """
        ...


@runtime_checkable
class Dumpable(Protocol):
    """A session whose data can be written to a file, where there is little of it."""

    def dump(self, file: Path) -> Iterator[Progress]:
        """Write everything but the history to `file`, which must not exist. Raises Refused for more than it is for."""
        ...


@runtime_checkable
class Restorable(Protocol):
    """A lease that can fill its empty target from what `Dumpable` wrote."""

    def restore(self, file: Path) -> Iterator[Progress]:
        """Bring back what `file` holds. Raises Refused unless the target is empty."""
        ...

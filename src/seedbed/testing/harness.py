"""What an engine's own tests bring, so that the contract can be checked without knowing the engine."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol, runtime_checkable

from seedbed.engines.sharing import SharedServer
from seedbed.engines.snapshots import Snapshots
from seedbed.model.secret import Secret
from seedbed.model.sharing import Share
from seedbed.model.snapshot import Copy, Snapshot
from seedbed.model.target import Target


class Hold(Protocol):
    """A server in which a step that waits does not come to its end."""

    def wait_until_inside(self, timeout: float) -> bool:
        """Return whether a step waits in the middle of itself on the server, after `timeout` seconds at most."""
        ...


class Harness(Protocol):
    """One engine under test, seen from outside.

    A *thing* is whatever a migration of this engine can make under a name: a table, a constraint, an index, an
    item. Texts are whole migration files in the engine's language; the suite puts seedbed's directives above them as
    `<comment> seedbed: phase=…`, gives each a version, and parses it with the engine.

    A step that *waits* is inside the server for as long as a `hold` is open, and takes no time otherwise: a
    lock that the harness takes on another connection, an open transaction, a proxy that keeps the request.
    """

    entry_point: str  # "package.module:attribute" of the engine, as its entry point says
    suffix: str  # of the migration files below
    comment: str  # what begins a comment in them: "--"
    options: Mapping[str, Any]  # the engine's section of the manifest, as plain data
    leaves_work: bool  # whether a killed runner's step goes on until the next owner ends it

    def settings(self) -> Mapping[str, str]:
        """Return the settings of a fresh, empty database of its own; plain data, a runner process gets them too.

        The database of the call before may be gone then.
        """
        ...

    def nowhere(self) -> Mapping[str, str]:
        """Return the settings of a database where nobody answers."""
        ...

    # texts

    def creates(self, thing: str) -> str:
        """One atomic step that makes `thing`, and one that takes it away again. As a table, it has the columns
        `id` (whole number, its key), `name` (text) and `visits` (whole number, 0 unless given)."""
        ...

    def adds(self, table: str) -> str:
        """One atomic step that adds one more row to `table` every time it runs; without a down section."""
        ...

    def fails(self, thing: str) -> str:
        """One atomic step that makes `thing` and is then refused by the server."""
        ...

    def fails_down(self, thing: str) -> str:
        """One atomic step that makes `thing`, and one atomic step down that the server refuses."""
        ...

    def waits(self, thing: str) -> str:
        """One atomic step that makes `thing` and then waits."""
        ...

    def probeable(self, thing: str, on: str) -> str:
        """One step that is not atomic, waits and makes `thing` (on the table `on`, where it needs one), and one
        such step that takes it away again; whether either took effect can be proven."""
        ...

    def unprovable(self, thing: str) -> str:
        """One step that is not atomic, waits and makes `thing`; nobody can prove whether it took effect."""
        ...

    def repeatable(self, table: str) -> str:
        """One step that is not atomic, waits, leaves one row in `table` however often it runs, and says so."""
        ...

    def backfill(self, table: str, batch: int) -> str:
        """A backfill along `id` in batches of `batch` rows that adds 1 to `visits` of every row."""
        ...

    # looks and pokes, by connections that are not the engine's

    def made(self, settings: Mapping[str, str]) -> Collection[str]:
        """Return the names of all things that are there; seedbed's own left out."""
        ...

    def rows(self, settings: Mapping[str, str], table: str) -> Sequence[Mapping[str, Any]]:
        """Return the rows of `table` as {column: value}, in any order."""
        ...

    def audit(self, settings: Mapping[str, str]) -> Sequence[str]:
        """Return the lines of the audit as text, oldest first; none where there is none."""
        ...

    def hold(self, settings: Mapping[str, str]) -> AbstractContextManager[Hold]:
        """Make steps that wait go on waiting until the block ends."""
        ...

    def break_lease(self, settings: Mapping[str, str]) -> None:
        """Take the lease away from whoever holds it: end its session, make it expire, delete its record."""
        ...

    def age_lease(self, settings: Mapping[str, str]) -> None:
        """Make the lease one whose holder has been silent for as long as it may: whoever wants it has not to wait.

        Nothing where a lease ends with its holder's session.
        """
        ...

    def age_history(self, settings: Mapping[str, str]) -> None:
        """Raise the format number of the stored history by one, as a newer seedbed would have written it."""
        ...

    def lose_identity(self, settings: Mapping[str, str]) -> None:
        """Remove what says who the target is and nothing else, as people do to a copy that is to be another's.

        Nobody holds the lease meanwhile.
        """
        ...


@runtime_checkable
class ScriptHarness(Protocol):
    """What `ScriptContract` wants besides."""

    script_suffix: str

    def script(self, table: str) -> str:
        """A seed in the engine's own language that leaves the row with `id` 7 in `table`, run after run."""
        ...


@runtime_checkable
class TroubleHarness(Protocol):
    """What `TroubleContract` wants besides."""

    troubles: Collection[
        str
    ]  # what may happen between the engine and its server: "denied", "expired", "lost"

    def trouble(self, settings: Mapping[str, str], kind: str, after: int) -> AbstractContextManager[None]:
        """Let every further write meet `kind` for the time of the context, but the first `after`, as far as writes can
        be counted; the harness itself is not in trouble. What is "lost" may have been carried out."""
        ...


@runtime_checkable
class ReaderHarness(Protocol):
    """What `VerifiedContract` wants besides, where a server knows logins that may read and not write."""

    def reader(self, settings: Mapping[str, str]) -> AbstractContextManager[Mapping[str, str]]:
        """Return the settings by which such a login reaches the database of `settings`; it ends with the context."""
        ...


@runtime_checkable
class LoginsHarness(Harness, Protocol):
    """What `LoginsContract` wants besides. The `settings` are those of an empty database whose administrator is there;
    the login of seedbed and that of the application are not.
    """

    def with_other_secrets(self, settings: Mapping[str, str]) -> Mapping[str, str]:
        """Return `settings` in which both logins have other secrets."""
        ...

    def without_administrator(self, settings: Mapping[str, str]) -> Mapping[str, str]:
        """Return `settings` whose administrator is not let in."""
        ...

    def application_uses(self, settings: Mapping[str, str], table: str) -> bool:
        """Return whether the application's login is let in, and reads and writes the rows of `table`."""
        ...

    def application_changes(self, settings: Mapping[str, str], table: str) -> bool:
        """Return whether it can do anything else: change or remove `table`, make things, look into the history."""
        ...


class SharingHarness(Protocol):
    """What `SharingContract` wants: one server that environments share, reached as its administrator."""

    engine: Any  # with `SupportsSharing`
    platform: str
    database: str  # the id of the one that each environment has there: SERVICE/ENGINE

    def reached(self) -> AbstractContextManager[SharedServer]:
        """Reach the server, in a session of its own."""
        ...

    def logins(self, share: Share) -> Mapping[str, Secret]:
        """Return the passwords that the logins of `share` are made with, by the settings that name them."""
        ...

    def fill(self, share: Share) -> None:
        """Make something in `share`, as its environment does, and leave nobody connected."""
        ...

    def content(self, share: Share) -> object:
        """Return what there is in `share`, to be compared; without what says whose it is."""
        ...


class Name(NamedTuple):
    """What something is called where a snapshot or a copy lies, and what its place allows."""

    name: str
    longest: int
    allowed: re.Pattern[str]


class SnapshotsHarness(Protocol):
    """What `SnapshotContract` wants: a database that has a history, and something in it.

    *Content* is what there is, to be compared, by a connection that is not the engine's: without seedbed's own, and
    without copies.
    """

    engine: Any  # with `SupportsSnapshots`
    target: Target
    requests: Sequence[
        tuple[Any, str]
    ]  # functions through which all goes that the engine asks: (owner, name)
    knows_source: bool  # whether a copy says which snapshot it comes from
    refusal: type[Exception]  # what is raised for what is not ours

    def reached(self) -> AbstractContextManager[Snapshots]:
        """Reach what keeps the snapshots, anew each time."""
        ...

    def foreign(self, release: int) -> Callable[[], bool] | None:
        """Make something that has the name of a snapshot and is not ours; return what says whether it is as it was.

        None where whatever has such a name is ours.
        """
        ...

    def content(self) -> object:
        """Return what the database has now."""
        ...

    def copied(self, copy: Copy) -> object:
        """Return what a copy has, equal to the content of its database when the snapshot was taken."""
        ...

    def change(self) -> None:
        """Have an application change the content, another way each time."""
        ...

    def unfinished(self) -> AbstractContextManager[bool]:
        """Let nothing that is asked for come to its end; yield whether that can be."""
        ...

    def spoil(self, snapshot: Snapshot) -> bool:
        """Take a part of a snapshot away, and return whether that can be."""
        ...

    def names(self, release: int, number: int) -> Iterable[Name]:
        """Return what a snapshot and its copies are called that have the longest names of a platform."""
        ...


@runtime_checkable
class LossHarness(Protocol):
    """What `LossContract` wants besides."""

    def removes(self, table: str) -> str:
        """A migration whose down section removes all rows of `table`; its up section leaves them as they are."""
        ...


@runtime_checkable
class QueryHarness(Protocol):
    """What `QueryContract` wants besides: queries of the rows that `creates` makes room for."""

    def finds(self, table: str, name: str) -> str:
        """A query for those rows of `table` that have that `name`."""
        ...

    def counts(self, table: str) -> str:
        """A query whose number is how many rows `table` has."""
        ...

    def misspells(self, table: str) -> str:
        """A query that the server, or the engine for it, does not understand."""
        ...

    def writes(self, table: str) -> Sequence[str]:
        """Queries that would add a row to `table`, change one or remove one, each in another way."""
        ...


@runtime_checkable
class UsageHarness(Protocol):
    """What `UsageContract` wants besides: migrations that remove what an application may still use."""

    def prepares(self, table: str) -> Sequence[str]:
        """Migrations that make `table`, and what `drops` and `drops_uncounted` take from it."""
        ...

    def drops(self, table: str) -> str:
        """A migration that removes something whose uses the server counts, each of them.

        Empty where what is deployed, and not declared, is what a contract removes: `settings` has deployed it.
        """
        ...

    def drops_uncounted(self, table: str) -> str:
        """A migration that removes something of which the server does not tell whether it is used."""
        ...

    def uses(self, settings: Mapping[str, str], table: str) -> None:
        """Use what `drops` removes, as an application does."""
        ...

    def settles(self, settings: Mapping[str, str]) -> None:
        """Wait until the server tells of every use until now."""
        ...

    def begins_anew(self, settings: Mapping[str, str], table: str) -> None:
        """Have the server lose what it counted: by a restart, a reset, a copy that is made anew."""
        ...


class Line(Protocol):
    """A way to a server that can fall silent."""

    settings: Mapping[str, str]  # by which an engine reaches its database over it

    def fall_silent(self) -> None:
        """Carry nothing any more: connections stay as they are, whoever connects is let in, and nothing is said."""
        ...


@runtime_checkable
class SilenceHarness(Protocol):
    """What `SilenceContract` wants besides."""

    def line(self, settings: Mapping[str, str]) -> AbstractContextManager[Line]:
        """Return a line to the database of `settings`, which is cut at the end of the context."""
        ...

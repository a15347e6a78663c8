"""What `verify` asks a session for: small protocols as in `capabilities`, each optional, each with contract tests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from decimal import Decimal
from typing import Protocol, runtime_checkable

from seedbed.model.ids import Extent, Ids
from seedbed.model.ownership import Place
from seedbed.model.platform import ALL, Where
from seedbed.model.verification import Holders, QueryRow, Suspect
from seedbed.model.verified import Verified, VerifyRecord


@runtime_checkable
class SupportsIds(Protocol):
    """A session that can read the ids in a field, for references that cross databases.

    `path` is the field as the manifest writes it behind the colon: "payments.user_id". A number is written without
    zeros at its end; an id in a list counts as one of its own. Raises StepFailed where there is no such field.
    """

    def ids(self, path: str, where: Where = ALL) -> Generator[Ids, None, None]:
        """Yield the ids of the rows of `where`, in blocks and any order, as of one moment where the engine can.

        Raises StepFailed too where there is no field that `where` names, as far as the engine can know.
        """
        ...

    def extent(self, path: str, where: Where = ALL) -> Extent:
        """Return about how much `ids` has to read, at next to no cost. Raises StepFailed."""
        ...

    def found(self, path: str, ids: Sequence[str]) -> Collection[str]:
        """Return those of `ids` that the field has now."""
        ...

    def holders(
        self, path: str, suspects: Sequence[Suspect], *, time: str, most: int, where: Where = ALL
    ) -> Mapping[str, Holders]:
        """Return the rows of `where` that hold each of `suspects` now, `most` keys of each; no entry where none does.

        `time`: the field that says when a row was written, empty for none.
        """
        ...


@runtime_checkable
class SupportsQueries(Protocol):
    """A session that answers queries in the engine's own language, for expectations; whatever they say, it only reads.

    A query that would write is refused with UsageError, before it has changed anything. Raises StepFailed for what the
    server does not understand, Unreachable, Interrupted.
    """

    def rows(self, query: str, most: int) -> Sequence[QueryRow]:
        """Return the first `most` rows of `query`; of long values the beginning. No others are kept in memory."""
        ...

    def number(self, query: str) -> Decimal:
        """Return the number that `query` has: its only value; in a language that cannot count, how many rows."""
        ...


@runtime_checkable
class SupportsPlace(Protocol):
    """A session of an engine with which several databases may be on one server, and several logins there."""

    def place(self) -> Place:
        """Return where the target is, and as whom it is reached."""
        ...

    def readable(self, place: Place) -> Sequence[str]:
        """Return the tables of the target that the login of `place`, on the same server, can read, sorted.

        History and what belongs to extensions are left out; of a target in the same database, what is outside of its
        own area.
        """
        ...


@runtime_checkable
class SupportsVerified(Protocol):
    """A session that keeps what `verify` finds beside the history. Whoever has `SupportsIds` should have it as well."""

    def verified(self) -> Verified:
        """Return all that is kept, the newest first; nothing where there is no history. It can be asked under a lease.

        Raises Refused for what seedbed did not write.
        """
        ...

    def keep(self, record: VerifyRecord, forget: Collection[str]) -> None:
        """Keep `record` under a new id with the time of now, and forget those with the ids `forget`.

        It takes no lease, waits for none, and disturbs no run that has it. Raises StepFailed, Refused, Unavailable:
        nothing was kept, because the login may not write, perhaps.
        """
        ...


@runtime_checkable
class SupportsUnits(Protocol):
    """A session of an engine whose reads are charged by units."""

    def on_units(self, spent: Callable[[float], None]) -> None:
        """Tell `spent` what each answer takes that `SupportsIds` reads from now on; what it raises ends the reading.

        It is called from several threads.
        """
        ...

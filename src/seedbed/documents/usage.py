"""How often what pending contracts remove was used, as servers count at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from seedbed.documents.document import VERSION, Document, Part, says
from seedbed.documents.errors import ErrorEntry
from seedbed.errors import SeedbedError
from seedbed.model.usage import Counter, Removed, Usage


class CounterEntry(Part, frozen=True):
    """One thing that goes."""

    kind: Annotated[str, says("What it is: `table`, `column`, `index` …")]
    path: Annotated[tuple[str, ...], says("Its names, the last one its own.")]
    uses: Annotated[int, says("How often it was used since counting began.")]
    unclear: Annotated[int, says("Uses of which it cannot be told whether they are uses of this.")]
    since: Annotated[str, says("What tells one counting from another.")]
    blind: Annotated[str, says("What is not counted; empty where all is.")]

    @classmethod
    def of(cls, found: Counter) -> CounterEntry:
        removed = found.removed
        return cls(removed.kind, removed.path, found.uses, found.unclear, found.since, found.blind)

    def counter(self) -> Counter:
        removed = Removed(self.kind, self.path)
        return Counter(removed, self.uses, self.unclear, self.since, self.blind)


class DatabaseUsageEntry(Part, frozen=True):
    """One database."""

    database: Annotated[str, says("Its id.")]
    counters: Annotated[tuple[CounterEntry, ...], says("What goes.")]
    clients: Annotated[tuple[str, ...], says("Names of connected clients that have an `@`.")]

    def usage(self) -> Usage:
        return Usage(tuple(each.counter() for each in self.counters), self.clients)


class UsageDocument(Document, frozen=True, kw_only=True, tag="seedbed/usage/1"):
    """How often what pending contracts remove was used: two of these show what was used in between."""

    commands: ClassVar = ("verify",)

    environment: Annotated[str, says("The environment's name.")]
    databases: Annotated[tuple[DatabaseUsageEntry, ...], says("Those with pending contracts.")]
    unread: Annotated[tuple[ErrorEntry, ...], says("Why databases could not be asked.")]

    @classmethod
    def of(
        cls, environment: str, found: Mapping[str, Usage], unread: Mapping[str, SeedbedError], command: str
    ) -> UsageDocument:
        return cls(
            seedbed=VERSION,
            command=command,
            environment=environment,
            databases=tuple(
                DatabaseUsageEntry(name, tuple(map(CounterEntry.of, each.counters)), each.clients)
                for name, each in found.items()
            ),
            unread=tuple(ErrorEntry.of(each, environment) for each in unread.values()),
        )

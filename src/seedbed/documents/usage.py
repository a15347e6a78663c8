"""How often what pending contracts remove was used, as servers count at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from msgspec import structs

from seedbed.documents.document import VERSION, Document, Part, says
from seedbed.documents.errors import ErrorEntry
from seedbed.errors import SeedbedError
from seedbed.model.usage import Counter, Removed, Times, Usage


class TimesEntry(Part, frozen=True):
    """When one thing was used, in seconds since 1970 by the clock of who tells it."""

    at: Annotated[float, says("When it was asked.")]
    since: Annotated[float, says("Uses before are not told.")]
    until: Annotated[float, says("Later uses may be told only later.")]
    uses: Annotated[tuple[float, ...], says("The beginnings of the periods in which it was used.")]
    unclear: Annotated[tuple[float, ...], says("The same of uses that may be of something else.")]
    period: Annotated[float, says("Seconds of each.")]


class CounterEntry(Part, frozen=True):
    """One thing that goes."""

    kind: Annotated[str, says("What it is: `table`, `column`, `index` …")]
    path: Annotated[tuple[str, ...], says("Its names, the last one its own.")]
    uses: Annotated[int, says("How often it was used since counting began.")]
    unclear: Annotated[int, says("Uses of which it cannot be told whether they are uses of this.")]
    since: Annotated[str, says("What tells one counting from another.")]
    blind: Annotated[str, says("What is not counted; empty where all is.")]
    now: Annotated[
        str, says("Who uses it at this moment; empty where no one does, or that is not known.")
    ] = ""
    times: Annotated[TimesEntry | None, says("When it was used, where that is told; it counts then.")] = None

    @classmethod
    def of(cls, found: Counter) -> CounterEntry:
        removed, times = found.removed, found.times
        told = TimesEntry(**structs.asdict(times)) if times else None
        numbers = (found.uses, found.unclear, found.since, found.blind, found.now)
        return cls(removed.kind, removed.path, *numbers, told)

    def counter(self) -> Counter:
        removed = Removed(self.kind, self.path)
        times = Times(**structs.asdict(self.times)) if self.times else None
        return Counter(removed, self.uses, self.unclear, self.since, self.blind, self.now, times)


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

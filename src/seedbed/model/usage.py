"""What a contract removes, and how often it was used, as an engine's own counters tell at one moment."""

from __future__ import annotations

from msgspec import Struct


class Removed(Struct, frozen=True):
    """One thing that a migration removes, or takes the name from.

    `kind`: "table", "column", "index": a word of the engine. `path`: its names, the last one its own:
    ("users", "legacy") for a column.
    """

    kind: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind} {'.'.join(self.path)}" if self.path else self.kind


class Times(Struct, frozen=True):
    """When something was used, where a server tells times and not a sum; seconds since 1970, by its own clock.

    `at`: when this look was taken. `since`, `until`: what is told is of the time between; of later uses it may be told
    yet. `uses` and `unclear`: the beginnings of the periods of `period` seconds in which there were any.
    """

    at: float
    since: float
    until: float
    uses: tuple[float, ...] = ()
    unclear: tuple[float, ...] = ()
    period: float = 0.0


class Counter(Struct, frozen=True):
    """How often something was used since counting began, by whomever.

    `since`: what tells one counting from another, such as when the server started; numbers of two countings are not
    compared. `unclear`: uses of which it cannot be told whether they are uses of this. `blind`: which use is not
    counted at all; with it, no number shows that there was none. `now`: who uses it at this moment; empty where no
    one does, or that is not known. `times`: what counts in place of the numbers, where it is there.
    """

    removed: Removed
    uses: int = 0
    unclear: int = 0
    since: str = ""
    blind: str = ""
    now: str = ""
    times: Times | None = None


class Usage(Struct, frozen=True):
    """A look at the counters of one database, and at the names that clients give themselves (`service@commit`)."""

    counters: tuple[Counter, ...] = ()
    clients: tuple[str, ...] = ()

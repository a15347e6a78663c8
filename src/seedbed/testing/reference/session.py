"""A session on a memory target: reading, and taking the lease."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from seedbed.engines.kit.errors import held_by_ourselves, interrupted
from seedbed.engines.kit.ids import takes
from seedbed.engines.kit.verified import record, text
from seedbed.engines.kit.waiting import Waiting
from seedbed.errors import StepFailed, Unavailable
from seedbed.model.event import Listener, TakenOver
from seedbed.model.history import History, Owner
from seedbed.model.ids import Extent, Ids, same_id
from seedbed.model.migration import Work
from seedbed.model.ownership import Place
from seedbed.model.plan import Loss
from seedbed.model.platform import ALL, Where
from seedbed.model.verification import Holders, QueryRow, Suspect
from seedbed.model.verified import Verified, VerifyRecord
from seedbed.testing.reference.address import Address
from seedbed.testing.reference.channel import Channel
from seedbed.testing.reference.client import Connection, Rejected
from seedbed.testing.reference.history import history
from seedbed.testing.reference.queries import found as found_by
from seedbed.testing.reference.queries import rows as rows_of

if TYPE_CHECKING:
    from seedbed.model.target import Target
    from seedbed.testing.reference.lease import MemoryLease

# The leases of this process, by owner and place: the target that each is held for.
_held: dict[tuple[str, str], str] = {}
_BLOCK = 3  # rows: few, so that a few rows are several blocks


@contextmanager
def connect(target: Target) -> Iterator[MemorySession]:
    """Open a session on `target`. Raises Unreachable."""
    with Connection(cast(Address, target.address)) as connection:
        yield MemorySession(Channel(target.id, connection))


class MemorySession:
    """One connection. Whoever takes a lease from it writes through this same connection."""

    def __init__(self, channel: Channel) -> None:
        self.target = channel.target
        self._channel = channel

    @property
    def server(self) -> str:
        return "memory 1"

    def history(self) -> History:
        return history(self._channel.ask("history"))

    def schema(self) -> Sequence[str]:
        tables: dict[str, list[dict[str, Any]]] = self._channel.ask("tables")["tables"]
        lines = [f"table {name}" for name in tables]
        for name, rows in tables.items():
            columns = {column for row in rows for column in row} - {"id"}
            lines += [f"table {name} column {column}" for column in columns]
        return sorted(lines)

    def present(self, names: Sequence[str]) -> Collection[str]:
        return set(names) & set(self._channel.ask("tables")["tables"])

    def place(self) -> Place:
        """Return the server and the database in it; everybody is the same there."""
        server, database = self._channel.place.split(" at ")[::-1]
        return Place(server, database, "anybody")

    def readable(self, place: Place) -> Sequence[str]:
        return sorted(self._channel.ask("tables")["tables"])

    def ids(self, path: str, where: Where = ALL) -> Generator[Ids, None, None]:
        rows = self._rows(path, where)
        for first in range(0, len(rows), _BLOCK):
            texts = [id_ for id_, _ in rows[first : first + _BLOCK] if id_]
            yield Ids(texts=texts, empty=len(rows[first : first + _BLOCK]) - len(texts))

    def extent(self, path: str, where: Where = ALL) -> Extent:
        return Extent(len(self._rows(path)))

    def found(self, path: str, ids: Sequence[str]) -> Collection[str]:
        return {same_id(id_) for id_, _ in self._rows(path) if id_} & set(ids)

    def holders(
        self, path: str, suspects: Sequence[Suspect], *, time: str, most: int, where: Where = ALL
    ) -> Mapping[str, Holders]:
        """Return the rows that hold ids now; of when they were written this engine knows nothing."""
        keys: dict[str, list[str]] = {}
        for id_, row in self._rows(path, where):
            keys.setdefault(same_id(id_), []).append(str(row["id"]))
        return {
            each.id: Holders(len(keys[each.id]), tuple(sorted(keys[each.id])[:most]))
            for each in suspects
            if each.id in keys
        }

    def rows(self, query: str, most: int) -> Sequence[QueryRow]:
        return rows_of(self._channel.ask, query, most)

    def number(self, query: str) -> Decimal:
        return Decimal(len(found_by(self._channel.ask, query)))

    def _rows(self, path: str, where: Where = ALL) -> list[tuple[str, dict[str, Any]]]:
        """Return each row of the table in `path` with what is in its column, as text; empty where nothing is."""
        table, _, column = path.rpartition(".")
        tables: dict[str, list[dict[str, Any]]] = self._channel.ask("tables")["tables"]
        if table not in tables:
            raise StepFailed(f"there is no table {table}", because=f"{path} names it")
        return [
            (str(row.get(column) or ""), row) for row in tables[table] if takes(where, partial(_texts, row))
        ]

    def verified(self) -> Verified:
        answer = self._channel.ask("verified")
        records = [
            record(each["id"], datetime.fromisoformat(each["at"]), each["record"], self.target)
            for each in reversed(answer["verified"])
        ]
        return Verified(tuple(records), datetime.fromisoformat(answer["now"]))

    def keep(self, record: VerifyRecord, forget: Collection[str]) -> None:
        try:
            self._channel.ask("keep", record=text(record), forget=list(forget))
        except Rejected as error:
            raise StepFailed(
                f"keeping what verify found of {self.target} failed", because=error.what
            ) from error

    def losses(self, works: Sequence[Work]) -> Sequence[Loss]:
        """Return how many rows the tables have that `works` would drop."""
        tables: dict[str, list[dict[str, Any]]] = self._channel.ask("tables")["tables"]
        found: list[Loss] = []
        for work in works:
            for step in work.migration.steps(work.direction):
                for line in step.body.splitlines():
                    word, _, rest = line.strip().removeprefix("slow ").partition(" ")
                    name = rest.partition(" ")[0]
                    rows = {"drop": len(tables.get(name, ())), "delete": 1}.get(word, 0)
                    if rows:
                        found.append(Loss(work.migration.version, f"table {name}", rows))
        return found

    def interrupt(self) -> None:
        """Stop what is running; what would come next does not begin."""
        self._channel.interrupt()

    def holder(self) -> str:
        held = self._channel.ask("holder")
        return str(Owner("", held["who"], held["since"])) if held["who"] else ""

    def unlock(self, *, actor: str) -> str:
        return str(self._channel.ask("unlock", actor=actor)["who"])

    def lease(self, owner: Owner, *, wait: float, listener: Listener) -> AbstractContextManager[MemoryLease]:
        return self._lease(owner, wait, listener)

    @contextmanager
    def _lease(self, owner: Owner, wait: float, listener: Listener) -> Iterator[MemoryLease]:
        from seedbed.testing.reference.lease import MemoryLease

        self.history()  # a format that is not ours is refused before anything is touched
        place = owner.id, self._channel.place
        if other := _held.get(place):
            raise held_by_ourselves(self.target, other)
        token = self._acquire(owner, wait, listener)
        _held[place] = self.target
        try:
            for work in self._channel.ask("takeover", token=token)["ended"]:
                listener(TakenOver(self.target, f"ended {work!r}, whose owner is gone"))
            yield MemoryLease(self._channel, owner, token)
        finally:
            _held.pop(place, None)
            with suppress(Unavailable):  # a connection that is gone holds nothing any more
                self._channel.ask("release", token=token)

    def _acquire(self, owner: Owner, wait: float, listener: Listener) -> int:
        """Take the lease and return its token; the server wakes us as soon as it comes free."""
        waiting, pause = Waiting(self.target, wait, listener), 0.0
        while not self._channel.is_interrupted:
            answer = self._channel.ask("lease", who=owner.who, wait=pause)
            if "token" in answer:
                return int(answer["token"])
            pause = waiting.pause(str(Owner("", answer["held_by"], answer["since"])))
        raise interrupted("waiting for the lease")


def _texts(row: Mapping[str, Any], name: str) -> list[str]:
    """Return what `row` has in a column, as text."""
    return [str(row[name])] if row.get(name) is not None else []

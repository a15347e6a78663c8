"""Data migrations that walk over nodes or relationships: batches of keys, each committed with its checkpoint.

The checkpoint is the last key of the last committed batch, as JSON. Batch and checkpoint are one transaction, so what
has a key is converted exactly once by us however often the runner is killed.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from msgspec import Struct, json

from seedbed.engines.base import Progress
from seedbed.engines.neo4j.files.commands import Entity
from seedbed.engines.neo4j.files.names import quoted
from seedbed.engines.neo4j.schema.catalogue import read_catalogue
from seedbed.engines.neo4j.schema.walks import key_is_indexed, walked
from seedbed.engines.neo4j.store.fenced_writer import FencedWriter
from seedbed.engines.neo4j.wire import queries
from seedbed.engines.neo4j.wire.client import Transaction
from seedbed.errors import Location, Refused
from seedbed.model.event import WorkProgressed
from seedbed.model.migration import Migration, Step

Key = int | float | str
_NUMBERS, _TEXTS = {"INTEGER", "FLOAT"}, {"STRING"}


class _ConvertedBatch(Struct, frozen=True):
    last: Key
    size: int


class GraphBackfill:
    """One backfill on its way."""

    def __init__(self, lease: FencedWriter, migration: Migration, step: Step) -> None:
        assert step.backfill is not None
        self._lease = lease
        self._migration = migration
        self._step = step
        self._backfill = step.backfill
        entity, label = walked(step.backfill)
        name = quoted(label)
        self._match = f"MATCH (n:{name})" if entity is Entity.NODE else f"MATCH ()-[n:{name}]->()"
        self._key = f"n.{quoted(step.backfill.key)}"

    def require_keys(self) -> None:
        """Raise Refused unless an index leads to the key, and all its values can be put into one order."""
        if not key_is_indexed(self._backfill, read_catalogue(self._lease.read)):
            raise self._refused(
                f"no index leads to {self._what}",
                "each batch would scan everything again",
                "create a range index or a uniqueness constraint on it in an earlier migration",
            )
        rows = self._lease.read(self._query("key_kinds"))
        counts = {row["kind"].removesuffix(" NOT NULL"): row["count"] for row in rows}
        if missing := counts.get("NULL", 0):
            raise self._refused(
                f"{missing} of {self._backfill.table} have no {self._backfill.key}",
                "the backfill would never reach them",
                "set it first, or backfill along another property",
            )
        if not (set(counts) <= _NUMBERS or set(counts) <= _TEXTS):
            raise self._refused(
                f"the values of {self._what} are of the types {', '.join(sorted(counts))}",
                "only numbers, or only strings, have one order",
                "backfill along another property",
            )

    @property
    def _what(self) -> str:
        return f"{self._backfill.table}.{self._backfill.key}"

    def _refused(self, what: str, because: str, try_: str) -> Refused:
        at = Location(self._migration.path, self._step.line)
        return Refused(f"{self._migration.label}: {what}", because=because, try_=try_, at=at)

    def _query(self, name: str) -> str:
        return queries.text(name).replace("{match}", self._match).replace("{key}", self._key)

    def batches(self, checkpoint: str | None) -> Iterator[Progress]:
        """Convert what is left beyond `checkpoint`, batch by batch. Raises CypherError, LeaseLost, Interrupted."""
        lease, version = self._lease, self._migration.version
        after: Key | None = json.decode(checkpoint) if checkpoint is not None else None
        name = "count" if after is None else "count_beyond"
        done, total = 0, int(lease.read(self._query(name), {"after": after})[0]["count"])
        while batch := lease.transact(partial(self._batch, after), version=version, changes=bool):
            after, done = batch.last, done + batch.size
            position = f"up to {self._backfill.key} {after}"
            known = total if done <= total else 0  # others may have added some meanwhile
            yield WorkProgressed(lease.graph.target, version, done, known, "keys", position)

    def _batch(self, after: Key | None, transaction: Transaction) -> _ConvertedBatch | None:
        """Convert the next batch beyond `after` and write the checkpoint; return None where there is no more."""
        name = "first_keys" if after is None else "next_keys"
        values = {"after": after, "batch": self._backfill.batch}
        keys = transaction.run(self._query(name), values).rows[0]["keys"]
        if not keys:
            return None
        transaction.execute(self._step.body, {"keys": keys, "after": after})
        checkpoint = {"version": self._migration.version, "checkpoint": json.encode(keys[-1]).decode()}
        transaction.run(queries.text("checkpoint"), checkpoint)
        return _ConvertedBatch(keys[-1], len(keys))

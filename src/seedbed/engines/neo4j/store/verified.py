"""What `verify` found, in nodes of its own."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from seedbed.engines.kit import verified as stored
from seedbed.engines.neo4j.wire import queries
from seedbed.engines.neo4j.wire.errors import reading
from seedbed.errors import StepFailed
from seedbed.model.verified import Verified, VerifyRecord

if TYPE_CHECKING:
    from seedbed.engines.neo4j.graph import GraphTarget


def read(graph: GraphTarget) -> Verified:
    """Return what is kept, the newest first. Raises Refused for what seedbed did not write, CypherError."""
    rows = graph.read(queries.text("kept"), {})
    with reading(graph.address):
        found = [(str(row["key"]), _moment(row["at"]), str(row["record"])) for row in rows]
        now = _moment(rows[0]["now"]) if rows else None
    return Verified(tuple(stored.record(*each, graph.target) for each in found), now)


def keep(graph: GraphTarget, record: VerifyRecord, forget: Collection[str]) -> None:
    """Add `record`, and delete those under the keys `forget`. Raises StepFailed, CypherError, ConnectionLost."""
    if not graph.client.run_once(queries.text("keep"), {"record": stored.text(record)}).rows:
        raise StepFailed(
            f"{graph.target} has no identity any more", because="its history was removed meanwhile"
        )
    if forget:
        graph.client.run_once(queries.text("forget_kept"), {"keys": list(forget)})


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)

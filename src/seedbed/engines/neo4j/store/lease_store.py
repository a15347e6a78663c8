"""The lease of a Neo4j target: a node with an owner, valid until it expires by the server's clock.

The token stands in two nodes: in the lease, which a holder renews whatever else it does, and in the fence, which
every transaction that writes locks and looks at first. So a sign of life never waits for a long transaction, and a
runner that comes back from the dead gets nothing through.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from seedbed.engines.kit import stored
from seedbed.engines.kit.lease import HeldLease, LeaseRecord, acquire
from seedbed.engines.kit.lease import holder as holder_of
from seedbed.engines.kit.lease import unlock as end_lease
from seedbed.engines.neo4j.store.fence import fence_off
from seedbed.engines.neo4j.wire import queries
from seedbed.engines.neo4j.wire.errors import ConnectionLost, CypherError, translate_errors
from seedbed.model.event import Listener, TakenOver
from seedbed.model.history import Owner
from seedbed.wire.retrying import Policy, retried

if TYPE_CHECKING:
    from seedbed.engines.neo4j.graph import GraphTarget


def _is_rivals(error: BaseException) -> bool:
    """Return whether another run that defines the same constraint caused it: the two are each other's deadlock."""
    return isinstance(error, CypherError) and (error.is_transient or "AlreadyExists" in error.code)


_DEFINING = Policy(attempts=20, base=0.05, cap=0.5, on=(CypherError,), when=_is_rivals)


class Neo4jLeaseStore:
    """The node `lease`. What is asked here, an interruption does not reach."""

    def __init__(self, graph: GraphTarget) -> None:
        self.graph = graph
        self.target = graph.target
        self.seconds = graph.address.lease_seconds

    def read(self, *, anyway: bool = False) -> LeaseRecord:
        """Return the record as it is this moment. Raises StepFailed, Unreachable."""
        del anyway
        with translate_errors(f"reading the lease of {self.target}"):
            rows = self.graph.client.read(queries.text("look"), {})
        if not rows:
            return LeaseRecord()
        found = stored.lease_record(rows[0], self.target)
        return found if found.is_expired is not None else replace(found, is_expired=True)

    def take(self, seen: LeaseRecord, owner: Owner) -> bool:
        """Give the lease to `owner` if its token is as `seen`, and it is free or expired still."""
        if not seen.token:
            self._define()
        values = {"seen": seen.token, "holder": owner.id, "who": owner.who, "seconds": self.seconds}
        try:
            return bool(self.graph.client.run_once(queries.text("take"), values).rows)
        except CypherError as error:
            if error.is_transient:
                return False
            raise
        except ConnectionLost:  # the answer is lost, not necessarily the lease
            return False

    def _define(self) -> None:
        """Create the constraint, the lease and the fence; others may do so, too. Raises CypherError, ConnectionLost."""
        server = self.graph.client
        retried(_DEFINING, lambda: server.run_once(queries.text("constraint")), sleep=server.sleep)
        server.run_repeatable(queries.text("nodes"))

    def renew(self, held: HeldLease) -> bool:
        server, values = self.graph.client, {**shown(held), "seconds": self.seconds}
        with translate_errors(f"renewing the lease of {self.target}"):
            is_ours = bool(server.run_once(queries.text("heartbeat"), values, timeout=self.seconds).rows)
            if not is_ours and not held.is_over:
                held.taken()
                # What we have open on the server would only be refused at its end.
                server.end([each["id"] for each in server.marked("work_of", {"marks": [held.owner.id]})])
        return is_ours

    def release(self, held: HeldLease) -> None:
        with translate_errors(f"releasing the lease of {self.target}"):
            self.graph.client.run_repeatable(queries.text("release"), shown(held))

    def end(self, seen: LeaseRecord, actor: str) -> bool:
        """Take the lease from the holder that was `seen`, with a line in the audit, and end its transactions."""
        values = {
            "token": seen.token,
            "holder": seen.holder,
            "actor": actor,
            "because": f"ended {seen.owner}",
        }
        if not self.graph.client.run_once(queries.text("unlock"), values).rows:
            return False
        for _ in fence_off(self.graph, "", seen.token + 1):
            pass  # its transactions are part of it, and go with it
        return True


def shown(held: HeldLease) -> dict[str, Any]:
    """Return the parameters by which a query sees whether the lease is ours."""
    return {"token": held.token, "holder": held.owner.id}


@contextmanager
def lease(graph: GraphTarget, owner: Owner, *, wait: float, listener: Listener) -> Iterator[HeldLease]:
    """Take the lease and keep it for the time of the context. Raises Busy, Refused, Interrupted, Unreachable.

    What other runs have open is ended first, and nothing of theirs is let through any more.
    """
    with translate_errors(f"taking the lease of {graph.target}"):
        store = Neo4jLeaseStore(graph)
        held = acquire(store, owner, wait=wait, listener=listener, sleep=graph.client.sleep)
    # The first sign of life at once: it opens the connection, and the server learns the query.
    with held.alive(at_once=True):
        try:
            with translate_errors(f"taking over {graph.target}"):
                for words in fence_off(graph, owner.id, held.token, check=held.check):
                    listener(TakenOver(graph.target, words))
            graph.client.watch(owner.id)
            yield held
        finally:
            graph.client.unwatch(owner.id)


def holder(graph: GraphTarget) -> str:
    """Return who has the lease, empty if it is free or has expired."""
    return holder_of(Neo4jLeaseStore(graph))


def unlock(graph: GraphTarget, *, actor: str) -> str:
    """End the present lease, with an entry in the audit; return the former holder, empty if there was none."""
    with translate_errors(f"ending the lease of {graph.target}"):
        return end_lease(Neo4jLeaseStore(graph), actor=actor)

"""The lease of an OpenSearch target: fields of the document `state`, which every change of the history updates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from msgspec.structs import replace

from seedbed.engines.kit.lease import HeldLease, LeaseRecord, acquire
from seedbed.engines.kit.lease import holder as holder_of
from seedbed.engines.kit.lease import unlock as end_lease
from seedbed.engines.opensearch.cluster import Cluster, translate_errors
from seedbed.engines.opensearch.store import fences, history
from seedbed.engines.opensearch.store.ledger import Ledger
from seedbed.engines.opensearch.store.state import StateDocument
from seedbed.engines.opensearch.wire.errors import NoAnswer
from seedbed.model.event import Listener, TakenOver
from seedbed.model.history import Owner


class OpenSearchLeaseStore:
    """The lease in `state`: taking and ending it compare with what was read last."""

    def __init__(self, state: StateDocument) -> None:
        self.state = state
        self.target = state.cluster.target
        self.seconds = state.cluster.address.lease_seconds

    def read(self, *, anyway: bool = False) -> LeaseRecord:
        """Return the record as it is now. Raises Refused for a newer format, RequestFailed."""
        seen = self.state.read(self.state.uninterrupted if anyway else self.state.cluster.client)
        stored, heartbeat = seen.stored, seen.seq_no  # every write under the lease is a heartbeat
        return LeaseRecord(stored.token, heartbeat, stored.holder, stored.who, stored.since, stored.seconds)

    def take(self, seen: LeaseRecord, owner: Owner) -> bool:
        """Give the lease to `owner` if the document is as it was read; False also if no answer came."""
        if not self.state.exists:
            history.create_index(self.state.uninterrupted)
        wanted = replace(
            self.state.stored,
            token=seen.token + 1,
            heartbeat=0,
            holder=owner.id,
            who=owner.who,
            since=history.now(),
            seconds=self.seconds,
        )
        try:
            return self.state.store(wanted)
        except NoAnswer:
            return False

    def renew(self, held: HeldLease) -> bool:
        with self.state.lock:
            if not held.is_lost:
                self.state.change(held, heartbeat=self.state.stored.heartbeat + 1)
        return not held.is_lost

    def release(self, held: HeldLease) -> None:
        with self.state.lock:
            if not held.is_lost:
                self.state.change(held, holder="", who="", since="")

    def end(self, seen: LeaseRecord, actor: str) -> bool:
        """End the lease of the holder that was `seen`, record that in the audit, and move the fence."""
        client, stored = self.state.uninterrupted, self.state.stored
        history.write_pending(client, stored)
        after = replace(
            stored,
            token=seen.token + 1,
            holder="",
            who="",
            since="",
            sequence=stored.sequence + 1,
            pending=history.audit(actor, "unlock", "", f"ended {seen.owner}"),
        )
        if not self.state.store(after):
            return False
        history.write_pending(client, after)
        undecided = stored.intent.fence if stored.intent else ""
        fences.move(client, fences.name(after.token, 0), undecided=undecided)
        return True


@contextmanager
def lease(cluster: Cluster, owner: Owner, *, wait: float, listener: Listener) -> Iterator[Ledger]:
    """Hold the lease inside the context. Raises Busy, Refused, Interrupted, Unreachable."""
    # A heartbeat that gets no answer soon is worth little: the next one is sent instead.
    with closing(cluster.client.sheltered(timeout=cluster.address.lease_seconds)) as uninterrupted:
        state = StateDocument(cluster, uninterrupted)
        store = OpenSearchLeaseStore(state)
        with translate_errors(cluster, f"taking the lease of {cluster.target}"):
            held = acquire(store, owner, wait=wait, listener=listener, sleep=cluster.client.sleep)
        with held.alive():
            ledger = Ledger(state, held)
            with translate_errors(cluster, f"taking the lease of {cluster.target}"):
                _enter(ledger, listener)
            yield ledger


def _enter(ledger: Ledger, listener: Listener) -> None:
    found = ledger.enter()
    if found is None:
        return
    intent, verdict = found
    outcomes = {
        True: "it took effect and is recorded",
        False: "it did not take effect, and no longer can",
        None: "its outcome is unknown",
    }
    message = f"a request of a former run was in progress ({intent.label}): {outcomes[verdict]}"
    listener(TakenOver(ledger.held.store.target, message))


def holder(cluster: Cluster) -> str:
    """Return who has the lease, empty if it is free."""
    with translate_errors(cluster, f"reading the lease of {cluster.target}"):
        return holder_of(OpenSearchLeaseStore(StateDocument(cluster, cluster.client)))


def unlock(cluster: Cluster, *, actor: str) -> str:
    """End the current lease and record that in the audit; return its holder, empty if there was none."""
    with translate_errors(cluster, f"ending the lease of {cluster.target}"):
        return end_lease(OpenSearchLeaseStore(StateDocument(cluster, cluster.client)), actor=actor)

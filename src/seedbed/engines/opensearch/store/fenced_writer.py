"""Writes that show the lease: records, and steps that take effect together with their record."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from seedbed.engines.kit.errors import interrupted
from seedbed.engines.kit.lease import require_running
from seedbed.engines.opensearch.cluster import Cluster
from seedbed.engines.opensearch.store import fences, history
from seedbed.engines.opensearch.store.history import Document, Intent
from seedbed.engines.opensearch.store.ledger import Ledger
from seedbed.engines.opensearch.wire.errors import NoAnswer, RequestFailed
from seedbed.errors import Interrupted, OutcomeUnknown, SeedbedError, StepFailed, Unavailable
from seedbed.model.history import Revision, RevisionState

Documents = dict[str, Document]


class FencedWriter:
    """The right to write. Thread-safe."""

    def __init__(self, cluster: Cluster, ledger: Ledger) -> None:
        self.cluster = cluster
        self.ledger = ledger
        self.held = ledger.held

    @property
    def owner(self) -> str:
        return self.held.owner.who

    @property
    def interrupted(self) -> bool:
        """Whether somebody asked us to stop."""
        return self.cluster.client.is_interrupted

    def check(self) -> None:
        """Raise LeaseLost unless nobody else can have the lease, Interrupted if we were asked to stop; asks nobody."""
        require_running(self.held, is_interrupted=self.interrupted)

    def confirm(self) -> None:
        """Do as `check` does, and look at the lease itself: one round trip."""
        self.check()
        self.held.confirm()

    def stopped(self) -> Interrupted:
        return interrupted(f"work on {self.cluster.target}")

    # records

    def commit(self, revision: Revision, *, anyway: bool = False) -> None:
        """Write `revision`, if the lease is still ours. `anyway`: also after an interruption. Raises LeaseLost."""
        self.write(history.document(revision), anyway=anyway)

    def write(self, documents: Documents, *, anyway: bool = False) -> None:
        """Write documents of the history, all or none, if the lease is still ours."""
        if not anyway:
            self.check()
        self.ledger.commit(documents)

    def forget_all(self) -> None:
        """Remove identity, revisions and audit; the lease stays."""
        recorded = history.read(self.cluster).revisions
        documents: Documents = {}
        for revision in recorded:
            documents |= history.gone(revision.version)
        self.ledger.commit(documents, platform="", database="", environment="", bound_at=None)
        history.drop_audit(self.ledger.uninterrupted)

    # steps that take effect together with their record

    def together(
        self,
        label: str,
        send: Callable[[str, str], object],
        documents: Callable[[], Documents],
        unsettled: Documents,
        *,
        moves: bool = False,
    ) -> None:
        """Carry out `send` and write `documents`, both or neither, whatever becomes of us meanwhile.

        `send` is given two names of aliases and makes one request, which takes the first down (with `must_exist`) and
        puts the second up, or moves the first to another index (`moves`). `unsettled`: what is written where nobody
        can tell what became of it. Raises what `send` raises (nothing was done then), LeaseLost, OutcomeUnknown.
        """
        self.check()
        ledger = self.ledger
        intent = Intent(ledger.fence, documents(), unsettled, label)
        ledger.intend(intent)
        try:
            send(ledger.fence, ledger.next_fence)
        except RequestFailed as error:
            self.held.confirm()
            if error.status >= 500:  # it may have been carried out all the same
                self._settle(intent, error)
                return
            ledger.intend(None)
            raise
        except (NoAnswer, Interrupted, Unavailable) as error:
            self._settle(intent, error)
            return
        if moves:
            fences.move(ledger.uninterrupted, ledger.next_fence)
        ledger.passed()
        ledger.commit(documents(), intent=None)

    def _settle(self, intent: Intent, error: SeedbedError) -> None:
        """Find out what became of a request without an answer; raise that, unless it took effect and is recorded."""
        verdict = self.ledger.settle(intent)
        if self.interrupted:
            raise self.stopped() from None
        if verdict is False:
            raise StepFailed(
                f"a request was not carried out ({intent.label})",
                because=f"{error.because or error.what}; it cannot take effect any more",
                try_="run the same command again",
            ) from error
        if verdict is None:
            raise OutcomeUnknown(
                f"it is unknown whether a request took effect ({intent.label})",
                because=f"{error.because or error.what}; its fence was removed by another process",
                try_="look, then `seedbed repair` it",
            ) from error

    def swap(self, actions: Sequence[fences.Action], revision: Revision) -> None:
        """Carry out `actions` on aliases in one call, and write `revision`, both or neither.

        Raises RequestFailed where OpenSearch refuses (nothing was done then), LeaseLost, OutcomeUnknown.
        """
        client = self.cluster.client

        def send(fence: str, following: str) -> None:
            fences.change(client, [fences.down(fence), fences.up(following), *actions])

        self.together(
            f"aliases of {revision.label}", send, lambda: history.document(revision), self._before(revision)
        )

    def _before(self, revision: Revision) -> Documents:
        """Return what the history says about the version now: nothing changes where nobody can tell."""
        stored = history.read(self.cluster).revision(revision.version)
        return history.document(stored) if stored and stored.state is RevisionState.STARTED else {}

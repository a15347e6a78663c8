"""Writes under the lease: records, and requests that take effect together with their record."""

from __future__ import annotations

from collections.abc import Callable

from seedbed.engines.kit.errors import interrupted
from seedbed.engines.kit.lease import require_running
from seedbed.engines.kit.touched import Touched
from seedbed.engines.opensearch.cluster import Cluster
from seedbed.engines.opensearch.store import fences, history
from seedbed.engines.opensearch.store.history import Document, Intent
from seedbed.engines.opensearch.store.ledger import Ledger
from seedbed.engines.opensearch.wire.errors import NoAnswer, RequestFailed
from seedbed.errors import (
    AccessRefused,
    Hint,
    Interrupted,
    OutcomeUnknown,
    SeedbedError,
    StepFailed,
    Unavailable,
    call,
)
from seedbed.model.history import Revision

Documents = dict[str, Document]
_SERVER_ERROR = 500  # others of its kind come from what is in between, or pass


class FencedWriter:
    """The right to write. Thread-safe."""

    def __init__(self, cluster: Cluster, ledger: Ledger) -> None:
        self.cluster = cluster
        self.ledger = ledger
        self.held = ledger.held
        self._touched = cluster.client.touched = Touched()

    @property
    def is_touched(self) -> bool:
        """Whether anything that was sent under this lease stays, seedbed's own documents aside, or may."""
        return bool(self._touched)

    @property
    def owner(self) -> str:
        return self.held.owner.who

    @property
    def interrupted(self) -> bool:
        """Whether the session was interrupted."""
        return self.cluster.client.is_interrupted

    def check(self) -> None:
        """Raise LeaseLost if the lease may have expired, Interrupted after an interruption. Sends no request."""
        require_running(self.held, is_interrupted=self.interrupted)

    def confirm(self) -> None:
        """Do as `check`, and read the lease: one round trip."""
        self.check()
        self.held.confirm()

    def stopped(self) -> Interrupted:
        return interrupted(f"work on {self.cluster.target}")

    # records

    def commit(self, revision: Revision, *, anyway: bool = False) -> None:
        """Write `revision` while the lease is held. `anyway`: also after an interruption. Raises LeaseLost."""
        self.write(history.document(revision), anyway=anyway)

    def write(self, documents: Documents, *, anyway: bool = False) -> None:
        """Write documents of the history, all or none, while the lease is held."""
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

    # requests that take effect together with their record

    def write_atomically(
        self,
        label: str,
        send: Callable[[str, str], object],
        documents: Callable[[], Documents],
        unsettled: Documents,
        *,
        moves: bool = False,
    ) -> None:
        """Send a request and write `documents`, both or neither, even if this process dies meanwhile.

        `send` gets the names of two aliases and makes one request, which removes the first (with `must_exist`) and
        adds the second, or moves the first to another index (`moves`). `unsettled`: to write if the outcome cannot be
        determined. Raises what `send` raises (nothing was done then), LeaseLost, OutcomeUnknown.
        """
        self.check()
        ledger = self.ledger
        intent = Intent(ledger.fence, documents(), unsettled, label)
        ledger.intend(intent)
        try:
            send(ledger.fence, ledger.next_fence)
        except RequestFailed as error:
            self.held.confirm()
            if error.status >= 500:  # it may have taken effect all the same
                self._settle(intent, error)
                return
            ledger.intend(None)
            raise
        except (NoAnswer, Interrupted, Unavailable, AccessRefused) as error:
            self._settle(intent, error)
            return
        if moves:
            fences.move(ledger.uninterrupted, ledger.next_fence)
        ledger.passed()
        ledger.commit(documents(), intent=None)

    def _settle(self, intent: Intent, error: SeedbedError) -> None:
        """Determine the outcome of a request without an answer; raise it, unless the request took effect."""
        verdict = self.ledger.settle(intent)
        if self.interrupted:
            raise self.stopped() from None
        if verdict is False and isinstance(error, RequestFailed) and error.status == _SERVER_ERROR:
            raise error  # an answer of the server itself, which would be the same again
        if verdict is False:
            raise StepFailed(
                f"a request did not take effect ({intent.label})",
                because=f"{error.because or error.what}; it no longer can",
                try_="run the same command again",
            ) from error
        if verdict is None:
            raise OutcomeUnknown(
                f"the outcome of a request is unknown ({intent.label})",
                because=f"{error.because or error.what}; its fence was removed by another process",
                try_=Hint("look at the cluster; ", call("apply"), " then says what to decide"),
            ) from error

"""The history under a held lease: records, intents and the fence."""

from __future__ import annotations

from typing import Any

from seedbed.engines.kit.lease import HeldLease
from seedbed.engines.opensearch.store import fences
from seedbed.engines.opensearch.store.history import Document, Intent, TargetState
from seedbed.engines.opensearch.store.state import StateDocument
from seedbed.engines.opensearch.wire.client import Client


class Ledger:
    """Changes the history while the lease is held. Thread-safe."""

    def __init__(self, state: StateDocument, held: HeldLease) -> None:
        self.held = held
        self._state = state
        self._number = 0  # of the current fence

    @property
    def uninterrupted(self) -> Client:
        """A client that an interruption does not stop."""
        return self._state.uninterrupted

    @property
    def stored(self) -> TargetState:
        return self._state.stored

    def commit(self, documents: dict[str, Document], **fields: Any) -> None:
        """Write `documents`, and `fields` of `TargetState`, all or nothing. Raises LeaseLost."""
        with self._state.lock:
            self.held.check()
            self._state.complete()
            self._state.pend(self.held, sequence=self.stored.sequence + 1, pending=documents, **fields)
            self._state.complete()

    def intend(self, intent: Intent | None) -> None:
        """Record the request that is about to take effect; None: there is none."""
        with self._state.lock:
            self.held.check()
            self._state.change(self.held, intent=intent)

    # the fence

    @property
    def fence(self) -> str:
        """The name of the current fence."""
        return fences.name(self.held.token, self._number)

    @property
    def next_fence(self) -> str:
        return fences.name(self.held.token, self._number + 1)

    def passed(self) -> None:
        """Count the fence up: a request has replaced it by the next one."""
        self._number += 1

    def enter(self) -> tuple[Intent, bool | None] | None:
        """Set the fence of this lease, and settle the request that a former holder left behind.

        Returns that request and whether it took effect; None if there was none.
        """
        self._state.complete()
        intent = self.stored.intent
        if intent is None:
            fences.move(self.uninterrupted, self.fence)
            return None
        return intent, self.settle(intent)

    def settle(self, intent: Intent) -> bool | None:
        """Move the fence, so that the request of `intent` can no longer take effect; return whether it did.

        None if that is unknown. The outcome is recorded. Raises LeaseLost.
        """
        with self._state.lock:
            self.held.confirm()
            verdict = fences.move(self.uninterrupted, self.next_fence, undecided=intent.fence)
            if verdict is None:
                self.commit(intent.unsettled, intent=None)
            else:
                self.commit(intent.documents if verdict else {}, intent=None)
            self._reset_fence()
            return verdict

    def _reset_fence(self) -> None:
        """Give the fence a plain name: no request depends on its former name any more."""
        self._number += 2
        fences.move(self.uninterrupted, self.fence)

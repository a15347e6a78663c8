"""The history under our lease: what is recorded, what is about to take effect, and the fence that stands."""

from __future__ import annotations

from typing import Any

from seedbed.engines.kit.lease import HeldLease
from seedbed.engines.opensearch.store import fences
from seedbed.engines.opensearch.store.history import Document, Intent, Stored
from seedbed.engines.opensearch.store.state import StateDocument
from seedbed.engines.opensearch.wire.client import Client


class Ledger:
    """Changes of the history that hold only while the lease is ours. Thread-safe."""

    def __init__(self, state: StateDocument, held: HeldLease) -> None:
        self.held = held
        self._state = state
        self._number = 0  # of the fence that stands

    @property
    def uninterrupted(self) -> Client:
        """A client that an interruption does not reach."""
        return self._state.uninterrupted

    @property
    def stored(self) -> Stored:
        return self._state.stored

    def commit(self, documents: dict[str, Document], **fields: Any) -> None:
        """Write `documents`, and `fields` of `Stored` with them, all or nothing. Raises LeaseLost."""
        with self._state.lock:
            self.held.check()
            self._state.complete()
            self._state.pend(self.held, sequence=self.stored.sequence + 1, pending=documents, **fields)
            self._state.complete()

    def intend(self, intent: Intent | None) -> None:
        """Note what is about to take effect together with its record; None: nothing is."""
        with self._state.lock:
            self.held.check()
            self._state.change(self.held, intent=intent)

    # the fence

    @property
    def fence(self) -> str:
        """The name of the fence that stands now."""
        return fences.name(self.held.token, self._number)

    @property
    def next_fence(self) -> str:
        return fences.name(self.held.token, self._number + 1)

    def passed(self) -> None:
        """Note that a request took the fence down and put the next one up."""
        self._number += 1

    def enter(self) -> tuple[Intent, bool | None] | None:
        """Put our fence up, and bring to its end what a former holder left half done.

        Returns the request that was under way, and whether it took effect; None where there was none.
        """
        self._state.complete()
        intent = self.stored.intent
        if intent is None:
            fences.move(self.uninterrupted, self.fence)
            return None
        return intent, self.settle(intent)

    def settle(self, intent: Intent) -> bool | None:
        """Move the fence on, so that the request of `intent` cannot take effect any more; return whether it did.

        None where nothing tells. The record follows what is found. Raises LeaseLost.
        """
        with self._state.lock:
            self.held.confirm()
            verdict = fences.move(self.uninterrupted, self.next_fence, undecided=intent.fence)
            if verdict is None:
                self.commit(intent.unsettled, intent=None)
            else:
                self.commit(intent.documents if verdict else {}, intent=None)
            self._stand_plainly()
            return verdict

    def _stand_plainly(self) -> None:
        """Give the fence its plain name, now that nothing hangs on what it stands after."""
        self._number += 2
        fences.move(self.uninterrupted, self.fence)

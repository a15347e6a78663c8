"""The document `state` in the hands of one run: every change of it is a compare-and-set of what was seen last.

It holds the lease and what is being recorded. So nothing which an old holder sent, however late it arrives, is
recorded; and whatever is recorded is a sign of life as well.
"""

from __future__ import annotations

import threading
from typing import Any

from msgspec.structs import replace

from seedbed.engines.kit.clock import now
from seedbed.engines.kit.lease import HeldLease
from seedbed.engines.opensearch.cluster import Cluster
from seedbed.engines.opensearch.store import history
from seedbed.engines.opensearch.store.history import Stored, VersionedState
from seedbed.engines.opensearch.wire.client import Client
from seedbed.engines.opensearch.wire.errors import NoAnswer, RequestFailed

_ATTEMPTS = 3  # at a change, while its answers get lost


class StateDocument:
    """`state` as it was seen last. Thread-safe; `lock` is held by whoever makes several changes that belong together.

    `uninterrupted`: a client that an interruption does not reach.
    """

    def __init__(self, cluster: Cluster, uninterrupted: Client) -> None:
        self.cluster = cluster
        self.uninterrupted = uninterrupted
        self.lock = threading.RLock()
        self._seen = VersionedState()
        self._is_complete = False  # whether what is pending stands in its documents

    @property
    def stored(self) -> Stored:
        return self._seen.stored

    @property
    def is_there(self) -> bool:
        """Whether there was such a document when it was looked at last."""
        return self._seen.seq_no >= 0

    def look(self, client: Client) -> VersionedState:
        """Return the document as it is this moment; what is changed next has to be that.

        Raises Refused for a newer format, RequestFailed.
        """
        with self.lock:
            self._seen = history.look(self.cluster, client)
            return self._seen

    def store(self, wanted: Stored) -> bool:
        """Replace the document if it is as it was seen last; return whether it was. Raises RequestFailed, NoAnswer."""
        with self.lock:
            after = history.store(self.uninterrupted, self._seen, wanted)
            self._seen = after or self._seen
            return after is not None

    def change(self, held: HeldLease, **fields: Any) -> None:
        """Change `fields` of the document while the lease is ours. Raises LeaseLost, RequestFailed, Unreachable."""
        with self.lock:
            for _ in range(_ATTEMPTS):
                self._require_ours(held)
                if self._is_complete:  # what stands in its documents need not be sent again with every change
                    fields = {"pending": {}, **fields}
                wanted = replace(self.stored, **fields)
                asked = now()
                if self._is_stored(held, wanted):
                    held.renewed(asked)
                    return
            raise held.lost("its document was changed by another process")

    def _is_stored(self, held: HeldLease, wanted: Stored) -> bool:
        """Store the document; return whether it is as `wanted` then. Raises LeaseLost."""
        try:
            if self.store(wanted):
                return True
        except NoAnswer:
            pass
        except RequestFailed as error:
            if error.is_missing:
                raise held.lost("the history is gone") from None
            raise
        found = self.look(self.uninterrupted).stored
        self._require_ours(held)
        return found == wanted  # then it was us, and the answer got lost

    def _require_ours(self, held: HeldLease) -> None:
        """Raise LeaseLost where what was seen last is another's: a change of that would get through."""
        if (self.stored.token, self.stored.holder) != (held.token, held.owner.id):
            raise held.taken()

    def pend(self, held: HeldLease, **fields: Any) -> None:
        """Change `fields`, what is pending among them. `complete` writes that into its documents."""
        with self.lock:
            self.change(held, **fields)
            self._is_complete = False

    def complete(self) -> None:
        """Write what is pending into its documents, where that is not done yet."""
        with self.lock:
            if not self._is_complete:
                history.complete(self.uninterrupted, self.stored)
                self._is_complete = True

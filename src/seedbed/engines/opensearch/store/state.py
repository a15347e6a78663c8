"""The document `state` as one run reads and changes it: every change is a compare-and-set of what was read last.

It holds the lease and the pending changes. So a change that a former holder sent is never recorded, however late it
arrives; and every record is a heartbeat as well.
"""

from __future__ import annotations

import threading
from typing import Any

from msgspec.structs import replace

from seedbed.engines.kit.clock import now
from seedbed.engines.kit.lease import HeldLease
from seedbed.engines.opensearch.cluster import Cluster
from seedbed.engines.opensearch.store import history
from seedbed.engines.opensearch.store.history import TargetState, VersionedState
from seedbed.engines.opensearch.wire.client import Client
from seedbed.engines.opensearch.wire.errors import NoAnswer, RequestFailed

_ATTEMPTS = 3  # at a change, while its answers get lost


class StateDocument:
    """`state` as it was read last. Thread-safe; hold `lock` around changes that belong together.

    `uninterrupted`: a client that an interruption does not stop.
    """

    def __init__(self, cluster: Cluster, uninterrupted: Client) -> None:
        self.cluster = cluster
        self.uninterrupted = uninterrupted
        self.lock = threading.RLock()
        self._seen = VersionedState()
        self._is_complete = False  # whether pending changes are written into their documents

    @property
    def stored(self) -> TargetState:
        return self._seen.stored

    @property
    def exists(self) -> bool:
        """Whether the document existed when it was read last."""
        return self._seen.seq_no >= 0

    def read(self, client: Client) -> VersionedState:
        """Return the document as it is now; the next change compares with it.

        Raises Refused for a newer format, RequestFailed.
        """
        with self.lock:
            self._seen = history.read_state(self.cluster, client)
            return self._seen

    def store(self, wanted: TargetState) -> bool:
        """Replace the document if it is as it was read last; return whether it was. Raises RequestFailed, NoAnswer."""
        with self.lock:
            after = history.write_state(self.uninterrupted, self._seen, wanted)
            self._seen = after or self._seen
            return after is not None

    def change(self, held: HeldLease, **fields: Any) -> None:
        """Change `fields` of the document while the lease is held. Raises LeaseLost, RequestFailed, Unreachable."""
        with self.lock:
            for _ in range(_ATTEMPTS):
                self._require_held(held)
                if self._is_complete:  # written changes need not be sent again
                    fields = {"pending": {}, **fields}
                wanted = replace(self.stored, **fields)
                asked = now()
                if self._is_stored(held, wanted):
                    held.renewed(asked)
                    return
            raise held.lost("another process changes its document")

    def _is_stored(self, held: HeldLease, wanted: TargetState) -> bool:
        """Store the document; return whether it is as `wanted` then. Raises LeaseLost."""
        try:
            if self.store(wanted):
                return True
        except NoAnswer:
            pass
        except RequestFailed as error:
            if error.is_missing:
                raise held.lost("the history was removed") from None
            raise
        found = self.read(self.uninterrupted).stored
        self._require_held(held)
        return found == wanted  # then the write took effect, and its answer was lost

    def _require_held(self, held: HeldLease) -> None:
        """Raise LeaseLost if the document read last has another holder: a change of it would succeed."""
        if (self.stored.token, self.stored.holder) != (held.token, held.owner.id):
            raise held.taken()

    def pend(self, held: HeldLease, **fields: Any) -> None:
        """Change `fields`, among them `pending`. `complete` writes those changes into their documents."""
        with self.lock:
            self.change(held, **fields)
            self._is_complete = False

    def complete(self) -> None:
        """Write pending changes into their documents, unless that is done."""
        with self.lock:
            if not self._is_complete:
                history.write_pending(self.uninterrupted, self.stored)
                self._is_complete = True

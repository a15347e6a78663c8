"""The checkpoint of a reindex: all that a run needs to continue what another run began."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import uuid4

import msgspec

from seedbed.engines.opensearch.running.reindex.states import ReindexState
from seedbed.support.phrases import count, number

Cursors = Mapping[str, int]  # by shard: every document up to this _seq_no is done


class ReindexCheckpoint(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state of a reindex from `source` to `target`, both physical indexes.

    `made` marks the target as created by this reindex. `checksum` and `digest`: of the migration file and of the
    definition of the target; if either has changed, the reindex starts again. `copied` and `compared`: how far
    documents are copied and compared. `task`: of the server, which copies. `done`, `total`: documents that the state is
    done with, and that there are to be; for people.
    """

    source: str
    target: str
    checksum: str
    digest: str
    state: ReindexState = ReindexState.PLANNED
    made: str = msgspec.field(default_factory=lambda: uuid4().hex)
    copied: Cursors = {}
    compared: Cursors = {}
    task: str = ""
    done: int = 0
    total: int = 0

    def to_text(self) -> str:
        return _encode(self).decode()

    def __str__(self) -> str:
        """Return it as text: "lessons-2: filling, 1 200 of 5 000 documents"."""
        if not self.total:
            return f"{self.target}: {self.state}"
        return f"{self.target}: {self.state}, {number(self.done)} of {count(self.total, 'document')}"


def from_text(text: str) -> ReindexCheckpoint | None:
    """Return the checkpoint in `text`; None for a checkpoint of another kind."""
    try:
        return _decode(text)
    except msgspec.MsgspecError:
        return None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ReindexCheckpoint).decode

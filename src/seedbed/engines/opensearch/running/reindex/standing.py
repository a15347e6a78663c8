"""The text of a checkpoint: all that a run has to know to go on where another one ended."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import uuid4

import msgspec

from seedbed.engines.opensearch.running.reindex.states import State

Cursors = Mapping[str, int]  # by shard: every document up to this _seq_no is dealt with


class Standing(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the making of `target`, filled from `source`, stands; both are physical indexes.

    `made` marks the target as this procedure's own. `checksum` and `digest`: of the migration's file and of the
    definition that the target was made from; with others it has to be made again. `copied` and `compared`: how far
    documents are in the target, and how far they were looked at there. `task` fills it on the server.
    """

    source: str
    target: str
    checksum: str
    digest: str
    state: State = State.PLANNED
    made: str = msgspec.field(default_factory=lambda: uuid4().hex)
    copied: Cursors = {}
    compared: Cursors = {}
    task: str = ""

    def to_text(self) -> str:
        return _encode(self).decode()


def from_text(text: str) -> Standing | None:
    """Return what the checkpoint `text` says; None for one that is about something else."""
    try:
        return _decode(text)
    except msgspec.MsgspecError:
        return None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Standing).decode

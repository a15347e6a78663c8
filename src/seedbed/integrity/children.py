"""The ids that refer to others, kept until those that they refer to have been read: in memory, or in a file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from seedbed.integrity.digests import digests
from seedbed.model.ids import Ids

if TYPE_CHECKING:
    from seedbed.integrity.digests import Digests

_LENGTH = 8  # bytes before each block that say how long it is
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Ids).decode


class Children:
    """The ids of one reference, in the order in which they were read.

    Their first `limit` bytes are in memory, what follows is in a file of `directory`.
    """

    def __init__(self, limit: int, directory: str | None = None) -> None:
        self.count = 0
        self.empty = 0
        self._file = tempfile.SpooledTemporaryFile(limit, prefix="seedbed-ids-", dir=directory)  # noqa: SIM115  see close

    def add(self, ids: Ids) -> None:
        """Keep a block."""
        self.count += ids.count
        self.empty += ids.empty
        if ids.count:
            block = _encode(ids)
            self._file.write(len(block).to_bytes(_LENGTH, "big") + block)

    def blocks(self) -> Iterator[tuple[Ids, Digests]]:
        """Yield the blocks again, each with its digests."""
        self._file.seek(0)
        while head := self._file.read(_LENGTH):
            ids = _decode(self._file.read(int.from_bytes(head, "big")))
            yield ids, digests(ids)

    def close(self) -> None:
        """Forget them, and remove their file."""
        self._file.close()

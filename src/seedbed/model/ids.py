"""Ids of a field, as an engine reads them: blocks of what is found in it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

UUID_BYTES = 16


class Ids(Struct, frozen=True):
    """A block of the ids of one field.

    `uuids`: those that the server keeps as UUIDs, 16 bytes each, one after the other. `texts`: all others, as text; a
    UUID among them is the same id as its 16 bytes, however it is written. `rows`: for each of `texts` the key of the
    row that holds it, as text, where the engine needs that to find the row again; empty where it does not.
    `empty`: how many rows of the block have no id.
    """

    uuids: bytes = b""
    texts: Sequence[str] = ()
    rows: Sequence[str] = ()
    empty: int = 0

    @property
    def count(self) -> int:
        """How many ids it has."""
        return len(self.uuids) // UUID_BYTES + len(self.texts)

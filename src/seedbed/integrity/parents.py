"""The ids that may be referred to: a sorted array of their digests, in parts where all of them are too many."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from seedbed.integrity.digests import Digests

    Mask = NDArray[np.bool_]

DIGEST_BYTES = 8
_FIRST = 1 << 16  # digests that there is room for at first


class Parents:
    """Digests of ids, added in any order and looked up once all of them are there.

    At most `limit` bytes of them are in memory, sorted; what goes beyond is in a file of `directory`, and is looked up
    part by part.
    """

    def __init__(self, limit: int, directory: str | None = None) -> None:
        import numpy as np

        self.count = 0
        self._most = max(limit // DIGEST_BYTES, _FIRST)
        self._directory = directory
        self._held = np.empty(_FIRST, dtype=np.uint64)
        self._size = 0
        self._file: IO[bytes] | None = None

    def add(self, digests: Digests) -> None:
        """Add a block of them."""
        self.count += len(digests)
        if self._file is None and self.count > self._most:
            self._spill()
        if self._file is not None:
            self._file.write(digests.tobytes())
            return
        end = self._size + len(digests)
        if end > len(self._held):
            # In place: no moment at which two arrays hold the same.
            self._held.resize(min(max(end, 2 * len(self._held)), self._most), refcheck=False)
        self._held[self._size : end] = digests
        self._size = end

    def parts(self) -> Iterator[Part]:
        """Yield the parts in which they are looked up, one at a time; every digest falls into exactly one."""
        if self._file is None:
            self._held.resize(self._size, refcheck=False)
            self._held.sort()
            yield Part(self._held, 0, 0)
            return
        bits = max(-(-self.count // self._most) - 1, 1).bit_length()
        for number in range(1 << bits):
            yield Part(self._read(bits, number), bits, number)

    def close(self) -> None:
        """Forget them, and remove their file."""
        if self._file is not None:
            self._file.close()

    def _spill(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="seedbed-ids-", dir=self._directory)  # noqa: SIM115  see close
        self._file.write(self._held[: self._size].tobytes())
        self._held.resize(0, refcheck=False)

    def _read(self, bits: int, number: int) -> Digests:
        """Return those whose first `bits` read `number`, sorted."""
        import numpy as np

        assert self._file is not None
        self._file.seek(0)
        found = []
        while block := self._file.read(_BLOCK):
            digests = np.frombuffer(block, dtype=np.uint64)
            found.append(digests[digests >> np.uint64(64 - bits) == number])
        part = np.concatenate(found)
        part.sort()
        return part


_BLOCK = 1 << 20  # bytes


class Part(Struct, frozen=True):
    """The digests, sorted, whose first `bits` read `number`."""

    digests: Digests
    bits: int
    number: int

    def missing(self, digests: Digests) -> Mask:
        """Return which of `digests` fall into this part and are not in it."""
        import numpy as np

        mine = digests
        if self.bits:
            mine = digests[digests >> np.uint64(64 - self.bits) == self.number]
        # Looked up in order: the array is read once, instead of at random.
        ordered = np.sort(mine)
        if not len(self.digests):
            absent = ordered
        else:
            at = np.searchsorted(self.digests, ordered)
            at[at == len(self.digests)] = 0
            absent = ordered[self.digests[at] != ordered]
        return np.isin(digests, absent) if len(absent) else np.zeros(len(digests), dtype=np.bool_)

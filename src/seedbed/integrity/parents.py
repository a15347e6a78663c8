"""The ids that may be referred to: a sorted array of their digests, in parts where all of them are too many."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

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
            self._held.resize(self._size + 1, refcheck=False)
            yield Part(self._held, 0, 0)
            return
        bits = (
            -(-self.count // self._most)
        ).bit_length()  # a part has half of what may be in memory: it is copied
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
        """Return those whose first `bits` read `number`, and room for one more."""
        import numpy as np

        assert self._file is not None
        self._file.seek(0)
        found = []
        while block := self._file.read(_BLOCK):
            digests = np.frombuffer(block, dtype=np.uint64)
            found.append(digests[digests >> np.uint64(64 - bits) == number])
        return np.concatenate([*found, np.zeros(1, dtype=np.uint64)])


_BLOCK = 1 << 20  # bytes; digests, where they are counted


class Part:
    """The digests whose first `bits` read `number`.

    They are sorted, and their next bits name a bucket of which it is known where it begins: digests are spread evenly,
    so that one is found within a few steps from there.
    """

    def __init__(self, digests: Digests, bits: int, number: int) -> None:
        """`digests` has room for one more at its end; the array is the part's own from now on."""
        import numpy as np

        size = len(digests) - 1
        digests[size] = np.iinfo(np.uint64).max  # beyond the last bucket nothing is to be found
        digests.sort()
        self._digests = digests
        self._bits, self._number = np.uint64(bits), number
        wide = max(size.bit_length() - 1, 1)
        self._shift = np.uint64(64 - wide)
        counts = np.zeros((1 << wide) + 1, dtype=np.uint32)
        for first in range(0, size, _BLOCK):
            buckets = self._buckets(digests[first : min(first + _BLOCK, size)])
            least = int(buckets[0])
            of_block = np.bincount((buckets - np.uint64(least)).view(np.int64))
            counts[least + 1 : least + 1 + len(of_block)] += of_block.astype(np.uint32)
        self._starts = np.cumsum(counts, dtype=np.uint32, out=counts)

    def missing(self, digests: Digests) -> Mask:
        """Return which of `digests` fall into this part and are not in it."""
        import numpy as np

        absent = np.zeros(len(digests), dtype=np.bool_)
        which = np.arange(len(digests))
        if self._bits:
            which = which[digests >> (np.uint64(64) - self._bits) == self._number]
            digests = digests[which]
        at = self._starts[self._buckets(digests)].astype(np.intp)
        while len(which):
            found = self._digests[at]
            absent[which[found > digests]] = True
            on = found < digests
            which, digests, at = which[on], digests[on], at[on] + 1
        return absent

    def _buckets(self, digests: Digests) -> Digests:
        return (digests << self._bits) >> self._shift

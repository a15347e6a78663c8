"""Keys that come twice, found in eight bytes a key: a set of them would be larger than the rows that are read."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from itertools import chain

_AT_ONCE = 1 << 20  # keys that are compared at once


def first_repeat(chunks: Callable[[], Iterable[Iterable[Hashable]]]) -> tuple[int, int] | None:
    """Return the numbers, from 0, of a key and of the first one that equals it; None where all of them differ.

    `chunks` begins to yield the keys anew, some at a time, at every call. Their hashes are compared, and the keys
    themselves only where two hashes are the same.
    """
    hashes = array("q")
    for keys in chunks():
        hashes.extend(map(hash, keys))
    repeated = _repeated(hashes)
    if not repeated:
        return None
    seen: dict[Hashable, int] = {}
    for number, key in enumerate(chain.from_iterable(chunks())):
        if hash(key) in repeated and (first := seen.setdefault(key, number)) != number:
            return first, number
    return None


def _repeated(hashes: array[int]) -> set[int]:
    """Return those that are there more than once."""
    found: set[int] = set()
    parts = len(hashes) // _AT_ONCE + 1
    for part in range(parts):
        some = hashes if parts == 1 else [each for each in hashes if each % parts == part]
        if len(set(some)) < len(some):
            found.update(each for each, count in Counter(some).items() if count > 1)
    return found

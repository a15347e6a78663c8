"""Ids as numbers of 64 bits: two that are equal have one digest, two that are not have another but by chance.

The chance that an id is taken for one of n others is n / 2^64: one in 10^11 for an id among 100 million.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from os import urandom
from typing import TYPE_CHECKING
from uuid import UUID

from seedbed.model.ids import UUID_BYTES, UUID_FORM, Ids, is_uuid, same_id

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Digests = NDArray[np.uint64]

_are_uuids = re.compile(f"(?:{UUID_FORM})*").fullmatch
_UUID_LENGTH = 36
# Odd numbers of this process alone, as the key of Python's hash is: who writes ids cannot choose one whose digest is
# that of another one, nor many that lie in one bucket.
_FIRST, _SECOND, _THIRD, _FOURTH, _LAST = (int.from_bytes(urandom(8), "big") | 1 for _ in range(5))


def digests(ids: Ids) -> Digests:
    """Return the digest of each id: those of `uuids`, then those of `texts`."""
    import numpy as np

    parts = [_of_uuids(ids.uuids)] if ids.uuids else []
    if ids.texts:
        parts.append(_of_texts(ids.texts))
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64)


def id_text(ids: Ids, position: int) -> str:
    """Return the id at `position`, in the order of `digests`, as text."""
    uuids = len(ids.uuids) // UUID_BYTES
    if position < uuids:
        return str(UUID(bytes=ids.uuids[position * UUID_BYTES : (position + 1) * UUID_BYTES]))
    return same_id(ids.texts[position - uuids])


def read(ids: Ids, position: int) -> tuple[str, str, str]:
    """Return the id at `position`, the key of the row that holds it, and how it is spelled there.

    The key is empty where the engine does not tell it, the spelling where it is the id's own text.
    """
    at = position - len(ids.uuids) // UUID_BYTES
    id_ = id_text(ids, position)
    if at < 0:
        return id_, "", ""
    return id_, ids.rows[at] if ids.rows else "", ids.texts[at] if ids.texts[at] != id_ else ""


def _of_uuids(packed: bytes) -> Digests:
    import numpy as np

    halves = np.frombuffer(packed, dtype="<u8").reshape(-1, 2)
    mixed = _mixed(halves[:, 0], _FIRST, _SECOND)
    mixed += _mixed(halves[:, 1], _THIRD, _FOURTH)
    mixed += np.uint64(_LAST)  # no UUID has the digest of the empty text for certain
    return mixed


def _mixed(half: Digests, first: int, second: int) -> Digests:
    """Return `half`, mixed so that which bits of it change which of the result is known to nobody else."""
    import numpy as np

    mixed = half * np.uint64(first)
    mixed ^= mixed >> np.uint64(32)
    mixed *= np.uint64(second)
    return mixed


def _of_texts(texts: Sequence[str]) -> Digests:
    import numpy as np

    joined = "".join(texts)
    if len(joined) == _UUID_LENGTH * len(texts) and _are_uuids(joined) and _are_even(texts):
        return _of_uuids(bytes.fromhex(joined.replace("-", "")))
    # Of one process, as all digests are: Python's own hash of a text, keyed anew for each.
    found = np.fromiter(map(hash, texts), dtype=np.int64, count=len(texts)).view(np.uint64)
    at = [position for position, text in enumerate(texts) if is_uuid(text)]
    if at:
        found[at] = _of_uuids(b"".join(UUID(texts[position]).bytes for position in at))
    return found


def _are_even(texts: Sequence[str]) -> bool:
    return set(map(len, texts)) == {_UUID_LENGTH}

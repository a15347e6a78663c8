"""The states of a reindex. Each is recorded before its work begins, so that any run can continue from it.

::

    PLANNED -> FILLING -> CATCHING_UP -> RESTORING -> COMPARING -> CLOSING -> BLOCKING -> BLOCKED -> SWAPPING -> SWAPPED
                                                                      ^          |           |          |
                                                                      +----------+-----------+----------+
                                                                       the block is removed after any failure
"""

from __future__ import annotations

from enum import StrEnum


class ReindexState(StrEnum):
    """What a run is doing. A run that finds one of these recorded cannot know how much of it is done."""

    PLANNED = "planned"  # the next index has a name; it is created
    FILLING = "filling"  # all documents are copied, for the first time
    CATCHING_UP = "catching up"  # later writes are copied, until few are left
    RESTORING = "restoring"  # replicas and refreshes as declared; the index gets green
    COMPARING = "comparing"  # every document is compared, deletes are reconciled
    CLOSING = "closing"  # later writes once more
    BLOCKING = "blocking"  # writes to the current index are blocked
    BLOCKED = "blocked"  # the last writes are copied and compared
    SWAPPING = "swapping"  # all aliases move, in one request
    SWAPPED = "swapped"  # the next index is the current one; older ones are removed


WRITES_BLOCKED = frozenset({ReindexState.BLOCKING, ReindexState.BLOCKED, ReindexState.SWAPPING})

"""Where the making of a next index stands. Each state is recorded before its work begins: any run goes on there.

::

    PLANNED -> FILLING -> CATCHING_UP -> RESTORING -> COMPARING -> CLOSING -> BLOCKING -> BLOCKED -> SWAPPING -> SWAPPED
                                                                      ^          |           |          |
                                                                      +----------+-----------+----------+
                                                                       the block is lifted, on any failure
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """What is being done. A run that finds one of these recorded cannot know how much of it a former run did."""

    PLANNED = "planned"  # the next index has a name; it is made
    FILLING = "filling"  # all documents are copied, for the first time
    CATCHING_UP = "catching up"  # what was written meanwhile is copied, until that is little
    RESTORING = "restoring"  # replicas and refreshes as declared; the index gets green
    COMPARING = "comparing"  # every document is compared, deletes are found
    CLOSING = "closing"  # what was written meanwhile, once more
    BLOCKING = "blocking"  # the present index is closed for writers
    BLOCKED = "blocked"  # the last of it is copied and compared
    SWAPPING = "swapping"  # all aliases move, in one request
    SWAPPED = "swapped"  # the next index is the present one; older ones go


HOLDS_WRITERS = frozenset({State.BLOCKING, State.BLOCKED, State.SWAPPING})

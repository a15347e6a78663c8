"""Places in files, read back from the text that events carry."""

from __future__ import annotations

import re

from seedbed.errors import Location

_PLACE = re.compile(r"(?P<path>.+?)(?::(?P<line>\d+))?(?::(?P<column>\d+))?", re.DOTALL)


def place(text: str) -> Location | None:
    """Return the location that `str()` of one wrote; None for no text."""
    found = _PLACE.fullmatch(text)
    if not found:
        return None
    return Location(found["path"], int(found["line"] or 0), int(found["column"] or 0))

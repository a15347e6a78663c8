"""Groups of a regular expression that are matched once: what they matched is not tried in another way.

`(?:…)*+` says so. Before Python 3.11.5 (Debian 12 has 3.11.2) such a group matches too much or too little where
something inside of it can match in two ways. An atomic group means the same and matches right, but remembers every
repetition until its end: that takes several times as long, and memory.
"""

from __future__ import annotations

import re
from typing import AnyStr

_found = re.match("(?:ab?c)+" + "+", "aca")
_IS_RIGHT = _found is not None and _found.end() == len("ac")


def possessive(repeated: AnyStr) -> AnyStr:
    """Return an expression for `repeated`, a group with its quantifier, that gives nothing back: `(?:a|b)*`."""
    if isinstance(repeated, str):
        return f"{repeated}+" if _IS_RIGHT else f"(?>{repeated})"
    return b"%b+" % repeated if _IS_RIGHT else b"(?>%b)" % repeated

"""What of a server's log says why it did not start: that line first, not the middle of a trace."""

from __future__ import annotations

import re
from collections.abc import Sequence

LINES = 12
_LOOKED_AT = 400  # the last lines of a log
_FRAME = re.compile(r"^\s*(at [\w.$<>/]+\(|\.\.\. \d+ (more|common frames))")
_OWN = "supervisor: "
# From the most to the least telling; of each kind the last line counts: causes are told from the outside to the inside.
_TELLING = tuple(
    re.compile(each)
    for each in (
        r"^Caused by: ",
        r"\b(FATAL|PANIC)\b",
        r"\b(ERROR|SEVERE)\b|\b\w+(Exception|Error)\b: ",
        r"(?i)\berror\b",
    )
)


def reason(text: str) -> str:
    """Return the line of a log that tells most, then the last of the others, without the frames of traces."""
    lines = [each.rstrip() for each in text.splitlines()[-_LOOKED_AT:]]
    lines = [each for each in lines if each and not _FRAME.match(each)]
    first = _most_telling(lines)
    if first is None:
        return "\n".join(lines[-LINES:])
    others = [each for index, each in enumerate(lines) if index != first][-(LINES - 1) :]
    return "\n".join([lines[first].removeprefix("Caused by: "), *others])


def _most_telling(lines: Sequence[str]) -> int | None:
    for kind in _TELLING:
        found = [index for index, each in enumerate(lines) if kind.search(each) and not each.startswith(_OWN)]
        if found:
            return found[-1]
    return None

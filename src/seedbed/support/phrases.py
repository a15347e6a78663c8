"""Numbers, durations, lists and long values, as they stand in a sentence that people read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

LINE = 80  # characters of a summary, at most
DAY = 86_400.0  # seconds


def number(value: int) -> str:
    """Return `value` with its thousands set apart: `12 400`.

    By an ordinary space: in a terminal every space is one cell wide, and this one can be searched for.
    """
    return f"{value:,}".replace(",", " ")


def count(value: int, one: str, many: str = "") -> str:
    """Return `1 row`, `12 400 rows`; `many` where an s does not do."""
    return f"{number(value)} {one if value == 1 else many or one + 's'}"


def size(value: int) -> str:
    """Return `820 bytes`, `12.5 kB`, `1.2 TB`."""
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= unit:
            return f"{value / unit:.1f} {name}"
    return count(value, "byte")


def moment(at: datetime) -> str:
    """Return `2026-11-28 10:00 UTC`."""
    return f"{at.astimezone(UTC) if at.tzinfo else at:%Y-%m-%d %H:%M} UTC"


def units_words(units: float) -> str:
    """Return `0.5 read units`, `1 read unit`, `12 400 read units`: of a few, halves too, so that they add up."""
    few = round(units, 1)
    if few < 10 and few != int(few):
        return f"{few} read units"
    return count(round(units), "read unit")


def duration(seconds: float) -> str:
    """Return `12 ms`, `3.4 s`, `2 min 5 s`, `1 h 3 min`, `2 d 4 h`.

    Rounded before the units are chosen: there is no `60 s` and no `1000 ms`.
    """
    milliseconds = round(seconds * 1000)
    if milliseconds < 1:
        return "<1 ms"
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if round(seconds, 1) < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    hours = round(seconds / 3600)
    return f"{number(hours // 24)} d {hours % 24} h"


def whole_hours(seconds: float) -> str:
    """Return `24 h` and no `1 d 0 h`, as the manifest says how long something holds; else as `duration` does."""
    return f"{seconds / 3600:.0f} h" if seconds and seconds % 3600 == 0 else duration(seconds)


def ago(seconds: float) -> str:
    """Return `12 minutes ago`, in the largest unit of which there is one; `just now` for less than a second."""
    for length, unit in ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= length:
            return f"{count(int(seconds // length), unit)} ago"
    return "just now"


def listed(words: Sequence[str], most: int = 5, *, separator: str = ", ") -> str:
    """Return `words` with a separator between them; of many the first `most`, and how many more there are.

    It never says `and 1 more`: the one that is left takes no more room than that.
    """
    if len(words) <= most + 1:
        return separator.join(words)
    rest = f"and {number(len(words) - most)} more"
    shown = separator.join(words[:most])
    return f"{shown} {rest}" if separator == ", " else f"{shown}{separator}{rest}"


def shorten(text: str, width: int) -> str:
    """Return `text` in at most `width` characters, with an ellipsis where it was cut."""
    return text if len(text) <= width else text[: width - 1].rstrip(" ,") + "…"


def one_line(text: str, width: int = LINE) -> str:
    """Return `text` on one line of at most `width` characters, its blanks and line ends single spaces."""
    return shorten(flat(text), width)


def flat(text: str) -> str:
    """Return `text` on one line, whole, its blanks and line ends single spaces."""
    return " ".join(text.split())


def flat_without(text: str, cut: Iterable[tuple[int, int]]) -> str:
    """Return `text` on one line without the parts `cut` out of it, from one character up to another, in order."""
    kept, begin = [], 0
    for start, end in cut:
        kept.append(text[begin:start])
        begin = end
    return flat(" ".join((*kept, text[begin:])))


_LITERAL = re.compile("'(?:[^']|'')*'?")
_NEAR = 64  # characters of a line that is pointed at


def _blotted(literal: re.Match[str]) -> str:
    length = len(literal[0])
    closing = "'" if length > 1 and literal[0].endswith("'") else ""
    return "'" + "…" * (length - 1 - len(closing)) + closing


def pointed_at(text: str, offset: int) -> str:
    """Return the line of `text` in which character `offset` stands, and a caret below it.

    Of a long line, what is near. What is in quotes may be a secret, and is left out.
    """
    begin = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    line = text[begin : end if end >= 0 else len(text)].replace("\t", " ")
    line = _LITERAL.sub(_blotted, line)
    at = offset - begin
    first = max(0, min(at - _NEAR // 2, len(line) - _NEAR))
    shown, caret = line[first : first + _NEAR], at - first
    bare = shown.lstrip()
    caret = max(caret - (len(shown) - len(bare)), 0)
    return f"{bare.rstrip()}\n{' ' * caret}^"

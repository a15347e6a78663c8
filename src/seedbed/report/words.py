"""Numbers and durations, as people read them."""

from __future__ import annotations

from collections.abc import Sequence


def number(value: int) -> str:
    """Return `value` with its thousands set apart: `12 400`.

    By an ordinary space: in a terminal every space is one cell wide, and this one can be searched for.
    """
    return f"{value:,}".replace(",", " ")


def count(value: int, one: str, many: str = "") -> str:
    """Return `1 row`, `12 400 rows`; `many` where an s does not do."""
    return f"{number(value)} {one if value == 1 else many or one + 's'}"


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


def and_so_on(words: Sequence[str], most: int = 5) -> str:
    """Return `words` with commas between them; beyond `most`, only how many more there are."""
    if len(words) <= most + 1:
        return ", ".join(words)
    return f"{', '.join(words[:most])} and {number(len(words) - most)} more"

"""What a person probably meant."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the one of `known` that `word` resembles most, or ""."""
    from difflib import get_close_matches  # only who mistyped pays for it

    return next(iter(get_close_matches(word[:64], list(known), n=1)), "")


def suggestion(word: str, known: Iterable[str], *, nothing: str) -> str:
    """Return a hint: the likely word, or all of `known`, or `nothing` where there are none."""
    names = list(known)
    likely = did_you_mean(word, names)
    if likely:
        return f"did you mean {likely}?"
    return f"one of {', '.join(names)}" if names else nothing

"""What a person probably meant."""

from __future__ import annotations

from collections.abc import Iterable

_LONGEST = 64  # characters that are compared: what takes long to compare is no slip of the hand


def guess(word: str, known: Iterable[str]) -> str:
    """Return the one of `known` that `word` resembles most, in whatever case, or ""."""
    from difflib import get_close_matches  # only who mistyped pays for it

    names: dict[str, str] = {}
    for name in known:
        names.setdefault(name.lower(), name)
    likely = get_close_matches(word[:_LONGEST].lower(), list(names), n=1)
    return names[likely[0]] if likely else ""


def guess_path(word: str, known: Iterable[str]) -> str:
    """Return the one of `known`, names in parts such as `user/postgres`, that `word` or its first part resembles."""
    names = list(known)
    if likely := guess(word, names):
        return likely
    first = guess(word.partition("/")[0], [each.partition("/")[0] for each in names])
    return next((each for each in names if first and each.partition("/")[0] == first), "")


def did_you_mean(word: str, known: Iterable[str], *, otherwise: str = "") -> str:
    """Return a hint that names what `word` resembles: "did you mean staging?"; `otherwise` where it is nothing."""
    likely = guess(word, known)
    return f"did you mean {likely}?" if likely else otherwise


def suggestion(word: str, known: Iterable[str], *, nothing: str) -> str:
    """Return a hint: the likely word, or all of `known`, or `nothing` where there are none."""
    names = list(known)
    return did_you_mean(word, names, otherwise=f"one of {', '.join(names)}" if names else nothing)

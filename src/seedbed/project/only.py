"""What of all that can be verified was named: references by the field that refers, expectations by name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from seedbed.errors import UsageError
from seedbed.model.platform import ALL, Expectation, Reference
from seedbed.support.guess import guess
from seedbed.support.phrases import listed

_SHOWN = 12  # names in a message


def chosen(
    references: Sequence[Reference], expectations: Sequence[Expectation], patterns: Sequence[str]
) -> tuple[tuple[Reference, ...], tuple[Expectation, ...]]:
    """Return those of `references` and `expectations` that `patterns` name, all where there are none.

    In a pattern `*` stands for any letters and `?` for one: "payment/postgres:*". A field without its condition means
    its references under all conditions. Raises UsageError for a pattern that names nothing.
    """
    if not patterns:
        return tuple(references), tuple(expectations)
    everything: list[Reference | Expectation] = [*references, *expectations]
    for each in patterns:
        if not any(_is_named(each, one) for one in everything):
            names = [next(_names(one)) for one in everything]
            likely = guess(each, names)
            raise UsageError(
                f"there is no reference or expectation {each}",
                because=f"declared are {listed(names, most=_SHOWN)}",
                try_=f"did you mean {likely}?"
                if likely
                else f"name one of them, or a pattern: {_pattern(names)}",
            )
    return (
        tuple(one for one in references if any(_is_named(each, one) for each in patterns)),
        tuple(one for one in expectations if any(_is_named(each, one) for each in patterns)),
    )


def _pattern(names: Sequence[str]) -> str:
    """Return an example of a pattern."""
    database, colon, _ = names[0].partition(":")
    return f'"{database}:*"' if colon else f'"{names[0].partition(" ")[0]} *"'


def _is_named(pattern: str, one: Reference | Expectation) -> bool:
    regex = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return any(re.fullmatch(regex, each, re.DOTALL) for each in _names(one))


def _names(one: Reference | Expectation) -> Iterator[str]:
    if isinstance(one, Expectation):
        yield one.name
        return
    yield str(one.from_)
    yield str(replace(one.from_, where=ALL))

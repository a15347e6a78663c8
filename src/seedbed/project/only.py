"""What of all that can be verified somebody named: references by the field that refers, or by a pattern of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from seedbed.errors import UsageError
from seedbed.model.platform import ALL, Reference
from seedbed.support.guess import guess
from seedbed.support.phrases import listed

_SHOWN = 12  # names in a message


def chosen(references: Sequence[Reference], patterns: Sequence[str]) -> tuple[Reference, ...]:
    """Return those of `references` that `patterns` name, all where there are none. Raises UsageError.

    In a pattern `*` stands for any letters and `?` for one: "payment/postgres:*". A field without its condition means
    its references under all conditions.
    """
    if not patterns:
        return tuple(references)
    for each in patterns:
        if not any(_is_named(each, reference) for reference in references):
            names = [str(reference.from_) for reference in references]
            likely = guess(each, names)
            raise UsageError(
                f"there is no reference {each}",
                because=f"declared are {listed(names, most=_SHOWN)}",
                try_=f"did you mean {likely}?"
                if likely
                else f'name its from, or a pattern: "{references[0].from_.database}:*"',
            )
    return tuple(one for one in references if any(_is_named(each, one) for each in patterns))


def _is_named(pattern: str, reference: Reference) -> bool:
    regex = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return any(re.fullmatch(regex, each, re.DOTALL) for each in _names(reference))


def _names(reference: Reference) -> Iterator[str]:
    yield str(reference.from_)
    yield str(replace(reference.from_, where=ALL))

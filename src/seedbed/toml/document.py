"""A whole file as one struct: its keys, its types, and then what its owner would refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from msgspec import Struct

from seedbed.errors import UsageError
from seedbed.support.phrases import listed
from seedbed.toml.lines import KeyPath
from seedbed.toml.problems import convert, require_known, unknown_keys
from seedbed.toml.text import Text

T = TypeVar("T")
_LISTED = 4  # other problems that an error names


class Problem(Struct, frozen=True):
    """What would be refused, and where in the file that stands."""

    at: KeyPath
    what: str
    because: str
    try_: str = ""


def read_document(text: Text, type_: type[T], problems: Callable[[T], Iterable[Problem]]) -> T:
    """Return `text` as a `type_` that has no `problems`. Raises UsageError, at the first of them by line."""
    try:
        document: T = convert(text, text.data, type_, ())
    except UsageError:
        # a mistyped key is more likely an error's cause than its effect, and one run tells about all of them
        require_known(text, unknown_keys(text.data, type_, ()))
        raise
    _refuse(text, problems(document))
    return document


def _refuse(text: Text, problems: Iterable[Problem]) -> None:
    found = sorted(problems, key=lambda each: text.offset(each.at))
    if found:
        first, *others = found
        also = [f"line {text.line(each.at)}: {each.what}" for each in others]
        because = first.because + (f"; also {listed(also, _LISTED)}" if also else "")
        raise text.error(first.what, at=first.at, because=because, try_=first.try_)

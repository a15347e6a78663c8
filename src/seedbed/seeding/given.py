"""What the readers of files have in common."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from seedbed.errors import Location, SeedFileError


class Given(Struct, frozen=True):
    """Named values and the line on which they stand: a row before anyone checked it against the others.

    `is_plain`: the values are of the types that every engine knows, hold no reference, and nobody changes them.
    """

    line: int
    values: Mapping[str, object]
    is_plain: bool = False


def error(path: str, line: int, what: str, because: str = "", try_: str = "") -> SeedFileError:
    """Return the error about a place in a seed's file; line 0 is unknown."""
    return SeedFileError(what, because=because, try_=try_, at=Location(path, line))

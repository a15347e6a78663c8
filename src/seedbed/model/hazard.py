"""Hazards: reasons why a migration may hurt, each with a code that the documentation explains."""

from __future__ import annotations

from msgspec import Struct


class Hazard(Struct, frozen=True):
    """One reason why a migration may hurt.

    `code`: "NEO201", two or three letters for the engine and a number. `what`: what the migration does, in words.
    `because`: what that may do to whom. `try_`: the way round it. `line`: of the statement in the file, 0 where there
    is none. `refused`: a protected environment refuses it, unless the file allows it: `allow=CODE because "…"`.
    """

    code: str
    what: str
    because: str = ""
    try_: str = ""
    line: int = 0
    refused: bool = False


class Allowance(Struct, frozen=True):
    """A hazard that the author of a migration takes, and why."""

    code: str
    because: str

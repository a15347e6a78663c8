"""Hazards: reasons why a migration may hurt, each with a code that the documentation explains."""

from __future__ import annotations

from msgspec import Struct

PAGE = "reference/hazards.md"  # in the documentation


class Hazard(Struct, frozen=True):
    """One reason why a migration may hurt.

    `code`: "NEO201", two or three letters for the engine and a number. `what`: what the migration does, as text.
    `because`: what that may do to whom. `try_`: the way round it. `line`: of the statement in the file, 0 where there
    is none. `refused`: a protected environment refuses it, unless the file allows it: `allow=CODE because "…"`;
    `in_base`: one that lies in a base does, and there alone it is looked for.
    `fails`: the target rejects it as it is now. `final`: it is not done, whatever the file allows.
    """

    code: str
    what: str
    because: str = ""
    try_: str = ""
    line: int = 0
    refused: bool = False
    fails: bool = False
    in_base: bool = False
    final: bool = False


class HazardRule(Struct, frozen=True):
    """What a code stands for in every migration; a `Hazard` is one case of it.

    `title`: what a migration does, in a few words. `why`: what that may do, and to whom. `instead`: what to do. The
    latter two are clauses without a full stop, as messages have them. `refused`: a protected environment refuses it.
    `refused_if`: it does so in these cases only, "it changes nodes". `fails`: it cannot be carried out. `in_base`: it
    is looked for where the database lies on the server of a base, and refused there. `final`: no file can allow it.
    """

    code: str
    title: str
    why: str
    instead: str
    refused: bool = False
    refused_if: str = ""
    fails: bool = False
    in_base: bool = False
    final: bool = False

    def hazard(
        self, what: str, *, because: str = "", try_: str = "", line: int = 0, refused: bool | None = None
    ) -> Hazard:
        """Return a case of this rule; what is not given is as the rule has it."""
        is_refused = self.refused if refused is None else refused
        return Hazard(
            self.code,
            what,
            because or self.why,
            try_ or self.instead,
            line,
            is_refused,
            self.fails,
            self.in_base,
            self.final,
        )


class Allowance(Struct, frozen=True):
    """A hazard that the author of a migration takes, and why."""

    code: str
    because: str


def section(code: str) -> str:
    """Return where the documentation explains `code`: "reference/hazards.md#neo201"."""
    return f"{PAGE}#{code.lower()}"

"""Which tables a migration makes, and which it needs. Pure."""

from __future__ import annotations

from seedbed.model.hazard import Hazard
from seedbed.model.migration import Migration
from seedbed.model.ownership import Mention, Named
from seedbed.testing.reference.language import read

NAMES_OTHERS = "MEM201"
_NO_TABLE = {"pause", "fail"}


def named(migration: Migration) -> Named:
    """Return what the up section of `migration` makes and needs."""
    makes: set[str] = set()
    needs: dict[str, Mention] = {}
    for step in migration.up:
        for each in read(step.body, step.line):
            if each.kind == "create":
                makes.add(each.op[1])
            elif each.kind not in _NO_TABLE and each.op[1] not in makes:
                needs.setdefault(each.op[1], Mention((each.op[1],), each.line))
    return Named(frozenset(makes), tuple(needs.values()))


def foreign(mention: Mention, name: str, owner: str) -> Hazard:
    """Return the hazard that `mention` is `name`, a table of `owner`."""
    return Hazard(
        NAMES_OTHERS,
        f"names {name}, a table of {owner}",
        "it changes without a look at this migration",
        "ask the service that owns it",
        mention.line,
        refused=True,
    )

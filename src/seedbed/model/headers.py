"""What the facts of every migration may say, whatever language it is in."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from msgspec import Struct

from seedbed.errors import Location, MigrationFileError
from seedbed.model.facts import Fact, unknown_fact
from seedbed.model.hazard import Allowance
from seedbed.model.migration import Irreversibility, MigrationRef, Phase

COMMON = frozenset({"after", "allow", "overtake", "phase", "reverse"})
REASONED = frozenset({"allow", "repeatable", "reverse"})  # whoever reads them later wants to know why

_CODE = re.compile(r"[A-Z]+[0-9]+")


class Header(Struct, frozen=True):
    """The facts that all engines share, checked."""

    phase: Phase = Phase.EXPAND
    after: tuple[MigrationRef, ...] = ()
    overtakes: tuple[str, ...] = ()
    irreversible: Irreversibility | None = None
    allows: tuple[Allowance, ...] = ()


def read_common(facts: Sequence[Fact], path: str, *, own: Collection[str] = ()) -> Header:
    """Return what the shared ones among `facts` say; `own` are the keys that the engine reads by itself.

    Raises MigrationFileError for a key that neither knows, a value that is not understood, a reason that is missing.
    """
    known = COMMON | set(own)
    for fact in facts:
        if fact.key not in known:
            raise unknown_fact(fact, known, path)
        require_reason(fact, path)
    single = {each.key: each for each in facts}
    reverse = single.get("reverse")
    require_form(reverse is None or reverse.value == "none", reverse, path, 'reverse=none because "…"')
    return Header(
        phase=_phase(single.get("phase"), path),
        after=tuple(_ref(each, path) for each in facts if each.key == "after"),
        overtakes=tuple(dict.fromkeys(_overtake(each, path) for each in facts if each.key == "overtake")),
        irreversible=Irreversibility(reverse.because) if reverse else None,
        allows=tuple(_allowance(each, path) for each in facts if each.key == "allow"),
    )


def require_form(condition: bool, fact: Fact | None, path: str, form: str) -> None:
    """Raise MigrationFileError, saying how `fact` should read, unless `condition` holds."""
    if not condition:
        line = fact.line if fact else 0
        raise MigrationFileError(
            f"`{fact}` is not understood", because=f"it reads {form}", at=Location(path, line)
        )


def require_reason(fact: Fact, path: str) -> None:
    """Raise MigrationFileError where a fact that needs a reason gives none."""
    if fact.key in REASONED and not fact.because:
        raise MigrationFileError(
            f"`{fact}` gives no reason",
            because="whoever reads it later wants one",
            try_=f'{fact} because "…"',
            at=Location(path, fact.line),
        )


def _phase(fact: Fact | None, path: str) -> Phase:
    if fact is None:
        return Phase.EXPAND
    require_form(fact.value in set(Phase), fact, path, f"phase={'|'.join(Phase)}")
    return Phase(fact.value)


def _ref(fact: Fact, path: str) -> MigrationRef:
    database, _, version = fact.value.rpartition(":")
    require_form(bool(version) and "/" in database.strip("/"), fact, path, "after=service/engine:version")
    return MigrationRef(database, version)


def _overtake(fact: Fact, path: str) -> str:
    require_form(bool(fact.value), fact, path, "overtake=VERSION")
    return fact.value


def _allowance(fact: Fact, path: str) -> Allowance:
    require_form(_CODE.fullmatch(fact.value) is not None, fact, path, 'allow=ABC201 because "…"')
    return Allowance(fact.value, fact.because)

"""What the directives of every migration may say, whatever language it is in."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import partial

from msgspec import Struct

from seedbed.errors import Location, MigrationFileError, collected
from seedbed.model.directives import Directive, unknown_directive
from seedbed.model.hazard import Allowance
from seedbed.model.migration import Irreversibility, MigrationRef, Phase, Postcondition

COMMON = frozenset({"after", "allow", "expect", "irreversible", "overtake", "phase"})
REASONED = frozenset({"allow", "irreversible", "repeatable"})  # each needs a `because`

_CODE = re.compile(r"[A-Z]+[0-9]+")


class Header(Struct, frozen=True):
    """The directives that all engines share, checked."""

    phase: Phase = Phase.EXPAND
    after: tuple[MigrationRef, ...] = ()
    overtakes: tuple[str, ...] = ()
    irreversible: Irreversibility | None = None
    allows: tuple[Allowance, ...] = ()
    postconditions: tuple[Postcondition, ...] = ()


def read_common(directives: Sequence[Directive], path: str, *, own: Collection[str] = ()) -> Header:
    """Return what the shared ones among `directives` say; `own` are the keys that the engine reads by itself.

    Raises a MigrationFileError for each that neither knows, whose value is not understood or whose reason is missing.
    """
    known = COMMON | set(own)
    collected(partial(_require_good, each, known, path) for each in directives)
    single = {each.key: each for each in directives}
    irreversible = single.get("irreversible")
    return Header(
        phase=Phase(single["phase"].value) if "phase" in single else Phase.EXPAND,
        after=tuple(_ref(each, path) for each in directives if each.key == "after"),
        overtakes=tuple(dict.fromkeys(each.value for each in directives if each.key == "overtake")),
        irreversible=Irreversibility(irreversible.because) if irreversible else None,
        allows=tuple(Allowance(each.value, each.because) for each in directives if each.key == "allow"),
        postconditions=tuple(
            Postcondition(each.value, each.because, each.line) for each in directives if each.key == "expect"
        ),
    )


def _require_good(directive: Directive, known: Collection[str], path: str) -> None:
    """Raise MigrationFileError for a directive that is not known, gives no reason, or says what is not understood."""
    if directive.key not in known:
        raise unknown_directive(directive, known, path)
    require_reason(directive, path)
    match directive.key:
        case "irreversible":
            require_form(not directive.value, directive, path, 'irreversible because "…"')
        case "phase":
            require_form(directive.value in set(Phase), directive, path, f"phase={'|'.join(Phase)}")
        case "expect":
            require_form(bool(directive.value), directive, path, 'expect="SELECT …" because "…"')
        case "after":
            _ref(directive, path)
        case "overtake":
            require_form(bool(directive.value), directive, path, "overtake=VERSION")
        case "allow":
            form = 'allow=ABC201 because "…"'
            require_form(_CODE.fullmatch(directive.value) is not None, directive, path, form)


def require_form(condition: bool, directive: Directive | None, path: str, form: str) -> None:
    """Raise MigrationFileError, saying how `directive` should read, unless `condition` holds."""
    if not condition:
        line = directive.line if directive else 0
        raise MigrationFileError(
            f"`{directive}` is not understood", because=f"it reads {form}", at=Location(path, line)
        )


def require_reason(directive: Directive, path: str) -> None:
    """Raise MigrationFileError where a directive that needs a reason gives none."""
    if directive.key in REASONED and not directive.because:
        raise MigrationFileError(
            f"`{directive}` gives no reason",
            because="this directive requires one",
            try_=f'{directive} because "…"',
            at=Location(path, directive.line),
        )


def _ref(directive: Directive, path: str) -> MigrationRef:
    database, _, version = directive.value.rpartition(":")
    require_form(
        bool(version) and "/" in database.strip("/"), directive, path, "after=service/engine:version"
    )
    return MigrationRef(database, version)

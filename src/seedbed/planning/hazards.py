"""Which hazards an environment refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from seedbed.errors import Hint, Refused, call
from seedbed.model.hazard import Hazard
from seedbed.model.migration import Migration
from seedbed.model.plan import Plan


def require_allowed_hazards(plan: Plan) -> None:
    """Raise Refused, naming all of them, if `plan` has hazards that a protected environment does not take."""
    _require_none(plan, "is protected", lambda hazard: hazard.refused)


def require_own_database(plan: Plan) -> None:
    """Raise Refused, naming all of them, if `plan` has hazards that an environment in a base does not take."""
    _require_none(plan, "lies in a base", lambda hazard: hazard.in_base)


def _require_none(plan: Plan, because: str, refuses: Callable[[Hazard], bool]) -> None:
    refused = list(_refused(plan, refuses))
    found = [
        f"{database}:{migration.label}: {_place(hazard)}{hazard.code}, {hazard.what}"
        for database, migration, hazard in refused
    ]
    if found:
        codes = sorted({hazard.code for _, _, hazard in refused if not hazard.final})
        allowing = (
            ", or allow it in the file with a reason: ",
            ", ".join(f'allow={code} because "…"' for code in codes),
        )
        raise Refused(
            f"{plan.environment} {because}, and does not accept "
            + ("this hazard" if len(found) == 1 else f"these {len(found)} hazards"),
            because="\n           ".join(found),
            try_=Hint(
                "take the way round that ",
                call("plan", about_all=True),
                " names",
                *(allowing if codes else ()),
            ),
        )


def is_taken(migration: Migration, hazard: Hazard) -> bool:
    """Return whether the author of `migration` takes `hazard`, and said why; what is final, nobody takes."""
    return not hazard.final and any(each.code == hazard.code for each in migration.allows)


def _refused(plan: Plan, refuses: Callable[[Hazard], bool]) -> Iterator[tuple[str, Migration, Hazard]]:
    for database in plan.databases:
        for action in database.actions:
            for hazard in database.hazards.get(action.migration.version, ()):
                if refuses(hazard) and not is_taken(action.migration, hazard):
                    yield database.database, action.migration, hazard


def _place(hazard: Hazard) -> str:
    return f"line {hazard.line}: " if hazard.line else ""

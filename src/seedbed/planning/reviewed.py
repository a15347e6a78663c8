"""A plan that somebody reviewed, read back from its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from seedbed.errors import Location, StalePlan, UsageError
from seedbed.model.deployment import Change
from seedbed.model.migration import Phase
from seedbed.planning.plans import Known, Policy, basis

SCHEMA = "seedbed/plan/1"


class ReviewedPlan(Struct, frozen=True):
    """What a plan file binds a run to: the environment, the policy, and the states each database may be in.

    `changes`: by database, what of its infrastructure may change, in words.
    """

    path: str
    environment: str
    gate: Phase
    to: str | None
    out_of_order: bool
    basis: Mapping[str, tuple[str, ...]]
    changes: Mapping[str, tuple[str, ...]] = {}


def read(document: Any, path: str) -> ReviewedPlan:
    """Return the plan in `document`. Raises UsageError where it is no plan, or one of another format."""
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise UsageError(
            "this is not a plan that this seedbed can apply",
            because=f'a plan file says "schema": "{SCHEMA}"',
            try_="seedbed plan -e … --out plan.json",
            at=Location(path),
        )
    try:
        if document["direction"] != "up":
            raise KeyError("direction")
        return ReviewedPlan(
            path,
            str(document["environment"]),
            Phase(document["gate"]),
            None if document["to"] is None else str(document["to"]),
            bool(document["out_of_order"]),
            {str(each["database"]): tuple(map(str, each["basis"])) for each in document["databases"]},
            {
                str(each["database"]): tuple(
                    _words(one["phase"], one["what"]) for one in each.get("changes", ())
                )
                for each in document["databases"]
            },
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            "the plan file is damaged",
            because=f"{error} is missing or wrong",
            try_="make it anew",
            at=Location(path),
        ) from None


def refuse_stale(plan: ReviewedPlan, known: Known, policy: Policy) -> None:
    """Raise StalePlan unless the database is in a state that the plan itself passes through."""
    if basis(known, policy) in plan.basis.get(known.database, ()):
        return
    raise StalePlan(
        f"the plan no longer fits {known.database}",
        because="its history, its files or the policy are no longer what they were when the plan was made",
        try_=f"make and review it anew: seedbed plan -e {plan.environment} --out {plan.path}",
        at=Location(plan.path),
    )


def refuse_other_changes(plan: ReviewedPlan, database: str, changes: Sequence[Change]) -> None:
    """Raise StalePlan if a deployment would change more than was reviewed; less is what is left of it."""
    known = plan.changes.get(database, ())
    other = [each.what for each in changes if _words(each.phase.value, each.what) not in known]
    if other:
        raise StalePlan(
            f"the plan no longer fits {database}",
            because=f"a deployment would now change what nobody has reviewed: {'; '.join(other)}",
            try_=f"make and review it anew: seedbed plan -e {plan.environment} --out {plan.path}",
            at=Location(plan.path),
        )


def _words(phase: str, what: str) -> str:
    return f"{phase} {what}"

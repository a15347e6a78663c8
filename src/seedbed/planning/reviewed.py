"""A plan that somebody reviewed, read back from its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import DecodeError, Struct
from msgspec.json import decode

from seedbed.errors import Location, StalePlan, UsageError
from seedbed.model.deployment import Change
from seedbed.model.migration import Direction, Phase
from seedbed.planning.plans import DatabaseState, Policy, basis

if TYPE_CHECKING:  # few runs read a plan file
    from seedbed.documents.plan import PlanDocument

_MAKE = "seedbed plan -e … --out plan.json"


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


def read(data: bytes, path: str) -> ReviewedPlan:
    """Return the plan that the bytes of the file `path` hold. Raises UsageError where they are no plan to apply."""
    plan = _decoded(data, path)
    if plan.direction is not Direction.UP:
        raise UsageError(
            "this is a plan to revert, and only one to apply is carried out from a file",
            because="a revert is planned anew where it is run",
            try_=f"seedbed revert -e {plan.environment}",
            at=Location(path),
        )
    return ReviewedPlan(
        path,
        plan.environment,
        plan.gate,
        plan.to,
        plan.out_of_order,
        {each.database: each.basis for each in plan.databases},
        {
            each.database: tuple(_words(one.phase, one.what) for one in each.changes)
            for each in plan.databases
        },
    )


class _Head(Struct):
    schema: str = ""


def _decoded(data: bytes, path: str) -> PlanDocument:
    """Return the document, of which every field is known, there, and of the type that it has to be.

    A plan is read before any thread is started: two of them must not read into one type for the first time.
    """
    from seedbed.documents.plan import PlanDocument

    wanted = PlanDocument.__struct_config__.tag
    try:
        if decode(data, type=_Head).schema != wanted:
            raise UsageError(
                "this is not a plan that this seedbed can apply",
                because=f'a plan file says "schema": "{wanted}"',
                try_=_MAKE,
                at=Location(path),
            )
        return decode(data, type=PlanDocument)
    except (DecodeError, ValueError, RecursionError) as error:
        raise UsageError(
            "the plan file is damaged, or was written by another version of seedbed",
            because=str(error),
            try_=f"make it anew: {_MAKE}",
            at=Location(path),
        ) from None


def require_current(plan: ReviewedPlan, known: DatabaseState, policy: Policy) -> None:
    """Raise StalePlan unless the database is in a state that the plan itself passes through."""
    if basis(known, policy) in plan.basis.get(known.database, ()):
        return
    raise StalePlan(
        f"the plan no longer fits {known.database}",
        because="its history, its files or the policy are no longer what they were when the plan was made",
        try_=f"make and review it anew: seedbed plan -e {plan.environment} --out {plan.path}",
        at=Location(plan.path),
    )


def require_same_changes(plan: ReviewedPlan, database: str, changes: Sequence[Change]) -> None:
    """Raise StalePlan if a deployment would change more than was reviewed; less is what is left of it."""
    known = plan.changes.get(database, ())
    other = [each.what for each in changes if _words(each.phase, each.what) not in known]
    if other:
        raise StalePlan(
            f"the plan no longer fits {database}",
            because=f"a deployment would now change what was not reviewed: {'; '.join(other)}",
            try_=f"make and review it anew: seedbed plan -e {plan.environment} --out {plan.path}",
            at=Location(plan.path),
        )


def _words(phase: Phase, what: str) -> str:
    return f"{phase.value} {what}"

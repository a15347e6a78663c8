"""What is asked of an apply."""

from __future__ import annotations

from msgspec import Struct

from seedbed.model.migration import Phase
from seedbed.planning.reviewed import ReviewedPlan


class Request(Struct, frozen=True):
    """How far an apply may go. `reviewed`: the plan that binds it; `unreviewed`: go on without one anywhere."""

    gate: Phase = Phase.CONTRACT
    to: str | None = None
    out_of_order: bool = False
    reviewed: ReviewedPlan | None = None
    unreviewed: bool = False

    @classmethod
    def of(cls, plan: ReviewedPlan) -> Request:
        """Return the request that carries out a reviewed plan and nothing else."""
        return cls(plan.gate, plan.to, plan.out_of_order, plan)

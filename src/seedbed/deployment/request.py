"""What is asked of a deployment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct, field

from seedbed.model.migration import Phase
from seedbed.planning.reviewed import ReviewedPlan

A_DAY = 86_400.0  # seconds


class DeployRequest(Struct, frozen=True):
    """How far a deployment may go, and how. `services`: which were selected, none: all.

    `reviewed`: the plan that binds it; `unreviewed`: go on without one anywhere. `adopt`: import what is there
    already. `bootstrap`: an account that is not prepared may be. `assembly`: the directory of a cloud assembly that
    was synthesised before. `wait`: seconds for an update that is under way, and for what it makes. `follow`: what is
    under way, or only look at it. `declared`: the names of stacks of all declared databases. `drop`: stacks that the
    app no longer makes and that are to be left as they are. `fetch`: a CDK CLI that is nowhere on this machine.
    `context`: what the app is told besides, this time.
    """

    gate: Phase = Phase.CONTRACT
    services: tuple[str, ...] = ()
    reviewed: ReviewedPlan | None = None
    unreviewed: bool = False
    adopt: bool = False
    bootstrap: bool = False
    assembly: Path | None = None
    wait: float = A_DAY
    follow: bool = True
    declared: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    fetch: bool = True
    context: Mapping[str, str] = field(default_factory=dict)

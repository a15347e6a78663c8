"""What an environment demands before anything in it changes.

The command line asks before it connects, a `Run` asks again before it changes anything: no caller gets past it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from seedbed.errors import Hint, Location, Refused, UsageError, call
from seedbed.model.environment import Environment, is_ephemeral
from seedbed.model.plan import Plan
from seedbed.model.platform import Platform
from seedbed.model.seed import SeedKind
from seedbed.planning.reviewed import ReviewedPlan
from seedbed.support.phrases import listed

UNREVIEWED = "unreviewed"  # behind who did it, in the history and in the audit
_REVIEWED = "production should run exactly what has been reviewed"


class Reviewable(Protocol):
    """A request that a reviewed plan may bind."""

    @property
    def reviewed(self) -> ReviewedPlan | None: ...

    @property
    def unreviewed(self) -> bool: ...


def require_databases(platform: Platform, environment: Environment) -> None:
    """Raise UsageError for a base: it has servers, and no databases of its own."""
    if environment.is_base:
        within = [each.pattern for each in platform.environments if each.base == environment.name]
        raise UsageError(
            f"{environment.name} is a base, and has no databases of its own",
            because="it has servers, on which the environments that lie in it have theirs",
            try_=f"name one of those, {listed(within)}: -e NAME"
            if within
            else f'an environment that lies in it: base = "{environment.name}"',
        )


def require_base(platform: Platform, environment: Environment) -> None:
    """Raise UsageError for what is no base: it has no servers that others share."""
    if not environment.is_base:
        bases = (
            [environment.base]
            if environment.base
            else [x.pattern for x in platform.environments if x.is_base]
        )
        raise UsageError(
            f"{environment.name} is no base",
            because=f"it lies in {environment.base}"
            if environment.base
            else "no other environment lies in it, or could",
            try_=f"-e {' or '.join(bases)}" if bases else "declare one first: base = true, in its section",
        )


def require_reviewed(environment: Environment, request: Reviewable, *, verb: str = "apply") -> None:
    """Raise Refused where `environment` is protected and no reviewed plan binds `request`, UsageError as below."""
    if request.reviewed:
        require_plan_of(environment.name, request.reviewed)
    if environment.protected and request.reviewed is None and not request.unreviewed:
        raise _by_a_plan(f"{environment.name} is protected: {verb} requires a reviewed plan", verb)


def asks_for_release(environment: Environment, request: Reviewable) -> bool:
    """Return whether the record of a release decides: the plan names one, or the environment changes by releases.

    `unreviewed` is for emergencies, and asks none.
    """
    if request.reviewed and request.reviewed.release:
        return True
    return environment.protected and environment.releases is not None and not request.unreviewed


def require_unprotected(environment: Environment, what: str, *verbs: str) -> None:
    """Raise Refused where `environment` is protected: `what` asks for no confirmation, `verbs` take a reviewed plan."""
    if environment.protected:
        raise _by_a_plan(f"{environment.name} is protected, and {what} asks for no confirmation", *verbs)


def _by_a_plan(what: str, *verbs: str) -> Refused:
    commands = {
        "apply": call("apply", "plan.json"),
        "deploy": call("deploy", "plan.json"),
        "seed": call("seed", "plan.json"),
    }
    return Refused(
        what,
        because=_REVIEWED,
        try_=Hint(
            call("plan", "--out", "plan.json"),
            "; read it",
            *(part for verb in verbs for part in ("; ", commands[verb])),
        ),
    )


def require_plan_of(environment: str, plan: ReviewedPlan) -> None:
    """Raise UsageError for a plan that was made in another environment."""
    if plan.environment != environment:
        raise UsageError(
            f"the plan is for {plan.environment}, and this run for {environment}",
            because="a plan is bound to the environment that it was made in",
            try_=f"name that environment: -e {plan.environment}",
            at=Location(plan.path),
        )


def is_unreviewed(environment: Environment, request: Reviewable) -> bool:
    """Return whether `request` changes a protected environment without a review: what it writes down says so."""
    return environment.protected and request.unreviewed and request.reviewed is None


def require_reason(environment: Environment, because: str) -> None:
    """Raise Refused where `environment` is protected, and a decision about its history says no reason."""
    if environment.protected and not because.strip():
        raise Refused(
            f"{environment.name} is protected: a decision about its history says why",
            because="no plan shows it, and its audit is all that is left of it",
            try_="add the reason: --because TEXT",
        )


def require_unreviewed(environment: Environment, unreviewed: bool) -> None:
    """Raise Refused where `environment` is protected and the caller has not confirmed a change without a plan."""
    if environment.protected and not unreviewed:
        raise Refused(
            f"{environment.name} is protected: this command accepts no reviewed plan: confirm with --unreviewed",
            because=_REVIEWED,
            try_="read what --dry-run shows, then add --unreviewed",
        )


def asks_about_losses(environment: Environment) -> bool:
    """Return whether a revert that removes data has to be confirmed: elsewhere data is spared, or made to go."""
    return not environment.protected and not is_ephemeral(environment)


def require_no_loss(environment: Environment, plan: Plan) -> None:
    """Raise Refused where `plan` removes data, saying how much."""
    if plan.losses:
        raise Refused(
            f"the revert removes data of {environment.name}",
            because="; ".join(f"{database} {loss}" for database, loss in plan.losses),
            try_="look at it with --dry-run, then confirm it with --yes",
        )


def require_reviewed_seeds(environment: Environment, kinds: Sequence[SeedKind], request: Reviewable) -> None:
    """Raise Refused where `environment` is protected, and `kinds` has more than reference data or no plan shows it.

    Raises UsageError for a plan of an environment whose seeds no plan shows.
    """
    if environment.protected and any(kind is not SeedKind.REFERENCE for kind in kinds):
        raise Refused(
            f"{environment.name} accepts reference data only",
            because="it is protected, and fixtures are test data",
            try_=Hint(call("plan", "--out", "plan.json"), "; read it; ", call("seed", "plan.json")),
        )
    require_reviewed(environment, request, verb="seed")
    if request.reviewed and not environment.protected:
        raise UsageError(
            f"a plan of {environment.name} shows no seeds",
            because="only those of protected environments are reviewed",
            try_=Hint("load them without it: ", call("seed")),
            at=Location(request.reviewed.path),
        )

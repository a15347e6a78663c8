"""Databases whose schema is infrastructure: their stacks deployed and destroyed by a run.

Only what deploys imports this module: it brings the CDK's room with it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from seedbed.deployment import deleting, stack_plans
from seedbed.deployment import deploy as deployment
from seedbed.deployment import destroy as destruction
from seedbed.deployment.assembly import Stack
from seedbed.deployment.context import DeploymentContext
from seedbed.deployment.destroy import DatabaseStack, DestroyPlan, DestroyScope
from seedbed.deployment.managed import ManagedStack
from seedbed.deployment.plan import DeploymentPlan, plan_deployment
from seedbed.deployment.prepare import DeploymentScope, prepare, the_cloud
from seedbed.deployment.request import A_DAY, DeployRequest
from seedbed.engines.base import Engine, Session
from seedbed.engines.sharing import SupportsSharing
from seedbed.execution import infrastructure
from seedbed.execution.recalling import RecalledAddress
from seedbed.model.environment import require_ephemeral
from seedbed.model.names import RESERVED, callers_stack, stack_name, stack_tags
from seedbed.model.outcome import Outcome
from seedbed.model.plan import Plan
from seedbed.model.platform import Database
from seedbed.model.target import Target
from seedbed.planning import reviewed
from seedbed.project import protection, released
from seedbed.project.run import Run
from seedbed.project.targets import Targets

__all__ = ["DeployRequest", "deploy", "destroy", "plan_deploy", "plan_destroy", "with_stacks"]


@contextmanager
def plan_deploy(run: Run, request: DeployRequest | None = None) -> Iterator[DeploymentPlan]:
    """Yield what a deployment of the databases in `run` would do now; nothing is changed yet.

    An update that is under way is followed to its end first. Raises Refused, StalePlan, Unavailable, UsageError.
    """
    wanted = _as_reviewed(run, _with_declared(run, request or DeployRequest()))
    if (
        run.environment.is_sandbox
    ):  # an apply may have made the tables there: a stack takes them in as they are
        wanted = replace(wanted, adopt=True)
    with _site(run, wanted) as (context, managed_stacks, chosen):
        yield plan_deployment(context, managed_stacks, chosen, wanted)


def with_stacks(run: Run, plan: Plan, request: DeployRequest, targets: Targets) -> Plan:
    """Return `plan` with what a deployment of the databases in `run` would change in their stacks; reads only.

    `targets`: where AWS is and who we are there, also for a `run` that asks no database. Raises Refused, Unavailable,
    UsageError where that cannot be told.
    """
    wanted = _with_declared(run, request)
    with _site(run, wanted, targets) as (context, managed_stacks, chosen):
        shown, unseen = stack_plans.plan_stacks(context, managed_stacks, chosen, wanted)
        return replace(plan, stacks=shown, stacks_unseen=unseen)


def _with_declared(run: Run, request: DeployRequest) -> DeployRequest:
    platform, environment = run.catalog.platform, run.environment.name
    databases = () if run.environment.is_base else platform.databases
    names = (stack_name(platform.name, environment, each.service, each.engine) for each in databases)
    return replace(request, declared=tuple(names))


def _of_base(run: Run) -> tuple[str, ...]:
    """Return the names of the stacks of the base that those of the environment read from."""
    environment, catalog = run.environment, run.catalog
    if not environment.base:
        return ()
    shared = {
        each.engine
        for each in catalog.platform.databases
        if environment.lies_in_base(each.service, each.engine)
        and isinstance(catalog.engine(each.engine), SupportsSharing)
    }
    parts = [*(f"{RESERVED}-{each}" for each in ("control", "task", *sorted(shared))), "network"]
    return tuple(f"{catalog.platform.name}-{environment.base}-{each}" for each in parts)


def deploy(run: Run, plan: DeploymentPlan, *, jobs: int | None = None) -> Outcome:
    """Carry out what `plan_deploy` yielded, each update followed to its end, `jobs` stacks side by side.

    Raises Refused where its environment is protected and no reviewed plan binds it: then nothing was touched.
    """
    # What was planned is what changes, whichever run this is.
    protection.require_reviewed(plan.context.environment, plan.request, verb="deploy")
    released.require_released(run.targets, plan.context.environment, plan.request, "deploy")
    return run.outcome_of(lambda: deployment.carry_out(plan, jobs=jobs), on=_deployable(run))


def plan_destroy(
    run: Run, services: Collection[str] = (), *, wait: float = A_DAY, callers: bool = False
) -> DestroyPlan:
    """Return the stacks that would be deleted: those of the environment that are there, of `services` (none: all).

    Only in the sandbox has `run` to be connected. `wait`: seconds for one stack. `callers`: the policies of callers go,
    too, which outlive the environment else. Raises Refused outside ephemeral
    environments, and what AWS raises.
    """
    environment, platform = run.environment, run.catalog.platform
    require_ephemeral(environment, "destroy")
    run.require_connected()
    scope = DestroyScope(
        environment,
        the_cloud(environment, _opened(run), run.targets.cloud(environment)),
        stack_tags(platform.name, environment.name),
        [_database_stack(run, each) for each in platform.databases],
        services,
        wait,
        stack_name(platform.name, environment.name, "seedbed", "control"),
        "" if callers else callers_stack(platform.name, environment.name),
    )
    return destruction.plan_destroy(scope, run.context.emit, run.context.stop)


def _database_stack(run: Run, database: Database) -> DatabaseStack:
    """Return the stack of a database, reported as the database where its schema is infrastructure."""
    name = stack_name(run.catalog.platform.name, run.environment.name, database.service, database.engine)
    is_deployable = bool(run.catalog.deployable([database]))
    return DatabaseStack(name, database.id if is_deployable else name, database.service, is_deployable)


def destroy(run: Run, plan: DestroyPlan) -> Outcome:
    """Delete what `plan_destroy` yielded. Raises Refused outside ephemeral environments."""
    require_ephemeral(plan.scope.environment, "destroy")
    return run.outcome_of(lambda: deleting.carry_out(plan), on=_deployable(run))


@contextmanager
def _site(
    run: Run, request: DeployRequest, targets: Targets | None = None
) -> Iterator[tuple[DeploymentContext, list[ManagedStack], list[Stack]]]:
    run.require_connected()
    # Here with its line; from inside the app it would come in a trace of the CDK.
    run.catalog.check_declared({target.id: () for target in run.connected})
    catalog, environment, targets = run.catalog, run.environment, targets or run.targets
    has_none = environment.is_sandbox or environment.is_base
    others = [] if has_none else catalog.databases(request.services)
    # Those that know of updates are here by their sessions: else an update could do too much at once.
    managed = set(catalog.deployable(others))
    opened = _opened(run)
    asked = [each for each in opened if not isinstance(each[0].address, RecalledAddress)]
    wanted = DeploymentScope(
        environment,
        stack_tags(catalog.platform.name, environment.name),
        Path(catalog.platform.root),
        opened,
        [
            stack_name(catalog.platform.name, environment.name, other.service, other.engine)
            for other in others
            if other not in managed
        ],
        the_cloud(environment, asked, targets.cloud(environment)),
        request,
        _of_base(run),
    )
    with prepare(wanted, targets.environ, run.context.emit, run.context.stop) as context:
        yield context


def _opened(run: Run) -> list[tuple[Target, Engine, Session]]:
    return [
        (target.target, run.catalog.engine(target.database.engine), target.session)
        for target in run.connected
    ]


def _deployable(run: Run) -> set[str]:
    databases = run.catalog.deployable([target.database for target in run.connected])
    return {database.id for database in databases}


def _as_reviewed(run: Run, request: DeployRequest) -> DeployRequest:
    """Return `request`, narrowed to the services of a plan that binds it.

    Raises StalePlan for changes that the plan did not show, UsageError for one of another environment.
    """
    plan = request.reviewed
    if plan is None:
        return request
    protection.require_plan_of(run.environment.name, plan)
    for target in run.connected:
        reviewed.require_same_changes(plan, target.id, infrastructure.changes(target, request.gate))
    services = {each.service for each in run.catalog.reviewed_databases(plan)}
    return replace(request, services=request.services or tuple(sorted(services)))

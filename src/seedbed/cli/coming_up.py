"""`env up` in an account: what is done on the way, handed to `project.bringing_up`, and how it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from seedbed.cli import sharing
from seedbed.errors import Hint, SeedbedError, UsageError, call, hint_text

if TYPE_CHECKING:
    from seedbed.cli.context import CommandContext
    from seedbed.deployment.plan import DeploymentPlan
    from seedbed.deployment.request import DeployRequest
    from seedbed.execution.stopping import Stop
    from seedbed.model.coming_up import Filled, ServiceOutcome
    from seedbed.model.environment import Environment
    from seedbed.model.event import Event, Listener
    from seedbed.model.outcome import Outcome
    from seedbed.model.platform import Database
    from seedbed.project.bringing_up import Deploy, Fill
    from seedbed.project.run import Run
    from seedbed.report.progress import Progress


def bring_up(
    context: CommandContext,
    environment: Environment,
    databases: Sequence[Database],
    services: tuple[str, ...],
    without: tuple[str, ...] = (),
    *,
    yes: bool,
    ttl: float,
) -> None:
    """Deploy, apply and seed `databases`, each service as soon as it can be, and leave with how that ended.

    `services`: those that were selected; none: all stacks of the environment are deployed. `ttl`: seconds for which it
    stays after each use; 0: as the manifest or its record has it. `without`: engines that are left out. Raises
    UsageError where nothing keeps that time.
    """
    from seedbed.cli.context import signals
    from seedbed.cli.turns import turn
    from seedbed.cli.using import used
    from seedbed.deployment.synthesis import has_app
    from seedbed.documents.coming_up import UpDocument
    from seedbed.execution.stopping import Stop
    from seedbed.project.bringing_up import Steps, bring_up, parts_of
    from seedbed.report.listening import listener_for
    from seedbed.report.text.coming_up import up_text

    _require_recorded(environment, ttl)
    if services and environment.access == "task":
        _require_task(context, environment)
    context.catalog.require_files(databases)
    stop, names = Stop(), [each.id for each in databases]
    with signals(stop), ExitStack() as closing:
        showing = listener_for(context.out, targets=names, tells_failures=context.as_json)
        far = HowFar()
        listener = far.listening(closing.enter_context(showing))
        closing.enter_context(turn(context, environment, "up"))
        deploy, plan = None, None
        if has_app(context.project.platform.root) or context.catalog.deployable(databases):
            request = _request(services, without)
            run, plan = _planned(context, environment, request, without, listener, stop, closing, yes=yes)
            deploy = _deploy(context, run, plan)
        fill = _by_task if environment.access == "task" else _here
        steps = Steps(
            deploy,
            fill(context, environment, databases, listener, stop),
            lambda *told: _tell(context, far, *told),
            stop.check,
        )
        parts = parts_of(context.catalog, environment, databases, plan)
        far.begin(plan, len(parts))
        with used(context, environment):
            arrival = bring_up(environment.name, parts, steps)
        if environment.base and environment.access == "task" and arrival.changed:
            sharing.keep(context, environment, arrival.databases, stop)
    _stay(context, environment, ttl)
    if arrival.changed:
        context.mark_changed()
    context.show(UpDocument.of(arrival, context.command), up_text)
    context.leave(arrival.exit_code)


def _require_task(context: CommandContext, environment: Environment) -> None:
    """Raise UsageError where single services are to come up, and the task that fills them is not there yet.

    It is told where all servers are, so that its stack is deployed with all of them and not for one service.
    """
    from seedbed.remote import place

    name = environment.name
    try:
        cloud = context.project.targets.cloud(environment)
        found = place.find(cloud, context.project.platform.name, environment).task
    except UsageError:
        found = None
    if found is None:
        raise UsageError(
            f"the task of {name} is not deployed yet, which migrates and seeds its services",
            because="its stack is deployed with those of all databases that it reaches",
            try_=Hint("once without --service: ", call("env up", name)),
        )


def _require_recorded(environment: Environment, ttl: float) -> None:
    from seedbed.model.environment import is_recorded

    if ttl and not is_recorded(environment):
        raise UsageError(
            f"nothing could say how long {environment.name} stays",
            because="it has no table for records: it lies in no base, and no task of it runs commands",
            try_='base = "…" or access = "task", in its section of the manifest',
        )


def _stay(context: CommandContext, environment: Environment, ttl: float) -> None:
    """Write down how long an environment stays, once there is a table for that; what comes up is what counts."""
    from seedbed.project.lifetimes import touch

    if not ttl:
        return
    try:
        touch(context.project.targets, environment, context.command, ttl=ttl)
    except SeedbedError as error:
        how = hint_text(Hint(call("env touch", environment.name, "--ttl", "3d")), environment.name, "")
        context.out.log(f"--ttl could not be written down: {error.what}; later: {how}", level=-1)


def _request(services: tuple[str, ...], without: tuple[str, ...]) -> DeployRequest:
    from seedbed.deployment.request import DeployRequest
    from seedbed.model.environment import WITHOUT

    return DeployRequest(services=services, context={WITHOUT: ",".join(without)} if without else {})


def _planned(
    context: CommandContext,
    environment: Environment,
    request: DeployRequest,
    without: Sequence[str],
    listener: Listener,
    stop: Stop,
    closing: ExitStack,
    *,
    yes: bool,
) -> tuple[Run, DeploymentPlan]:
    """Return what is to be deployed, once removals are allowed, and the run that does it."""
    from seedbed.cli.commands.deploy import require_removals
    from seedbed.project import deploying

    selected = context.catalog.databases(request.services)
    deployable = context.catalog.deployable([each for each in selected if each.engine not in without])
    run = closing.enter_context(
        context.project.run(environment.name, deployable, listener=listener, stop=stop)
    )
    plan = closing.enter_context(deploying.plan_deploy(run, request))
    if not yes:
        require_removals(context, environment, plan.deployment)
    return run, plan


def _deploy(context: CommandContext, run: Run, plan: DeploymentPlan) -> Deploy:
    from msgspec.structs import replace

    from seedbed.cli.looking import deploys
    from seedbed.project import deploying

    def deploy(also: Listener) -> Outcome:
        def listen(event: Event) -> None:
            run.context.emit(event)
            also(event)

        told = replace(plan, context=replace(plan.context, listener=listen))
        with deploys(context, run, plan.deployment):
            return deploying.deploy(run, told)

    return deploy


def _here(
    context: CommandContext,
    environment: Environment,
    _: Sequence[Database],
    listener: Listener,
    stop: Stop,
) -> Fill:
    """Return what fills databases that are reached from here; those on a base's servers are made by its task."""
    from msgspec.structs import replace

    from seedbed.model.coming_up import Filled
    from seedbed.project.filling import fill, usual_kinds

    def here(names: Sequence[str]) -> Filled:
        chosen = [context.catalog.database(each) for each in names]
        made = sharing.make(context, environment, sharing.on_base(context, environment, names), stop)
        if made.errors:
            return made
        try:
            with context.project.run(environment.name, chosen, listener=listener, stop=stop) as run:
                return replace(made, outcome=fill(run, usual_kinds(environment)))
        except SeedbedError as error:
            return Filled(errors=error.errors, changed=made.changed)

    return here


def _by_task(
    context: CommandContext,
    environment: Environment,
    databases: Sequence[Database],
    listener: Listener,
    stop: Stop,
) -> Fill:
    """Return what fills databases that only a task reaches."""
    from msgspec.structs import replace

    from seedbed.cli.travel.apart import carried

    everything = [each.id for each in context.catalog.databases()]
    engines = () if len(databases) == len(everything) else tuple(sorted({each.engine for each in databases}))

    def by_task(names: Sequence[str]) -> Filled:
        services = dict.fromkeys(each.partition("/")[0] for each in names)
        values = {
            "env": environment.name,
            "services": () if len(names) == len(everything) else tuple(services),
            "engines": engines,
            "seeds": True,
        }
        made = sharing.make(context, environment, sharing.on_base(context, environment, names), stop)
        if made.errors:
            return made
        filled, _ = carried(context, "apply", values, listener=listener, stop=stop.request)
        return replace(filled, changed=made.changed)

    return by_task


class HowFar:
    """How far an environment has come, by the events of its deployment and the services that are ready."""

    def __init__(self) -> None:
        self._stacks: frozenset[str] = frozenset()
        self._done: set[str] = set()
        self._services = 0
        self.ready = 0

    def listening(self, progress: Progress) -> Listener:
        """Return what passes events on to `progress`, whose last line is how far all of it is."""
        progress.total = self.text

        def listen(event: Event) -> None:
            self.take(event)
            progress(event)

        return listen

    def begin(self, plan: DeploymentPlan | None, services: int) -> None:
        """Take from `plan` which stacks there are to deploy: as what they are told."""
        stacks = plan.chosen if plan else ()
        self._stacks = frozenset(plan.managed_stacks[each.name].target for each in stacks if plan)
        self._services = services

    def take(self, event: Event) -> None:
        from seedbed.model.event import TargetDone

        # The first end that a target has is that of its stack.
        if isinstance(event, TargetDone) and event.target in self._stacks:
            self._done.add(event.target)

    def text(self) -> str:
        """Return `3 of 13 stacks deployed, 1 of 8 services ready`; empty before it is known what there is."""
        stacks = f"{len(self._done)} of {len(self._stacks)} stacks deployed" if self._stacks else ""
        services = f"{self.ready} of {self._services} services ready" if self._services else ""
        return ", ".join(filter(None, (stacks, services)))


def _tell(context: CommandContext, far: HowFar, service: ServiceOutcome, ready: int, everything: int) -> None:
    """Say that a service is ready, or failed, and how many are."""
    from seedbed.support.phrases import duration

    far.ready = ready
    if not service.because:
        took = duration(service.seconds)
        context.out.log(f"{service.service} is ready after {took}: {ready} of {everything}")

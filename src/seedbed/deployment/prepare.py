"""Getting ready for a deployment: who we are, the CLI, the app synthesised once, and what of it is meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from seedbed.aws.cloud import Cloud
from seedbed.aws.identity import require_account
from seedbed.deployment import cdk
from seedbed.deployment.assembly import Assembly, Stack, read, with_dependencies
from seedbed.deployment.child import StopSignal
from seedbed.deployment.context import DeploymentContext
from seedbed.deployment.managed import ManagedStack, managed_stack
from seedbed.deployment.request import DeployRequest
from seedbed.deployment.stack_owner import has_tags
from seedbed.deployment.stacks import Stacks
from seedbed.deployment.synthesis import APP, require_app, synthesise
from seedbed.engines.base import Engine, Session
from seedbed.engines.infrastructure import SupportsDeployment
from seedbed.errors import Hint, Refused, UsageError, call
from seedbed.files.scratch import scratch
from seedbed.model.environment import Environment
from seedbed.model.event import DeployProgressed, Listener
from seedbed.model.target import Target
from seedbed.support.phrases import listed


class DeploymentScope(Struct, frozen=True):
    """What a deployment is about.

    `tags`: of the environment's stacks. `databases`: those whose schema is infrastructure, each with its engine and an
    open session. `others`: stacks of databases that the app may deploy as well. `cloud`: where all of it is. `base`:
    the stacks of the environment's base that its own read from.
    """

    environment: Environment
    tags: Mapping[str, str]
    root: Path
    databases: Sequence[tuple[Target, Engine, Session]]
    others: Sequence[str]
    cloud: Cloud
    request: DeployRequest
    base: Sequence[str] = ()

    @property
    def told(self) -> Environment:
        """The environment with all that the app is told of it this time."""
        return replace(self.environment, context={**self.environment.context, **self.request.context})


@contextmanager
def prepare(
    scope: DeploymentScope, environ: Mapping[str, str], listener: Listener, stop: StopSignal
) -> Iterator[tuple[DeploymentContext, list[ManagedStack], list[Stack]]]:
    """Yield where a deployment takes place, its managed_stacks, and the stacks that it is about.

    Who we are is asked first: another account than the declared one ends it here. Raises Refused, Unavailable,
    UsageError.
    """
    cloud = _placed(scope)
    account = require_account(cloud).account
    _require_base(scope, Stacks(cloud))
    managed_stacks = [
        managed_stack(target, engine, session, scope.request.gate)
        for target, engine, session in scope.databases
        if isinstance(engine, SupportsDeployment)
    ]
    speaker = managed_stacks[0].target if managed_stacks else scope.environment.name

    def tell(line: str) -> None:
        listener(DeployProgressed(speaker, "", 0, line))

    app = scope.root / APP
    if scope.request.assembly is None:
        require_app(app)
    with scratch("seedbed.deploy-") as made:
        room, request = made.directory, scope.request
        cli = cdk.Cli((), {}, stop)
        if request.assembly is None or request.follow:  # else it is only read
            cli = cdk.find(app, environ, room / "home", stop, tell, fetch=request.fetch)
        assembly = (
            read(scope.request.assembly)
            if scope.request.assembly
            else synthesise(cli, app, scope.told, cloud, room / "assembly")
        )
        context = DeploymentContext(
            scope.environment,
            cloud,
            account,
            cli,
            assembly,
            Stacks(cloud),
            room,
            listener,
            stop,
            scope.request.wait,
            scope.tags,
        )
        everything = not scope.request.services and not scope.environment.is_sandbox
        shown = scope.request.reviewed.stacks if scope.request.reviewed else {}
        yield (
            context,
            managed_stacks,
            chosen_stacks(
                assembly,
                managed_stacks,
                [*scope.others, *shown],
                scope.tags,
                everything=everything and not shown,
            ),
        )


def _require_base(scope: DeploymentScope, stacks: Stacks) -> None:
    """Raise Refused where a stack of the base is not there: CloudFormation would name a parameter, and nothing else."""
    base = scope.environment.base
    there = {each.name for each in stacks.all() if each.exists} if base else set()
    if missing := [each for each in scope.base if each not in there]:
        raise Refused(
            f"{base}, in which {scope.environment.name} lies, is not deployed",
            because=f"there is no stack {listed(missing)}",
            try_=Hint("deploy it first: ", call("deploy", environment=base)),
        )


def _placed(scope: DeploymentScope) -> Cloud:
    """Return where the environment is. Raises UsageError where that has no region."""
    if not scope.cloud.region:
        raise UsageError(
            f"{scope.environment.name} has no region",
            because="its stacks are deployed in one account and region, and the manifest does not say in which",
            try_=f"account and region in the section of {scope.environment.name}",
        )
    return scope.cloud


def the_cloud(
    environment: Environment, databases: Sequence[tuple[Target, Engine, Session]], declared: Cloud
) -> Cloud:
    """Return the one place that all databases lie in, `declared` where none says it.

    Raises Refused where they lie in several, UsageError where the sandbox has none of them.
    """
    clouds = {
        engine.cloud(target.address): target.id
        for target, engine, _ in databases
        if isinstance(engine, SupportsDeployment)
    }
    places = {(each.account, each.region, each.endpoint) for each in clouds}
    if len(places) > 1:
        raise Refused(
            f"the databases of {environment.name} lie in {len(places)} accounts or regions",
            because=", ".join(f"{name} in {each.account} {each.region}" for each, name in clouds.items()),
            try_=Hint(
                "deploy them one after another: ",
                call("deploy", about=next(iter(clouds.values()))),
                " and so on",
            ),
        )
    if not clouds and environment.is_sandbox:
        raise UsageError(
            "nothing that is selected is deployed in the sandbox",
            because="only databases whose schema is infrastructure have a stack there; other servers are embedded",
            try_=Hint(call("apply")),
        )
    return next(iter(clouds), declared)


def chosen_stacks(
    assembly: Assembly,
    managed_stacks: Sequence[ManagedStack],
    others: Sequence[str],
    tags: Mapping[str, str],
    *,
    everything: bool,
) -> list[Stack]:
    """Return the stacks that a selection is about, with all that they depend on.

    `others`: stacks of databases whose schema is no infrastructure, deployed where the app has them. `everything`:
    nothing was selected, so stacks with the environment's `tags` that hold no database go along. Whatever else the app
    makes is none of ours, also where ours depend on it: `cdk deploy` deploys it. Raises UsageError for a stack that the
    app lacks.
    """
    for each in managed_stacks:
        if assembly.stack(each.stack) is None:
            raise UsageError(
                f"the CDK app has no stack {each.stack}, which would hold {each.target}",
                because=_what_there_is(assembly),
                try_="let the app make a stack of that name for every database that it deploys",
            )
    names = {each.stack for each in managed_stacks} | set(others)

    def is_meant(stack: Stack) -> bool:
        return stack.name in names or (everything and has_tags(stack.tags, tags))

    found = with_dependencies(assembly, [each for each in assembly.stacks if is_meant(each)])
    ours = [each for each in found if each.name in names or has_tags(each.tags, tags)]
    if everything and not ours and assembly.has_any:
        raise UsageError(
            f"the CDK app has no stack of {tags['platform']} in {tags['environment']}",
            because=_what_there_is(assembly),
            try_=f"seedbed.cdk.platform_stacks(app, manifest), or tags: {', '.join(map('='.join, tags.items()))}",
        )
    return ours


def _what_there_is(assembly: Assembly) -> str:
    known = ", ".join(stack.name for stack in assembly.stacks) or "none"
    if assembly.stages:
        return f"it has {known}; what is in a stage ({', '.join(assembly.stages)}) is not looked at"
    return f"it has {known}"

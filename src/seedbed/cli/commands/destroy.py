"""`seedbed destroy`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context
from seedbed.errors import ExitCode, Refused, SeedbedError, UsageError

if TYPE_CHECKING:
    from seedbed.model.environment import Environment
    from seedbed.model.outcome import Outcome
    from seedbed.project import Run


@click.command("destroy")
@options.environment
@options.services
@click.option("--callers", is_flag=True, help="Delete the policies of its callers, too.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@options.deploy_wait
@options.as_json
@command_context(CommandKind.LOCAL)
def command(
    context: CommandContext, env: str, services: tuple[str, ...], callers: bool, yes: bool, wait: float
) -> None:
    """Delete stacks and all that is in them. Refused outside ephemeral environments, always.

    All stacks go that are there with the tags of the environment, also those that the CDK app no longer makes; each
    after those that import from it. It needs neither the app nor Node. Run again, it goes on with what is left. The
    policies of its callers stay, so that whoever has them can bring it up again, unless --callers is given.

    \b
    seedbed destroy -e dev-ana
    seedbed destroy -e sandbox -s courses --yes
    seedbed destroy -e dev-ana --callers
    """
    run, outcome, _ = destroyed(context, env, services, callers=callers, yes=yes, wait=wait)
    context.finish(run, outcome)


def destroyed(
    context: CommandContext,
    env: str,
    services: tuple[str, ...] = (),
    *,
    callers: bool = False,
    yes: bool,
    wait: float,
) -> tuple[Run, Outcome, str]:
    """Delete the stacks of `env`; return the run that did, how it ended, and the name of the stack that stays.

    Raises what `deploying.plan_destroy` does, and Abort for another answer than its name.
    """
    from seedbed.cli.turns import turn
    from seedbed.model.environment import require_ephemeral
    from seedbed.project import deploying
    from seedbed.report.text.inventory import stays_text

    environment = context.catalog.environment(env)
    require_ephemeral(environment, "destroy")
    databases = context.catalog.deployable(context.catalog.databases(services))
    # Elsewhere no database has to answer: their stacks are found in the account.
    with context.run(env, databases if environment.is_sandbox else (), wait=wait) as run:
        plan = deploying.plan_destroy(run, services, wait=wait, callers=callers)
        if plan.names and not yes:
            _ask(context, env, ", ".join(plan.names))
        with turn(context, environment, "down"):
            if environment.access == "task":
                _end_runs(context, environment)
            outcome = deploying.destroy(run, plan)
    if not services and outcome.exit_code is ExitCode.DONE:
        _forget(context, environment)
    if plan.stays:
        context.out.log(stays_text(env, plan.stays))
    return run, outcome, plan.stays


def _forget(context: CommandContext, environment: Environment) -> None:
    """Remove the record of an environment that is gone from its base; its own table went with its stacks."""
    from seedbed.project import lifetimes

    if not environment.base:
        return
    try:
        lifetimes.forget(context.project.targets, environment)
    except SeedbedError as error:  # it is left behind, and collected
        context.out.log(f"the record of {environment.name} is still there: {error.what}", level=-1)


def _end_runs(context: CommandContext, environment: Environment) -> None:
    """Require that no run writes, and end the worker that waits for some: a cluster that has a task is not deleted.

    Raises Busy.
    """
    from seedbed.cli.turns import require_no_runs
    from seedbed.remote import place, warm
    from seedbed.remote.tasks import Tasks

    cloud = context.project.targets.cloud(environment)
    try:
        where = place.find(cloud, context.project.platform.name, environment)
    except UsageError:
        return  # there are no runs: it was never deployed, or is half gone
    require_no_runs(context, environment, where)
    if where.task is not None:
        warm.end(where.control, Tasks(cloud, where.task), tell=context.out.log)


def _ask(context: CommandContext, env: str, names: str) -> None:
    """Ask for the environment's name: a mere yes is said too easily. Raises Refused where nobody can be asked."""
    if not context.can_ask:
        raise Refused(
            f"destroy would delete {names}",
            because="there is no terminal to ask at",
            try_="confirm it with --yes",
        )
    if context.prompt(f"This deletes {names}, with all data. Type {env} to go on") != env:
        raise click.Abort

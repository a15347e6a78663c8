"""`seedbed env up`, `seedbed env down`, `seedbed env list`; `seedbed env cost` is beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from seedbed.cli import options
from seedbed.cli.commands.env_cost import command as cost
from seedbed.cli.commands.env_gc import command as gc
from seedbed.cli.context import CommandContext, CommandKind, command_context
from seedbed.cli.lifetimes import extend, keep, touch
from seedbed.errors import Hint, SeedbedError, UsageError, call, exit_code, hint_text
from seedbed.model.environment import SANDBOX, require_ephemeral

if TYPE_CHECKING:
    from seedbed.documents.environments import ConnectionsDocument, Look
    from seedbed.model.environment import Environment, EnvironmentPattern
    from seedbed.model.platform import Database


DOTENV, EXPORT = "dotenv", "export"


@click.group("env")
def command() -> None:
    """Start, stop or list environments.

    \b
    seedbed env up sandbox   its servers run until: seedbed env down sandbox
    seedbed env up dev-ana   tables deployed, everything migrated and seeded
    """


@command.command("up", short_help="Start an environment: deploy, apply and seed it.")
@click.argument("name", shell_complete=options.known("environments"))
@options.selection
@click.option("--dotenv", "form", flag_value=DOTENV, help="Write the sandbox's variables as a .env file.")
@click.option("--export", "form", flag_value=EXPORT, help='Write the variables as a script, for eval "$(…)".')
@click.option(
    "--bare", is_flag=True, help="Leave the service's name out of the variables' names; for one service."
)
@click.option(
    "--without",
    multiple=True,
    metavar="NAME",
    shell_complete=options.known("engines"),
    help="Leave out this engine, for now; may be repeated.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation before removing anything.")
@click.option(
    "--ttl",
    type=options.Duration(),
    metavar="TIME",
    help="Let it stay so long after each use, such as 8h or 3d.",
)
@options.as_json
@command_context(CommandKind.LOCAL)
def up(
    context: CommandContext,
    name: str,
    services: tuple[str, ...],
    engines: tuple[str, ...],
    form: str,
    bare: bool,
    without: tuple[str, ...],
    yes: bool,
    ttl: float | None,
) -> None:
    """Start NAME: the sandbox's servers, which then run between commands; elsewhere deploy, apply and seed.

    Stacks are deployed side by side, those first that take longest; each service is migrated and seeded as soon as its
    own are there. A failure of one service leaves the others usable. Run again, it goes on with what is left.

    \b
    seedbed env up sandbox
    seedbed env up sandbox -s user -s payment
    seedbed env up sandbox --dotenv > .env
    seedbed env up sandbox --json
    seedbed env up dev-ana --yes --ttl 7d
    seedbed env up dev-ana --without opensearch   added by the next one
    seedbed env up dev-ana --json
    """
    context.environment = name
    environment = context.catalog.environment(name)
    databases = context.databases(services, engines)
    if form and context.as_json:
        raise UsageError(
            f"--{form} and --json are two forms of one thing",
            because="one is written",
            try_=f"--{form} alone",
        )
    if (form or bare) and not environment.is_sandbox:
        raise UsageError(
            f"env up {name} does not say how to connect",
            because="applications there are given their variables by what deploys them",
            try_=Hint(call("env up", "sandbox", f"--{form or 'bare'}")),
        )
    _require_no_base(environment)
    if environment.is_sandbox:
        _require_one_service(databases, bare=bare)
        _up_sandbox(context, databases, form, bare=bare)
        return
    from seedbed.cli.coming_up import bring_up
    from seedbed.project.protection import require_unprotected

    require_unprotected(environment, "env up", "deploy", "apply")
    context.databases((), without)  # engines that there are
    databases = tuple(each for each in databases if each.engine not in without)
    if not databases:
        raise UsageError(
            f"--without {' and '.join(without)} leaves no database",
            because="no other engine is selected",
            try_="leave out fewer",
        )
    bring_up(context, environment, databases, services, without, yes=yes, ttl=ttl or 0.0)


def _require_no_base(environment: Environment) -> None:
    if environment.is_base:
        raise UsageError(
            f"env up does not make {environment.name}, which is a base",
            because="it has servers for others, and no databases of its own to be migrated and seeded",
            try_=Hint(call("deploy", "-e", environment.name)),
        )


@command.command("down", short_help="Stop an environment.")
@click.argument("name", shell_complete=options.known("environments"))
@click.option("--yes", is_flag=True, help="Do not ask for confirmation before deleting stacks.")
@options.as_json
@command_context(CommandKind.LOCAL)
def down(context: CommandContext, name: str, yes: bool) -> None:
    """Stop NAME: the sandbox's servers, whose data stays; elsewhere delete the stacks, if it is ephemeral.

    \b
    seedbed env down sandbox
    seedbed env down dev-ana
    seedbed env down dev-ana --yes --json
    """
    from seedbed.documents.going_down import DownDocument
    from seedbed.report.text.going_down import down_text

    context.environment = name
    environment = context.catalog.environment(name)
    if environment.is_sandbox:
        released, busy = context.project.sandbox.stop_daemons()
        context.show(DownDocument.of_sandbox(name, released, busy, context.command), down_text)
    else:
        require_ephemeral(environment, "destroy")
        _take_down(context, environment, yes=yes)


@command.command("list", short_help="List environments: declared, there, and left behind.")
@click.option(
    "--all", "every", is_flag=True, help="Look into every account, not only those of dev environments."
)
@options.as_json
@command_context(CommandKind.LOCAL)
def listing(context: CommandContext, every: bool) -> None:
    """List the declared environments, the sandbox's running servers, and what is there in AWS.

    In the accounts of ephemeral environments and bases: who uses each, until when it stays, how many stacks it has, and
    what is left of those that have none. An account that the credentials are not of is named and passed over, as long
    as there is another one; one that cannot be looked at otherwise is an error.

    \b
    seedbed env list
    seedbed env list --all --json
    """
    from seedbed.documents.environments import EnvironmentsDocument
    from seedbed.project.inventory import failures, sites
    from seedbed.report.text.environments import environments_text

    kept: Sequence[str] = ()
    declared: Sequence[EnvironmentPattern] = ()
    if context.has_manifest:  # without one there is the sandbox, of a platform that is yet to come
        kept, declared = context.project.sandbox.kept_databases(), context.project.platform.environments
    places = sites(context.project.platform, every=every) if declared else []
    looks = [_look(context, where) for where in places]
    document = EnvironmentsDocument.of(kept, declared, context.command, looks)
    context.show(document, environments_text)
    errors = [each.error for each in looks if each.error is not None]
    context.leave_for(failures(errors, len(places)))


def _look(context: CommandContext, where: Environment) -> Look:
    """Return what is there in AWS where `where` is declared, or why that could not be looked at."""
    from seedbed.documents.environments import Look
    from seedbed.project.inventory import look

    try:
        return Look(where.account, where.region, look(context.project.targets, where))
    except SeedbedError as error:
        return Look(where.account, where.region, error=error)


for _each in (cost, gc, touch, extend, keep):
    command.add_command(_each)


def _up_sandbox(context: CommandContext, databases: Sequence[Database], form: str, *, bare: bool) -> None:
    from seedbed.documents.environments import ConnectionsDocument
    from seedbed.environments.variables import written
    from seedbed.report.text.environments import connections_text

    sandbox, engine = context.project.sandbox, context.catalog.engine
    with sandbox.servers(databases) as settings:
        sandbox.start_daemon(databases)
    found = {
        str(each.id): written(each.service, engine(each.engine).variables, settings[each.id], bare=bare)
        for each in databases
    }
    document = ConnectionsDocument.of(SANDBOX, found, context.command)
    if form:
        _as_file(context, document, form)
    else:
        context.show(document, connections_text)
    context.out.log(f"\nthe servers run until: {hint_text(Hint(call('env down', SANDBOX)), SANDBOX, '')}")


def _require_one_service(databases: Sequence[Database], *, bare: bool) -> None:
    services = sorted({each.service for each in databases})
    if bare and len(services) > 1:
        raise UsageError(
            f"--bare is for one service, and {len(services)} are selected",
            because="DB_HOST cannot lead to the databases of several",
            try_=Hint(call("env up", "sandbox", "--bare", "-s", services[0])),
        )


def _as_file(context: CommandContext, document: ConnectionsDocument, form: str) -> None:
    """Write the variables of `document` to standard output and nothing else, for a program to read."""
    from seedbed.report.text import environments

    try:
        text = environments.export_text(document) if form == EXPORT else environments.dotenv_text(document)
    except ValueError as error:
        raise UsageError(
            "the variables cannot be written as a .env file",
            because=f"{error}, which its readers understand differently",
            try_=Hint("take a directory with a plainer name, or ", call("env up", "sandbox", "--export")),
        ) from error
    context.out.result(text)


def _take_down(context: CommandContext, environment: Environment, *, yes: bool) -> None:
    """Delete the stacks, then what lies on the servers of the base, once nothing of its own uses that any more."""
    from seedbed.cli import sharing
    from seedbed.cli.commands.destroy import destroyed
    from seedbed.cli.turns import end_shares, turn
    from seedbed.deployment.request import A_DAY
    from seedbed.documents.going_down import DownDocument
    from seedbed.execution.stopping import Stop
    from seedbed.report.text.going_down import down_text

    with turn(context, environment, "down"):
        if environment.base:
            end_shares(context, environment)
        _, outcome, stays = destroyed(context, environment.name, yes=yes, wait=A_DAY)
        if outcome.changed:
            context.mark_changed()
        shares, failed = sharing.drop(context, environment, Stop()) if not outcome.exit_code else ((), ())
        code = outcome.exit_code or exit_code(failed, changed=context.is_changed)
        if not code:
            sharing.forget(context, environment)
    document = DownDocument.of(environment.name, code, outcome, stays, shares, failed, context.command)
    context.show(document, down_text)
    context.leave(code)

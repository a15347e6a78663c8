"""`seedbed share make`, `seedbed share keep`, `seedbed share list`, `seedbed share drop`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context
from seedbed.errors import UsageError

if TYPE_CHECKING:
    from seedbed.model.sharing import ShareOutcome, SharePart
    from seedbed.project.shares import Shares

# None of them is a run that "writes": those follow each other, and ana's databases are made while ben's are. Each
# server orders what is about one and the same part.
_KIND = CommandKind.READS


@click.group("share")
def command() -> None:
    """Make, keep, list or drop what environments have on the servers of their base.

    `env up` and `env down` do this by themselves. It is carried out by the base's task, which alone has the
    administrators' logins: -e names the base.

    \b
    seedbed share list -e shared-dev
    seedbed share drop dev-ana -e shared-dev
    """


_databases = click.argument("databases", nargs=-1, metavar="[DATABASE[@TEMPLATE]]...")
_name = click.argument("name", metavar="NAME")


@command.command("make", short_help="Make databases and logins of an environment.")
@_name
@_databases
@options.environment
@options.as_json
@command_context(_KIND)
def make(context: CommandContext, name: str, databases: tuple[str, ...], env: str) -> None:
    """Make what the environment NAME lacks for DATABASES on the servers of the base.

    The passwords of its logins are in secrets that its own stacks make. A database begins as a copy of TEMPLATE, where
    one of that name is kept.

    \b
    seedbed share make dev-ana user/postgres payment/postgres -e shared-dev
    """
    parts = _parts(databases)
    _require_some(parts, "make")
    _show(context, env, lambda shares: shares.make(name, parts))


@command.command("keep", short_help="Keep databases of an environment as templates.")
@_name
@_databases
@options.environment
@options.as_json
@command_context(_KIND)
def keep(context: CommandContext, name: str, databases: tuple[str, ...], env: str) -> None:
    """Keep what DATABASES of the environment NAME hold as TEMPLATE, for others to begin with.

    A database with connections is left out: it is kept another time.

    \b
    seedbed share keep dev-ana user/postgres@5f2c8a -e shared-dev
    """
    parts = _parts(databases)
    _require_some(parts, "keep")
    _show(context, env, lambda shares: shares.keep(name, parts))


@command.command("list", short_help="List what environments have there.")
@options.environment
@options.as_json
@command_context(_KIND)
def listing(context: CommandContext, env: str) -> None:
    """List what environments have on the servers of the base, also those that are gone.

    \b
    seedbed share list -e shared-dev
    seedbed share list -e shared-dev --json
    """
    _show(context, env, lambda shares: shares.listed())


@command.command("drop", short_help="Drop what an environment has there.")
@_name
@_databases
@options.environment
@options.as_json
@command_context(_KIND)
def drop(context: CommandContext, name: str, databases: tuple[str, ...], env: str) -> None:
    """Drop DATABASES of the environment NAME, and their logins; none named: all that it has there.

    Whoever is connected is cut off. Only what starts with `dev` is dropped.

    \b
    seedbed share drop dev-ana -e shared-dev
    seedbed share drop dev-ana user/postgres -e shared-dev
    """
    parts = _parts(databases)
    _show(context, env, lambda shares: shares.drop(name, parts))


def _show(context: CommandContext, env: str, do: Callable[[Shares], Sequence[ShareOutcome]]) -> None:
    from seedbed.documents.sharing import SharesDocument
    from seedbed.project.shares import Shares
    from seedbed.report.text.sharing import shares_text

    shares = Shares(context.project.targets, context.catalog.environment(env))
    document = SharesDocument.of(env, do(shares), context.command)
    context.show(document, shares_text)
    context.leave(document.exit_code)


def _parts(databases: Sequence[str]) -> list[SharePart]:
    from seedbed.model.sharing import SharePart

    found = []
    for each in databases:
        database, _, template = each.partition("@")
        if len(database.split("/")) != 2 or not all(database.split("/")):
            raise UsageError(
                f"{each} is not the id of a database",
                because="it has to be SERVICE/ENGINE, and may have @TEMPLATE behind it",
                try_="name it as the manifest does",
            )
        found.append(SharePart(database, template))
    return found


def _require_some(parts: Sequence[SharePart], verb: str) -> None:
    if not parts:
        raise UsageError(
            f"share {verb} names no database",
            because="what an environment has there follows from its name and those of its databases",
            try_="name them: SERVICE/ENGINE",
        )

"""`seedbed new`."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context
from seedbed.errors import Hint, UsageError, call


@click.command("new")
@click.argument("name", required=False)
@options.selection
@click.option(
    "--phase",
    type=click.Choice(["expand", "migrate", "contract"]),
    default="expand",
    help="Phase of the migration (default: expand).",
)
@click.option(
    "--after",
    multiple=True,
    metavar="DATABASE:VERSION",
    shell_complete=options.known("migrations"),
    help="Run after this migration of another database; may be repeated.",
)
@click.option(
    "--rebase",
    metavar="VERSION",
    shell_complete=options.known("versions"),
    help="Give this migration a new version instead.",
)
@click.option(
    "--suffix",
    default="",
    metavar="SUFFIX",
    help="Kind of file, where the engine has several: .sql, .http, .py (default: what fits).",
)
@command_context(CommandKind.LOCAL)
def command(
    context: CommandContext,
    name: str | None,
    services: tuple[str, ...],
    engines: tuple[str, ...],
    phase: str,
    after: tuple[str, ...],
    suffix: str,
    rebase: str | None,
) -> None:
    """Create a migration file and print its path; or give one that is out of order the last version.

    Where an index has a declared version that no migration leads to, the new one does.

    \b
    seedbed new add_phone_number -s user
    seedbed new drop_old_amount -s payment --phase contract
    seedbed new split_names -s user --suffix .py
    seedbed new --rebase 20260301090000 -s user
    """
    if bool(name) == bool(rebase):
        raise UsageError(
            "new takes a name, or --rebase with a version",
            because="it writes one file or renames one",
            try_=Hint(call("new", "add_phone_number")),
        )
    databases = context.databases(services, engines)
    if len(databases) != 1:
        raise UsageError(
            f"{len(databases)} databases are selected",
            because="a migration belongs to one",
            try_="narrow the selection with --service and --engine",
        )
    now = datetime.now(UTC)
    if rebase:
        path = context.catalog.rebase_migration(databases[0], rebase, now)
    else:
        path = context.catalog.new_migration(
            databases[0], name or "", now, phase=phase, after=after, suffix=suffix
        )
    context.out.result(f"{path}\n")

"""`seedbed repair`."""

from __future__ import annotations

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, command_context
from seedbed.errors import Hint, UsageError, call

_DECISIONS = {
    "applied": "The current step took effect.",
    "not-applied": "The current step did not take effect.",
    "checksum": "Accept the file as it is now.",
    "forget": "Remove the record; the database is not changed.",
}


@click.command("repair")
@click.argument("version", required=False)
@options.environment
@options.selection
@click.option("--applied", "decision", flag_value="applied", help=_DECISIONS["applied"])
@click.option("--not-applied", "decision", flag_value="not-applied", help=_DECISIONS["not-applied"])
@click.option("--checksum", "decision", flag_value="checksum", help=_DECISIONS["checksum"])
@click.option("--forget", "decision", flag_value="forget", help=_DECISIONS["forget"])
@click.option("--unlock", is_flag=True, help="End the run that holds the lease by force.")
@click.option("--because", default="", metavar="TEXT", help="The reason, for the audit entry.")
@options.wait
@options.as_json
@command_context
def command(
    context: CommandContext,
    version: str | None,
    env: str,
    services: tuple[str, ...],
    engines: tuple[str, ...],
    decision: str | None,
    unlock: bool,
    because: str,
    wait: float,
) -> None:
    """Record a decision about VERSION in the history of one database, with an audit entry.

    \b
    seedbed repair 20260301090000 -e staging -s reviews --applied --because "index is there, checked by hand"
    seedbed repair -e staging -s reviews --unlock
    """
    from seedbed.project import Decision

    if unlock == (decision is not None) or (decision is not None and version is None):
        raise UsageError(
            "repair needs one decision",
            because="it is VERSION with --applied, --not-applied, --checksum or --forget; or --unlock alone",
            try_=Hint(call("repair", "--help")),
        )
    with context.run(env, context.databases(services, engines), wait=wait) as run:
        if unlock:
            outcome = run.unlock()
            if not outcome.changed:
                context.out.log("the lease is free")
        else:
            outcome = run.repair(version or "", Decision(decision or ""), because=because)
    context.finish(run, outcome)

"""`seedbed repair`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context
from seedbed.errors import Hint, Refused, UsageError, call

if TYPE_CHECKING:
    from seedbed.model.outcome import Outcome
    from seedbed.project import Run

_DECISIONS = {
    "applied": "Record that the current step took effect.",
    "not-applied": "Record that the current step did not take effect.",
    "checksum": "Accept the file as it is now.",
    "forget": "Remove the record; leave the database as it is.",
}


@click.command("repair")
@click.argument("version", required=False, shell_complete=options.known("versions"))
@options.environment
@options.selection
@click.option("--applied", "decision", flag_value="applied", help=_DECISIONS["applied"])
@click.option("--not-applied", "decision", flag_value="not-applied", help=_DECISIONS["not-applied"])
@click.option("--checksum", "decision", flag_value="checksum", help=_DECISIONS["checksum"])
@click.option("--forget", "decision", flag_value="forget", help=_DECISIONS["forget"])
@click.option("--unlock", is_flag=True, help="End by force the run that holds the lease.")
@click.option("--bind", is_flag=True, help="Bind a copy to this environment.")
@click.option(
    "--was",
    default="",
    metavar="NAME",
    shell_complete=options.known("environments"),
    help="With --bind: the environment that the copy was bound to.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation before --unlock and --bind.")
@click.option(
    "--because",
    default="",
    metavar="TEXT",
    help="The reason, for the audit entry; wanted where the environment is protected.",
)
@options.wait
@options.as_json
@command_context(CommandKind.WRITES)
def command(
    context: CommandContext,
    version: str | None,
    env: str,
    services: tuple[str, ...],
    engines: tuple[str, ...],
    decision: str | None,
    unlock: bool,
    bind: bool,
    was: str,
    yes: bool,
    because: str,
    wait: float,
) -> None:
    """Record a decision about VERSION in the history of one database, with an audit entry.

    --unlock and --bind are about the database itself, and take no VERSION.

    \b
    seedbed repair 20260301090000 -e staging -s reviews --applied \\
        --because "index is there, checked by hand"
    seedbed repair -e staging -s reviews --unlock
    seedbed repair -e staging -s reviews --bind --was prod   a restored copy
    """
    from seedbed.project import Decision
    from seedbed.project.protection import require_reason

    if sum((unlock, bind, decision is not None)) != 1 or (decision is not None) != (version is not None):
        raise UsageError(
            "repair needs one decision",
            because="it is VERSION with --applied, --not-applied, --checksum or --forget; or --unlock or --bind alone",
            try_=Hint(call("repair", "--help")),
        )
    if decision or bind:
        require_reason(context.catalog.environment(env), because)
    if was and not bind:
        raise UsageError("--was belongs to --bind", because="it says what a copy is bound to until now")
    with context.run(env, context.databases(services, engines), wait=wait, compare=not bind) as run:
        if decision:
            outcome = run.repair(version or "", Decision(decision), because=because)
        elif unlock:
            outcome = _unlock(context, run, yes)
        else:
            outcome = _bind(context, run, was, because, yes)
    context.finish(run, outcome)


def _unlock(context: CommandContext, run: Run, yes: bool) -> Outcome:
    run.require_connected()
    _confirm(context, f"End the run that holds the lease of {_names(run)} in {run.environment.name}?", yes)
    outcome = run.unlock()
    if not outcome.changed:
        context.out.log("the lease is free")
    return outcome


def _bind(context: CommandContext, run: Run, was: str, because: str, yes: bool) -> Outcome:
    """Bind the one target of `run`; what it is bound to until now is checked before anybody is asked."""
    run.require_copy(was)
    _confirm(
        context,
        f"Bind {_names(run)}, until now {was or 'without an identity'}, to {run.environment.name}?",
        yes,
    )
    outcome = run.bind(was=was, because=because)
    if not outcome.changed:
        context.out.log("it is bound to this environment already")
    return outcome


def _names(run: Run) -> str:
    return ", ".join(f"{each.id} ({each.target.address})" for each in run.connected)


def _confirm(context: CommandContext, question: str, yes: bool) -> None:
    """Ask, unless that was answered. Raises Refused where there is nobody to ask."""
    if yes:
        return
    if context.as_json or not context.can_ask:
        raise Refused(
            f"not confirmed: {question}",
            because="there is no terminal to ask at",
            try_="confirm it with --yes",
        )
    context.confirm(question)

"""`seedbed runs list`, `seedbed runs attach`, `seedbed runs stop`, `seedbed runs warm`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context
from seedbed.errors import ExitCode, Hint, UsageError, call

if TYPE_CHECKING:
    from seedbed.documents.runs import RunEntry
    from seedbed.remote.place import Place
    from seedbed.remote.records import Listed, Run


class _Runs(click.Group):
    """A group that lists where nothing else is said: `seedbed runs -e staging`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not any(each in self.commands or each in ctx.help_option_names for each in args):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group("runs", cls=_Runs)
def command() -> None:
    """List, follow or stop what runs in a task inside the network.

    \b
    seedbed runs -e staging
    seedbed runs attach 01KDF7C2M0QS0V6E1TJ9WB6N4X -e staging
    seedbed runs stop 01KDF7C2M0QS0V6E1TJ9WB6N4X -e staging
    """


@command.command("list", short_help="List the newest runs of an environment.")
@options.environment
@options.most
@options.as_json
@command_context(CommandKind.LOCAL)
def listing(context: CommandContext, env: str, most: int) -> None:
    """List the newest runs of an environment: who called what, when, for how long, and how it ended.

    \b
    seedbed runs -e staging
    seedbed runs -e prod --json
    """
    from seedbed.documents.runs import RunsDocument
    from seedbed.report.text.runs import runs_text

    runs = _place(context, env).control.runs(
        most=most, unreadable=lambda error: context.out.log(f"left out: {error.what}", level=-1)
    )
    context.show(RunsDocument.of(env, map(_entry, runs), context.command), runs_text)


@command.command("attach", short_help="Follow a run, and end as it ends.")
@click.argument("run", metavar="[RUN]", required=False)
@options.environment
@command_context(CommandKind.LOCAL)
def attach(context: CommandContext, run: str | None, env: str) -> None:
    """Follow RUN (default: the newest) from its beginning, and leave with its exit code.

    One that is over is shown again.

    Ctrl-C asks the run to stop, as where it was called. What it writes to a file stays where that is.

    \b
    seedbed runs attach -e staging
    seedbed runs attach 01KDF7C2M0QS0V6E1TJ9WB6N4X -e staging
    """
    from seedbed.cli.travel.client import end, follow, signals
    from seedbed.remote.tasks import Tasks

    place = _place(context, env)
    found = _found(place, run) if run else _newest(place)
    context.as_json = found.ask.terminal.json
    tasks = Tasks(place.cloud, place.task) if place.task else None
    with signals() as pressed:
        ended = follow(context, place.control, tasks, found.id, pressed)
    end(context, place.control, ended, pressed)


@command.command("stop", short_help="Ask a run to stop, or end its task.")
@click.argument("run", metavar="RUN")
@options.environment
@click.option("--now", is_flag=True, help="End its task: SIGTERM, and after two minutes SIGKILL.")
@command_context(CommandKind.LOCAL)
def stop(context: CommandContext, run: str, env: str, now: bool) -> None:
    """Ask RUN to stop, as Ctrl-C would: the current step is rolled back or finished. --now ends its task.

    \b
    seedbed runs stop 01KDF7C2M0QS0V6E1TJ9WB6N4X -e staging
    """
    from seedbed.remote.stopping import withdrawn
    from seedbed.remote.tasks import Tasks

    place = _place(context, env)
    found = _found(place, run)
    if found.is_over:
        context.out.result(f"run {found.id} is over\n")
        return
    tasks = Tasks(place.cloud, place.task) if place.task else None
    if withdrawn(place.control, tasks, found.id, ExitCode.INTERRUPTED):
        context.out.result(f"run {found.id}: no worker had taken it, and none will; nothing was touched\n")
        return
    place.control.request_stop(found.id, int(ExitCode.INTERRUPTED))
    if now and found.carrier:
        Tasks(place.cloud, place.require_task()).stop(found.carrier, f"run {found.id} is stopped now")
    said = (
        "its task is being ended" if now and found.carrier else "it is asked to stop at its next safe point"
    )
    context.out.result(f"run {found.id}: {said}\n")


@command.command("warm", short_help="Keep a worker ready, so that runs begin at once.")
@options.environment
@click.option("--end", is_flag=True, help="End it.")
@command_context(CommandKind.LOCAL)
def warm(context: CommandContext, env: str, end: bool) -> None:
    """Start a worker that takes runs within a second or two, and ends itself after 20 minutes without one.

    In ephemeral environments only; seedbed destroy ends it first.

    \b
    seedbed runs warm -e dev-ana
    seedbed runs warm -e dev-ana --end
    """
    from seedbed.model.environment import require_ephemeral
    from seedbed.remote import warm
    from seedbed.remote.tasks import Tasks

    require_ephemeral(context.catalog.environment(env), "runs warm")
    place = _place(context, env)
    tasks = Tasks(place.cloud, place.require_task())
    if end:
        ended = warm.end(place.control, tasks, tell=context.out.log)
        context.out.result(f"ended: {', '.join(ended)}\n" if ended else "no worker waits for runs\n")
        return
    task, is_new = warm.begin(place.control, tasks)
    said = "begins to wait for runs; that takes as long as any task" if is_new else "waits for runs already"
    context.out.result(f"task {task.rpartition('/')[2]} {said}\n")


def _place(context: CommandContext, env: str) -> Place:
    """Return where the runs of an environment are. Raises UsageError where it has none."""
    from seedbed.remote import place

    environment = context.catalog.environment(env)
    if not environment.has_runs:
        raise UsageError(
            f"no command runs in a task in {env}",
            because="its databases are reached from where a command is called",
            try_='see access = "task" in the manifest\'s reference',
        )
    cloud = context.project.targets.cloud(environment)
    return place.find(cloud, context.project.platform.name, environment)


def _newest(place: Place) -> Run:
    """Return the run of this environment that was asked for last. Raises UsageError where there is none."""
    for each in place.control.runs(most=1):
        return _found(place, each.id)
    raise UsageError(f"{place.environment} has no run yet", try_=Hint(call("apply")))


def _found(place: Place, run: str) -> Run:
    """Return a run of this environment. Raises UsageError where there is none of that id."""
    found = place.control.run(run)
    if found is None:
        raise UsageError(
            f"{place.environment} has no run {run}",
            because="there is no record of that id, or it has expired",
            try_=Hint("see which there are: ", call("runs list")),
        )
    return found


def _entry(run: Listed) -> RunEntry:
    from seedbed.documents.runs import RunEntry
    from seedbed.remote.records import code_of

    began, ended = datetime.fromisoformat(run.at), run.ended and datetime.fromisoformat(run.ended)
    return RunEntry(
        id=run.id,
        called=run.command,
        arguments=tuple(run.argv),
        by=run.by,
        at=run.at,
        state=run.state,
        writes=run.writes,
        seconds=max(0.0, (ended - began).total_seconds()) if ended else None,
        exit_code=code_of(run.exit_code) if run.exit_code is not None else None,
    )

"""`seedbed release next`."""

from __future__ import annotations

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, command_context
from seedbed.errors import GateClosed
from seedbed.model.release import STEPS, StepName


@click.command("next", short_help="Take the steps whose gates are open.")
@click.argument("number", type=click.IntRange(1), required=False)
@options.environment
@click.option(
    "--through",
    type=click.Choice([each.value for each in STEPS]),
    help="The last step to take (default: close).",
)
@click.option("--wait", is_flag=True, help="Wait until gates are open, and until others have ended.")
@click.option(
    "--ok-if-closed", is_flag=True, help="Exit with 0 where a gate is closed, for what calls by the hour."
)
@options.said_by
@options.as_markdown
@options.as_json
@command_context(CommandKind.LOCAL)
def command(
    context: CommandContext,
    number: int | None,
    env: str,
    through: str | None,
    wait: bool,
    ok_if_closed: bool,
    note: str,
    markdown: bool,
) -> None:
    """Take the steps of release NUMBER (default: the open one), one after the other, as long as their gates are open.

    Each step runs commands of seedbed on the unpacked bundle, and shows them. One that ended early goes on behind the
    last command that ended, whoever calls. Where a gate is closed it says which, and exits with 6; where no release is
    open there is nothing to do, and it exits with 0.

    \b
    seedbed release next -e staging
    seedbed release next -e prod --through code
    seedbed release next -e prod 12 --wait
    """
    from seedbed.cli import releasing
    from seedbed.project.releasing.nexts import Going, go_on
    from seedbed.project.releasing.readers import CountedReaders
    from seedbed.project.releasing.snapshots import StillKept

    with releasing.operating(context, env, note) as operator:
        going = Going(
            operator,
            releasing.environ_of(context, env),
            readers=StillKept(operator, CountedReaders(operator.store, operator.stop)),
            through=StepName(through) if through else None,
            wait=wait,
        )
        try:
            went = go_on(context.project, env, going, number)
        except GateClosed as error:
            if not ok_if_closed:
                raise
            context.out.log(f"{error.what}: {error.because}")
        else:
            if went.release is None and not operator.store.numbers():
                releasing.show_none(context, env)
                return
            if went.release is None:
                context.out.log(f"no release of {env} is open: there is nothing to do")
            number = went.release.number if went.release else number
    releasing.show(context, env, number, markdown=markdown)

"""What the commands of `seedbed snapshot` have in common: which release, and what reaches the snapshots."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from seedbed.cli import options
from seedbed.cli.context import CommandContext, CommandKind, signals
from seedbed.errors import UsageError

if TYPE_CHECKING:
    from seedbed.execution.stopping import Stop
    from seedbed.model.platform import Database
    from seedbed.project.snapshots import ReleaseSnapshots

F = TypeVar("F", bound=Callable[..., Any])
# None of them is a run that "writes": those follow each other, and what is restored beside changes no database.
KIND = CommandKind.READS


def release_option(*, required: bool) -> Callable[[F], F]:
    return click.option(
        "--release",
        "release",
        cls=options.NumberOption,
        type=click.IntRange(min=1),
        required=required,
        metavar="NUMBER",
        help="The release that the snapshot is of." if required else "Only those of this release.",
    )


of_release = release_option(required=True)


@contextmanager
def reached(context: CommandContext, env: str) -> Iterator[tuple[ReleaseSnapshots, Stop]]:
    """Yield the snapshots of an environment, stopped cleanly by Ctrl-C and SIGTERM."""
    from seedbed.execution.stopping import Stop
    from seedbed.project.protection import require_databases
    from seedbed.project.snapshots import ReleaseSnapshots

    environment = context.catalog.environment(env)
    require_databases(context.project.platform, environment)
    stop = Stop()
    with signals(stop), ExitStack() as watching:
        if context.recorder:
            watching.enter_context(context.recorder.watching(stop))
        yield ReleaseSnapshots(context.project.targets, environment, stop=stop, tell=context.out.log), stop


def the_only(databases: Sequence[Database]) -> Database:
    if len(databases) != 1:
        raise UsageError(
            f"{len(databases)} databases are selected, and a copy is of one",
            because="each is restored by itself",
            try_="narrow the selection with --service and --engine",
        )
    return databases[0]


def now() -> float:
    import time

    return time.time()

"""What the commands of `seedbed release` share: who calls, where releases are kept, what children are told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from seedbed.cli.context import CommandContext, signals

if TYPE_CHECKING:
    from seedbed.model.environment import Environment
    from seedbed.project.releasing.operator import Operator
    from seedbed.releases.store import ReleaseStore


def store_of(context: CommandContext, env: str) -> ReleaseStore:
    """Return what keeps the releases of an environment. Raises UsageError where it was never deployed."""
    from seedbed.project import released

    return released.store_of(context.project.targets, environment_of(context, env))


def environment_of(context: CommandContext, env: str) -> Environment:
    """Return an environment that may have releases. Raises UsageError for a base."""
    from seedbed.project.protection import require_databases

    environment = context.catalog.environment(env)
    require_databases(context.project.platform, environment)
    return environment


def show(context: CommandContext, env: str, number: int | None, *, markdown: bool = False) -> None:
    """Write a release to standard output. `number`: None for the one that is open, else the newest."""
    from seedbed.errors import UsageError
    from seedbed.project.releasing import showing
    from seedbed.report.markdown_release import release_markdown
    from seedbed.report.text.release import release_text

    if markdown and context.as_json:
        raise UsageError(
            "--markdown and --json cannot be combined", because="there is one result", try_="one of them"
        )
    found = showing.show(
        context.project, env, store_of(context, env), environ_of(context, env), number, context.command
    )
    context.show(found, release_markdown if markdown else release_text)


def show_none(context: CommandContext, env: str) -> None:
    """Write to standard output that an environment has had no release yet."""
    from seedbed.documents.release import ReleasesDocument
    from seedbed.report.text.release import releases_text

    context.show(ReleasesDocument.of(env, (), context.command), releases_text)


@contextmanager
def operating(context: CommandContext, env: str, note: str = "") -> Iterator[Operator]:
    """Yield who goes on with releases from here; Ctrl-C and SIGTERM reach the commands that run within this context."""
    from seedbed.execution.stopping import Stop
    from seedbed.project.releasing.operator import Operator

    store, stop = store_of(context, env), Stop()
    files = context.project.home.parent / "snapshots"  # beside the sandbox, as `snapshot take` has it
    with signals(stop):
        yield Operator(store, store.caller(note), stop, context.out.log, files=files)


def environ_of(context: CommandContext, env: str) -> dict[str, str]:
    """Return the variables of the commands of a step, which have to find the releases of this directory."""
    from seedbed.project import released

    targets = context.project.targets
    directory = released.directory_of(targets, context.catalog.environment(env))
    found = dict(targets.environ)
    if directory is not None:
        found[released.DIRECTORY] = str(directory)
    return found
